"""One Eve with a made-up hypervisor for all tests that need no guest, and everybody in it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import PEOPLE
from tests.e2e.house import PASSWORD, ROOT, House, free_port, house

from .browser import Browser
from .rfb import Display, Viewer

RECHECK_SECONDS = 10
"""So long that what ends a console within 5 s of its opening was not the periodic check."""
OLIVIA, OSCAR, VERA = "olivia@acme.example", "oscar@acme.example", "vera@acme.example"
OTTO, THEO = "otto@otto.example", "theo@eve.example"

VMS_FOR = """
import json
from accounts.models import Project
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
project = Project.objects.get(pk={project!r})
found = DiscoveredDomain.objects.filter(is_conflict=False).select_related("hypervisor").order_by("name")
print(json.dumps([str(vm_adopt(discovered=row, project=project, user=None).pk) for row in found]))
"""


@dataclass
class Estate:
    """A running Eve, an agent, and VMs of project Acme."""

    home: House
    acme: str
    vms: list[str]
    tokens: dict[str, str] = field(default_factory=dict)

    def token(self, email: str) -> str:
        """A login token, the same each time."""
        if email not in self.tokens:
            self.tokens[email] = self.home.token(email)
        return self.tokens[email]

    def socket_url(self, vm_id: str, query: str = "", *, port: int | None = None) -> str:
        """The console's websocket."""
        return f"ws://{self.home.host}:{port or self.home.port}/ws/vms/{vm_id}/console?{query}"

    def ticket(self, email: str, vm_id: str, token: str = "") -> str:
        """A ticket that stands alone."""
        answer = self.home.api("POST", f"/vms/{vm_id}/console", token=token or self.token(email), json={})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"])

    def session_open(self, email: str) -> str:
        """The id of the newest console session that the user sees."""
        return str(self.home.api("GET", "/consoles", token=self.token(email)).json()["results"][0]["session"])

    def session_ended(self, email: str, session_id: str, *, seconds: float) -> dict[str, Any]:
        """The record of a console session, once it is over."""
        token, until = self.token(email), time.monotonic() + seconds
        while (session := self.home.api("GET", f"/consoles/{session_id}", token=token).json())["ended_at"] is None:
            assert time.monotonic() < until, session
            time.sleep(0.2)
        return dict(session)

    def browser(self, email: str) -> Browser:
        """Signed in."""
        return Browser(self.home.url).sign_in(email)

    def watch(self, email: str, vm_id: str, *, token: str = "") -> Viewer:
        """An open console of a token."""
        ticket = self.ticket(email, vm_id, token)
        return Viewer(self.socket_url(vm_id, f"ticket={ticket}")).greet()


@dataclass(frozen=True, slots=True)
class Daphne:
    """A second server, which does not hand its sockets over."""

    port: int
    process: subprocess.Popen[bytes]


def populate(home: House) -> Estate:
    """The people of tests/cast.py, and all domains of the host for project Acme."""
    acme = json.loads(home.shell(PEOPLE % {"password": PASSWORD}).strip().splitlines()[-1])["acme"]
    vms = json.loads(home.shell(VMS_FOR.format(project=acme)).strip().splitlines()[-1])
    return Estate(home, acme, vms)


def resident_bytes(process: Any) -> int:
    """Resident memory of a process."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


@pytest.fixture(scope="session")
def display() -> Iterator[Display]:
    """Everybody's screen."""
    shown = Display()
    yield shown
    shown.close()


@pytest.fixture(scope="session")
def estate(tmp_path_factory: pytest.TempPathFactory, display: Display) -> Iterator[Estate]:
    """The Eve that most tests share."""
    settings = {"EVE_CONSOLE_RECHECK_SECONDS": str(RECHECK_SECONDS)}
    with house(tmp_path_factory.mktemp("estate"), fake_console=display.address, settings=settings) as home:
        yield populate(home)


@pytest.fixture
def watch(estate: Estate) -> Iterator[Callable[..., Viewer]]:
    """``watch(email, vm_id)``: an open console that is closed in the end."""
    viewers: list[Viewer] = []

    def opened(*args: Any, **options: Any) -> Viewer:
        viewers.append(estate.watch(*args, **options))
        return viewers[-1]

    yield opened
    for viewer in viewers:
        viewer.close()


@pytest.fixture(scope="module")
def daphne(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daphne]:
    """A daphne beside the server, on the same database."""
    port = free_port()
    log_path = tmp_path_factory.mktemp("daphne") / "log"
    command = [str(Path(sys.executable).with_name("daphne")), "-b", "127.0.0.1", "-p", str(port)]
    environment = {**estate.home.environment, "EVE_EMBEDDED": "false"}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*command, "eve_site.asgi:application"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        for _ in range(300):
            with contextlib.suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200:
                    break
            assert process.poll() is None, log_path.read_text()
            time.sleep(0.1)
        yield Daphne(port, process)
    finally:
        process.terminate()
        process.wait(15)
