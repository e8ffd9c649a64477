"""A throw-away PostgreSQL and a throw-away Redis, each on a Unix socket in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.root import service_root_create

GUARD = Path(__file__).with_name("guard.py")
START_SECONDS = 30


class ServiceError(Exception):
    """A service that the tests need did not start; the text says why."""


@contextmanager
def postgres() -> Iterator[str]:
    """PostgreSQL with fsync off and nothing listening on a network. Yields its DATABASE_URL.

    As root it runs as Debian's ``postgres`` user: PostgreSQL refuses to run as root.
    """
    binaries = _postgres_binaries()
    root = service_root_create("postgres")
    data, sockets = root.path / "data", root.path / "sockets"
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
    for folder in (data, sockets):
        folder.mkdir(mode=0o700)
        if user:
            account = pwd.getpwnam("postgres")
            os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        _run([*user, str(binaries / "initdb"), "-D", str(data), "-U", "eve", "-A", "trust", "-E", "UTF8", "--no-sync"])
        options = {
            "unix_socket_directories": sockets,
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
        }
        command = [*user, str(binaries / "postgres"), "-D", str(data), "-h", ""]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with _guarded(command, log=root.path / "log", socket_path=sockets / ".s.PGSQL.5432"):
            _wait_until_ready([str(binaries / "pg_isready"), "-q", "-h", str(sockets)])
            yield f"postgres://eve@/{sockets}/postgres"  # two slashes: a folder of sockets, not a host
    finally:
        root.close()


@contextmanager
def redis() -> Iterator[str]:
    """Redis without persistence. Yields its REDIS_URL."""
    root = service_root_create("redis")
    path = root.path / "socket"
    command = [
        "redis-server",
        "--port",
        "0",
        "--unixsocket",
        str(path),
        "--unixsocketperm",
        "700",
        "--save",
        "",
        "--dir",
        str(root.path),
    ]
    try:
        with _guarded(command, log=root.path / "log", socket_path=path):
            yield f"unix://{path}"
    finally:
        root.close()


def _postgres_binaries() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise ServiceError("PostgreSQL is missing: apt-get install postgresql, or `make test`, which does it.")
    return Path(found).parent


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd="/")
    if done.returncode != 0:
        raise ServiceError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


@contextmanager
def _guarded(command: list[str], *, log: Path, socket_path: Path) -> Iterator[None]:
    with log.open("wb") as output:
        guard = subprocess.Popen(
            [sys.executable, str(GUARD), *command],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(socket_path):
            if guard.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"`{command[0]}` did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        if guard.stdin is not None:
            guard.stdin.close()
        guard.wait(30)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _wait_until_ready(question: list[str]) -> None:
    """A server that listens may still be starting up."""
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(question, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise ServiceError(f"{Path(question[0]).name} says no after {START_SECONDS} s")
        time.sleep(0.05)
