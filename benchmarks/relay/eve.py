"""A whole Eve with its agent on a console of one's choice, in processes of their own, started as the end-to-end tests start it."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.e2e.house import ADMIN, House

from .client import Address

LIMITS = {"EVE_CONSOLES_PER_VM": "1000", "EVE_CONSOLES_PER_USER": "1000"}
"""One user opens all consoles of one VM here; everything else is as shipped."""
HYPERVISOR = "bench"
FIRST_VM_SECONDS = 30
LAST_LINES = 20
FEW_GUESTS = 3
MANY_GUESTS = 500
CUSTOMER = "customer@eve.local"
CUSTOMERS_GUESTS = 10
"""Of the many guests; the rest, and all of the few, are the administrator's."""
ADOPT = """
import json, time
from accounts.models import Project
from accounts.services import password_set, user_create
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
customer = user_create(email=%(customer)r, name="Customer")
password_set(user=customer, password=open(%(password_file)r).read(), by=None)
theirs, ours = (Project.objects.get(personal_owner__email=email) for email in (%(customer)r, %(admin)r))
until = time.monotonic() + %(seconds)d
while DiscoveredDomain.objects.count() < %(guests)d and time.monotonic() < until:
    time.sleep(0.1)
found = list(DiscoveredDomain.objects.select_related("hypervisor").order_by("name"))
border = len(found) - %(customers_guests)d
print(json.dumps([
    str(vm_adopt(discovered=guest, project=ours if number < border else theirs, user=None).pk)
    for number, guest in enumerate(found)
]))
"""


@dataclass(frozen=True, slots=True)
class RunningEve:
    """Eve and agent, and a VM whose console may be opened."""

    house: House
    password: str
    token: str
    vm_ids: list[str]
    processes: tuple[subprocess.Popen[bytes], ...]

    @property
    def websocket_url(self) -> str:
        """The first VM's console, with a login token in its query."""
        return f"{self.house.url.replace('http', 'ws', 1)}/ws/vms/{self.vm_ids[0]}/console?token={self.token}"

    @property
    def address(self) -> Address:
        """As the client takes it."""
        return Address.of(self.websocket_url)

    def ticket(self) -> tuple[Address, str]:
        """A one-use way to the first VM's console, and the id of the session that it opens."""
        answer = self.house.api("POST", f"/vms/{self.vm_ids[0]}/console", token=self.token).json()
        return Address.of(self.house.url.replace("http", "ws", 1) + answer["url"]), answer["session"]

    def session(self, session_id: str) -> dict[str, Any]:
        """What Eve says of a console session."""
        answer: dict[str, Any] = self.house.api("GET", f"/consoles/{session_id}", token=self.token).json()
        return answer

    def page_cookie(self) -> str:
        """The header of a browser in which the customer signed in."""
        with requests.Session() as browser:
            browser.get(f"{self.house.url}/login/", timeout=10)
            fields = {
                "email": CUSTOMER,
                "password": self.password,
                "csrfmiddlewaretoken": browser.cookies["eve-csrf"],
            }
            answer = browser.post(
                f"{self.house.url}/login/", data=fields, headers={"Referer": f"{self.house.url}/login/"}, timeout=10
            )
            answer.raise_for_status()
            return f"eve-session={browser.cookies['eve-session']}"

    @property
    def pids(self) -> list[int]:
        """Eve's process and the agent's."""
        return [process.pid for process in self.processes]


@contextmanager
def running_eve(
    console: str = "",
    *,
    libvirt_uri: str = "",
    guests: int = FEW_GUESTS,
    settings: dict[str, str] | None = None,
) -> Iterator[RunningEve]:
    """Eve and an agent, in a folder that goes away with them.

    Args:
        console: ``tcp:HOST:PORT`` of an RFB 3.8 server without authentication, which is every made-up guest's screen.
        libvirt_uri: instead of `console`, a libvirt with real guests.
        guests: how many there are: :data:`FEW_GUESTS` or :data:`MANY_GUESTS` are made up, or as many as libvirt has.
        settings: variables for Eve beside :data:`LIMITS`.
    """
    with tempfile.TemporaryDirectory(prefix="eve-bench-") as folder:
        home = House(
            Path(folder),
            fake_console=console,
            fake_domains=guests,
            libvirt_uri=libvirt_uri,
            settings={**LIMITS, **(settings or {})},
        )
        password = secrets.token_urlsafe(18)
        (home.folder / "password").write_text(password)
        try:
            home.set_up()
            home.start_eve()
            home.enrol(HYPERVISOR)
            home.start_agent(HYPERVISOR)
            token = home.token(ADMIN, password)
            vm_ids = _adopt(home, guests)
            assert home.eve is not None
            assert home.agent is not None
            yield RunningEve(home, password, token, vm_ids, (home.eve, home.agent))
        except Exception:
            print("What Eve and the agent said last:", *_last_words(home), sep="\n  ", file=sys.stderr)
            raise
        finally:
            home.close()


def _adopt(home: House, guests: int) -> list[str]:
    """Makes all guests of the made-up hypervisor VMs of the administrator's and the customer's. Returns their ids."""
    answer = home.shell(
        ADOPT
        % {
            "admin": ADMIN,
            "customer": CUSTOMER,
            "customers_guests": CUSTOMERS_GUESTS if guests == MANY_GUESTS else 0,
            "guests": guests,
            "password_file": str(home.folder / "password"),
            "seconds": FIRST_VM_SECONDS,
        }
    )
    vm_ids: list[str] = json.loads(answer.strip().splitlines()[-1])
    if len(vm_ids) != guests:
        raise SystemExit(
            f"Eve learned of {len(vm_ids)} guests of {guests} within {FIRST_VM_SECONDS} s:\n{home.logs()[-4000:]}"
        )
    return vm_ids


def _last_words(home: House) -> list[str]:
    """Which process ended, and what the logs have beyond the everyday."""
    processes = {"Eve": home.eve, "the agent": home.agent}
    ended = [
        f"{name} ended: {process.returncode}"
        for name, process in processes.items()
        if process and process.poll() is not None
    ]
    return ended + [line for line in home.logs().splitlines() if '"level": "info"' not in line][-LAST_LINES:]
