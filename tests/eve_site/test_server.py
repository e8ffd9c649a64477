"""Where Eve listens."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.e2e.house import ROOT, House


@pytest.fixture
def home(tmp_path: Path) -> House:
    """An Eve that is to listen on every address."""
    home = House(tmp_path, settings={"EVE_BIND": "::"})
    home.set_up()
    return home


def test_every_address_is_one_of_either_family(home: House) -> None:
    home.start_eve()
    try:
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{home.port}/login/", timeout=10).status_code == 200
    finally:
        home.close()
    seen = [line for line in map(json.loads, home.logs().splitlines()) if line.get("path") == "/login/"]
    assert [line["address"] for line in seen] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_address_that_is_taken_is_named(home: House, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, home.port), family=family):
        done = subprocess.run(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=home.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    said = json.loads(done.stderr.splitlines()[-1])
    assert (said["event"], said["address"], said["port"]) == ("cannot listen", host, home.port)
    assert said["why"] == "Address already in use"
