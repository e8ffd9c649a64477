"""Secrets on their whole way, behind the shipped nginx configuration, and where they must not turn up."""

from __future__ import annotations

import contextlib
import re
import secrets
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import urllib3
from eve_agent.wire.close import CloseCode
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.e2e.house import PASSWORD, House, free_port
from tests.services import databases
from tests.services.nginx import Nginx, shipped_configuration

from .browser import Browser
from .conftest import OLIVIA, OTTO, Estate, populate
from .rfb import Display, Viewer

IDLE_SECONDS = 70
PASSWORD_OF = """
from accounts.models import User
from accounts.services import password_link, password_set
user = User.objects.get(email={email!r})
password_set(user=user, password={password!r}, by=None)
print(password_link(user=user))
"""
TABLE = "consoles_consolesession"


@dataclass
class Secrets:
    """What must turn up nowhere, by what it is."""

    found: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, text: str) -> str:
        """Remembers a secret. Returns it."""
        assert len(text) >= 16, what
        self.found[what] = text
        return text

    def leaked_into(self, text: str) -> list[str]:
        """Which of them are in that text, whole or in the part that proves the right to it."""
        return [what for what, secret in self.found.items() if proof(secret) in text]


def proof(secret: str) -> str:
    """What nobody else may know of it: enrolment tokens end in the CA's fingerprint, others begin with a public part."""
    parts = secret.split(".")
    return parts[2] if len(parts) == 4 else parts[-1]


class Proxy(Nginx):
    """nginx with the shipped configuration."""

    def __init__(self, folder: Path, *, upstream: int, port: int) -> None:
        super().__init__(folder, port=port)
        self.start(shipped_configuration(folder, upstream=upstream, port=port))
        self.certificate = folder / "fullchain.pem"


@dataclass
class Front:
    """An Eve behind nginx, everything at its most talkative."""

    estate: Estate
    proxy: Proxy
    secrets: Secrets
    asked_of_redis: Path
    """Each command that Redis was given, with all its words."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.proxy.port}"

    def browser(self) -> Browser:
        """One that trusts the proxy's certificate."""
        return Browser(self.url, verify=str(self.proxy.certificate))

    def viewer(self, vm_id: str, query: str = "", **options: object) -> Viewer:
        """A console over wss."""
        url = f"wss://127.0.0.1:{self.proxy.port}/ws/vms/{vm_id}/console?{query}"
        trust = ssl.create_default_context(cafile=str(self.proxy.certificate))
        return Viewer(url, ssl=trust, **options)

    def refused(self, vm_id: str, query: str, **options: object) -> bool:
        """Whether the handshake is."""
        try:
            self.viewer(vm_id, query, **options).close()
        except InvalidHandshake:
            return True
        return False

    def page_console(self, browser: Browser, vm_id: str) -> Viewer:
        """As the page opens it."""
        ticket = self.secrets.add(f"page ticket {len(self.secrets.found)}", browser.ticket(vm_id))
        headers = {"Cookie": browser.cookie_header}
        return self.viewer(vm_id, f"ticket={ticket}", additional_headers=headers, origin=self.url).greet()


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """For the cache and the channel layer."""
    with databases.redis() as url:
        yield url


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, display: Display, redis: str) -> Iterator[Front]:
    folder, port = tmp_path_factory.mktemp("front"), free_port()
    settings = {
        "REDIS_URL": redis,
        "EVE_PUBLIC_URL": f"https://127.0.0.1:{port}",
        "EVE_TRUSTED_PROXIES": "127.0.0.1",
        "EVE_LOG_LEVEL": "DEBUG",
    }
    known = Secrets()
    home = House(folder, fake_console=display.address, settings=settings)
    known.add("secret key", home.environment["EVE_SECRET_KEY"])
    home.set_up()
    (folder / "nginx").mkdir()
    proxy = Proxy(folder / "nginx", upstream=home.port, port=port)
    asked_of_redis = folder / "redis"
    command = ["redis-cli", "-s", redis.removeprefix("unix://"), "monitor"]
    with asked_of_redis.open("wb") as heard:
        listener = subprocess.Popen(command, stdout=heard)
    try:
        home.start_eve()
        url = f"https://127.0.0.1:{port}"
        known.add("enrolment token", home.enrol("hv1", "here", "--ca-file", str(proxy.certificate), url=url))
        config = folder / "agent" / "agent.toml"
        config.write_text(re.sub(r"(?m)^#?\s*log_level = .*$", "", config.read_text()) + '\nlog_level = "debug"\n')
        home.start_agent()
        yield Front(populate(home), proxy, known, asked_of_redis)
    finally:
        home.close()
        proxy.close()
        listener.terminate()
        listener.wait()


def test_a_console_lives_behind_nginx(front: Front) -> None:
    """Bytes both ways, and still alive after longer than nginx' own minute."""
    browser = front.browser().sign_in(OLIVIA)
    viewer = front.page_console(browser, front.estate.vms[0])
    assert viewer.rings()
    with pytest.raises(TimeoutError):
        viewer.end(seconds=IDLE_SECONDS)
    assert viewer.rings()
    browser.send_form("/logout/")
    assert viewer.end(seconds=5)[0] == CloseCode.ACCESS_ENDED


def test_who_asks_is_told_by_the_proxy(front: Front) -> None:
    """And by nobody else: nginx replaces what the client says."""
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "http"}
    body = {"email": OTTO, "password": PASSWORD}
    elsewhere = urllib3.PoolManager(source_address=("127.0.0.2", 0), ca_certs=str(front.proxy.certificate))
    answer = elsewhere.request("POST", f"{front.url}/api/v1/login", json=body, headers=forged, timeout=10)
    assert answer.status == 200
    said = front.estate.home.shell(
        "from accounts.models import AuditEvent\n"
        f"print(AuditEvent.objects.filter(action='login', actor_label={OTTO!r}).values_list('address', flat=True)[0])"
    )
    assert said.strip() == "127.0.0.2"


def test_secrets_turn_up_nowhere(front: Front) -> None:
    estate, home, known, vm_id = front.estate, front.estate.home, front.secrets, front.estate.vms[0]
    password = known.add("password", f"Ny {secrets.token_hex(12)}")
    link = home.shell(PASSWORD_OF.format(email=OLIVIA, password=password)).strip().splitlines()[-1]
    known.add("password link", link.partition("link=")[2])

    # What works.
    browser = front.browser().sign_in(OLIVIA, password)
    known.add("page session", browser.session_key)
    first = front.page_console(browser, vm_id)
    verify = str(front.proxy.certificate)
    body = {"email": OLIVIA, "password": password}
    token = known.add(
        "login token", requests.post(f"{front.url}/api/v1/login", json=body, verify=verify, timeout=10).json()["token"]
    )
    bearer = {"Authorization": f"Bearer {token}"}
    ask = f"{front.url}/api/v1/vms/{vm_id}/console"
    ticket = known.add("ticket", requests.post(ask, headers=bearer, verify=verify, timeout=10).json()["ticket"])
    for query, headers in ((f"ticket={ticket}", {}), (f"token={token}", {}), ("", bearer)):
        viewer = front.viewer(vm_id, query, additional_headers=headers).greet()
        assert viewer.rings()
        viewer.close()

    # What is refused.
    unused = known.add("unused ticket", browser.ticket(vm_id))
    evil = {"origin": "https://evil.example", "additional_headers": {"Cookie": browser.cookie_header}}
    assert front.refused(vm_id, f"ticket={unused}", **evil)
    assert front.refused(vm_id, f"token={token}", origin="https://evil.example")
    assert front.refused(vm_id, f"ticket={ticket}")
    assert front.refused(estate.vms[1], f"ticket={unused}", **evil)
    assert front.refused(vm_id, f"token={token}&ticket={unused}")
    assert front.refused(vm_id, f"token={token}%00%ff")
    assert front.refused("no-such-vm", f"token={token}")
    wrong = known.add("mistyped password", f"Ny {secrets.token_hex(12)}")
    body["password"] = wrong
    assert requests.post(f"{front.url}/api/v1/login", json=body, verify=verify, timeout=10).status_code == 401
    with pytest.raises(AssertionError):
        front.browser().sign_in(OLIVIA, wrong)
    from_there = {**bearer, "Referer": f"{front.url}/vms/?token={token}&ticket={unused}"}
    for path in (f"/nothing/?token={token}", f"/api/v1/nothing?ticket={unused}", f"/login/?next=/vms/%3Ftoken={token}"):
        answer = browser.get(f"{front.url}{path}", headers=from_there, timeout=10)
        assert answer.status_code < 500
        assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    hostile = {"Host": "evil.example", **bearer}
    assert requests.get(f"{front.url}/?t={token}", headers=hostile, verify=verify, timeout=10).status_code == 400
    used = front.secrets.found["enrolment token"]
    again = {
        "token": used,
        "csr_pem": used,
        "contract_version": 1,
        "agent_version": "0",
        "time": "2026-01-01T00:00:00Z",
    }
    assert requests.post(f"{front.url}/api/v1/enrol", json=again, verify=verify, timeout=10).status_code >= 400
    half = known.add("fresh enrolment token", fresh_enrolment_token(front))
    nonsense = f'{{"token": "{half}", "time": '
    json_type = {"Content-Type": "application/json"}
    answer = requests.post(f"{front.url}/api/v1/enrol", nonsense, headers=json_type, verify=verify, timeout=10)
    assert answer.status_code == 400

    # What fails.
    with table_gone(home):
        broken = f"{front.url}/api/v1/consoles?token={token}"
        assert browser.get(broken, headers=bearer, timeout=10).status_code >= 500
        failed = front.viewer(vm_id, f"token={token}")
        assert failed.end(seconds=5)[0] in (CloseCode.INTERNAL_ERROR, 1006)
    execute(home, f"UPDATE {TABLE} SET id = 'nonsense' || rowid")
    assert browser.get(broken, headers=bearer, timeout=10).status_code == 500
    dumped = dump(home)
    home.stop_eve()
    first.close()
    assert requests.get(f"{front.url}/?token={token}", headers=bearer, verify=verify, timeout=10).status_code == 502
    with pytest.raises(InvalidStatus, match="502"):
        front.viewer(vm_id, f"ticket={unused}")
    home.stop_agent()
    front.proxy.close()

    eve_and_agent, proxied, cached = home.logs(), front.proxy.logs(), front.asked_of_redis.read_text()
    assert "/nothing/" in proxied
    assert f"/ws/vms/{vm_id}/console" in proxied
    assert "console handshake refused" in eve_and_agent
    assert "Traceback" in eve_and_agent
    assert '"level": "debug"' in eve_and_agent
    assert OLIVIA in dumped
    assert '"SET"' in cached
    assert "group:consoles" in cached
    places = {"Eve and agent": eve_and_agent, "nginx": proxied, "dump": dumped, "Redis": cached}
    assert {where: leaked for where, text in places.items() if (leaked := known.leaked_into(text))} == {}


def fresh_enrolment_token(front: Front) -> str:
    """One that was never used."""
    said = front.estate.home.manage(*["hypervisor_add", "hv2", "--address", "127.0.0.1:1", "--site", "here", "--json"])
    found = re.search(r'"token": "([^"]+)"', said)
    assert found is not None
    return found[1]


@contextlib.contextmanager
def table_gone(home: House) -> Iterator[None]:
    """A database that is not as Eve left it."""
    execute(home, f"ALTER TABLE {TABLE} RENAME TO away")
    try:
        yield
    finally:
        execute(home, f"ALTER TABLE away RENAME TO {TABLE}")


def execute(home: House, statement: str) -> None:
    """Behind Eve's back."""
    path = Path(home.environment["EVE_STATE_DIR"]) / "db.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as database:
        database.execute("PRAGMA legacy_alter_table=ON")
        database.execute(statement)
        database.commit()


def dump(home: House) -> str:
    """As ``sqlite3 db.sqlite3 .dump``, which holds the cache too wherever a database keeps it."""
    path = Path(home.environment["EVE_STATE_DIR"]) / "db.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())
