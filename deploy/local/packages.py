"""System packages: only those that are missing are installed."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.steps import Console, StepError, authenticate, elevated, run_logged

APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A Debian package, and the program that shows that it, or something in its place, is there."""

    package: str
    program: str | None = None
    since: float = 0
    """The release of Debian from which on this is a package of its own."""


RUN: tuple[Requirement, ...] = (
    Requirement("ca-certificates"),
    Requirement("gcc", "gcc"),
    Requirement("libc6-dev"),
    Requirement("pkg-config", "pkg-config"),
    Requirement("python3-dev"),
    Requirement("python3-venv"),
    Requirement("libvirt-dev"),
    Requirement("nodejs", "node"),
    Requirement("npm", "npm"),
)
HYPERVISOR = (
    Requirement("libvirt-daemon-system", "libvirtd"),
    Requirement("libvirt-daemon-driver-qemu"),
    Requirement("libvirt-clients", "virsh"),
    Requirement("qemu-system-x86", "qemu-system-x86_64"),
    Requirement("qemu-utils", "qemu-img"),
)
TEST = (
    Requirement("caddy", "caddy"),
    Requirement("chromium-headless-shell", "chromium-headless-shell"),
    Requirement("debootstrap", "debootstrap"),
    Requirement("e2fsprogs", "mkfs.ext4"),
    Requirement("git", "git"),
    Requirement("iproute2", "ip"),
    Requirement("nftables", "nft"),
    Requirement("dnsmasq-base", "dnsmasq"),
    Requirement("ovmf"),
    Requirement("nginx-light", "nginx"),
    Requirement("postgresql"),
    Requirement("qemu-system-modules-spice", since=13),
    Requirement("redis-server", "redis-server"),
    Requirement("systemd", "systemd-analyze"),
)


def missing(requirements: tuple[Requirement, ...]) -> list[str]:
    """Packages that have to be installed."""
    asked = [
        entry
        for entry in requirements
        if entry.since <= debian_release()
        and (entry.program is None or shutil.which(entry.program, path=_search_path()) is None)
    ]
    if not asked:
        return []
    if shutil.which("dpkg-query") is None:
        raise StepError(
            "this is not Debian (no dpkg-query)",
            remedy=f"Install what stands for these packages, or use Debian 12 or 13: {' '.join(entry.package for entry in asked)}",
        )
    command = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *(entry.package for entry in asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    return [entry.package for entry in asked if entry.package not in installed]


def debian_release(os_release: Path = Path("/etc/os-release")) -> float:
    """Debian's number; without bounds where there is none, as in Debian's testing and in what is made of it."""
    try:
        lines = os_release.read_text().splitlines()
    except OSError:
        return math.inf
    fields = {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}
    try:
        return float(fields["VERSION_ID"]) if fields.get("ID") == "debian" else math.inf
    except (KeyError, ValueError):
        return math.inf


def install(packages: list[str], *, log: Path, console: Console) -> str:
    """Install packages, fetching the package lists first. Raises StepError."""
    if os.geteuid() != 0:
        console.line(f"    sudo is asked to install: {' '.join(packages)}")
        authenticate()
    elevate = elevated(["env", "DEBIAN_FRONTEND=noninteractive"])
    remedy = "Check the network and /etc/apt, run `apt-get update` by hand, then run make again"
    run_logged([*elevate, *APT, "update"], log=log, console=console, what="apt-get update", remedy=remedy)
    run_logged(
        [*elevate, *APT, "install", "-y", "--no-install-recommends", *packages],
        log=log,
        console=console,
        what=f"installing {len(packages)} packages",
        remedy=f"Install them by hand, then run make again: apt-get install {' '.join(packages)}",
    )
    return f"installed {' '.join(packages)}"


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
