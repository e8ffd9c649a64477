"""Signing in to a running Eve, as every benchmark does first."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import requests


@dataclass(frozen=True, slots=True)
class Target:
    """A running Eve, and one VM of it."""

    url: str
    email: str
    password: str
    token: str
    vm_id: str
    vm_name: str


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    state = Path(os.environ.get("EVE_STATE_DIR", "var"))
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="a running Eve (%(default)s)")
    parser.add_argument("--email", default="admin@eve.local", help="who signs in (%(default)s)")
    parser.add_argument("--password-file", type=Path, default=state / "admin-password", help="(%(default)s)")
    parser.add_argument("--vm", default="eve-demo", help="name of a running VM (%(default)s)")
    parser.add_argument("--count", type=int, default=20, help="how often (%(default)s)")
    return parser


def sign_in(options: argparse.Namespace) -> Target:
    """A token, and the VM. Ends the program with a sentence where there is none."""
    password = options.password_file.read_text().strip()
    answer = requests.post(
        f"{options.url}/api/v1/login", json={"email": options.email, "password": password}, timeout=10
    )
    if answer.status_code != 200:
        raise SystemExit(f"signing in failed: {answer.text}")
    token = answer.json()["token"]
    vms = requests.get(
        f"{options.url}/api/v1/vms",
        params={"search": options.vm},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    ).json()["results"]
    found = [vm for vm in vms if vm["name"] == options.vm]
    if not found:
        raise SystemExit(f"there is no VM named {options.vm}; start `make run` first")
    return Target(options.url, options.email, password, token, found[0]["id"], options.vm)
