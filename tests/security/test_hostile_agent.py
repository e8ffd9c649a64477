"""A host that was taken over, through the whole chain: Eve goes on, gives it nothing, and tells the staff."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from eve_agent.wire.domain import DomainState
from eve_agent.wire.events import Event, EventKind

from tests.e2e.house import ADMIN, free_port

from .conftest import OLIVIA, Estate, resident_bytes
from .hostile import HostileAgent, answer, domain, drip, huge, redirect_to
from .rfb import Viewer

MIB = 2**20
ANSWER_SECONDS = 1.0
EVENTS = 50_000
OWN, OWN_NAME = uuid.UUID("0b0c0d0e-1111-4222-8333-444455556666"), "bad-vm"


@pytest.fixture(scope="module")
def hostile(estate: Estate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileAgent]:
    """A second host of the site, enrolled like any other; one of its domains is Acme's."""
    port, folder = free_port(), tmp_path_factory.mktemp("hostile")
    address = ["--address", f"127.0.0.1:{port}", "--site", "here", "--json"]
    token = json.loads(estate.home.manage("hypervisor_add", "hv-bad", *address))["token"]
    command = [str(Path(sys.executable).with_name("eve-agent")), "enrol", estate.home.url]
    command += ["--config", str(folder / "agent.toml"), "--key-dir", str(folder / "keys")]
    subprocess.run(command, env={**os.environ, "EVE_ENROL_TOKEN": token}, check=True, capture_output=True, timeout=60)
    identity = next(folder.rglob("identity.pem")).parent
    agent = HostileAgent(port, identity, [domain(OWN, OWN_NAME), domain(uuid.UUID(estate.vms[0]), "stolen")])
    estate.home.manage("hypervisor_wait", "hv-bad", "--seconds", "60")
    estate.home.manage("vm_adopt", str(OWN), "--project", estate.acme)
    yield agent
    agent.close()


@pytest.fixture
def steady(estate: Estate, hostile: HostileAgent, watch: Callable[..., Viewer]) -> Iterator[None]:
    """Meanwhile every answer comes within a second, memory stays in bounds, and another host's console goes on."""
    viewer = watch(OLIVIA, estate.vms[1])
    hostile.bad_answers = 0
    before, slowest, most, over = resident_bytes(estate.home.eve), 0.0, 0, threading.Event()

    def look() -> None:
        nonlocal slowest, most
        while not over.wait(0.1):
            begun = time.monotonic()
            with contextlib.suppress(requests.RequestException):
                requests.get(f"{estate.home.url}/healthz", timeout=10)
            slowest = max(slowest, time.monotonic() - begun)
            most = max(most, resident_bytes(estate.home.eve))

    looking = threading.Thread(target=look)
    looking.start()
    yield
    over.set()
    looking.join()
    hostile.manner = None
    assert viewer.rings()
    assert slowest < ANSWER_SECONDS
    assert most - before < 64 * MIB


def test_another_hosts_vm_does_not_move(estate: Estate, hostile: HostileAgent) -> None:
    token, stolen = estate.token(ADMIN), estate.vms[0]
    before = estate.home.api("GET", f"/vms/{stolen}", token=token).json()
    seen = estate.home.api("GET", "/discovered-domains", token=token, params={"is_conflict": "true"}).json()["results"]
    assert [(row["uuid"], row["name"], row["hypervisor"]["name"]) for row in seen] == [(stolen, "stolen", "hv-bad")]
    page = estate.browser(ADMIN).get(f"{estate.home.url}/manage/drift/", timeout=10).text
    assert "stolen" in page
    assert before["name"] in page
    off = replace(domain(uuid.UUID(stolen), "stolen again"), state=DomainState.OFF)
    hostile.tell(Event(EventKind.DOMAIN_CHANGED, domain_uuid=off.uuid, domain=off))
    hostile.tell(Event(EventKind.DOMAIN_REMOVED, domain_uuid=uuid.UUID(estate.vms[1])))
    renamed = domain(OWN, "heard")
    hostile.tell(Event(EventKind.DOMAIN_CHANGED, domain_uuid=OWN, domain=renamed))
    eventually(lambda: estate.home.api("GET", f"/vms/{OWN}", token=token).json()["name"] == "heard")
    after = estate.home.api("GET", f"/vms/{stolen}", token=token).json()
    assert {**after, "last_seen_at": None} == {**before, "last_seen_at": None}
    assert after["hypervisor"]["name"] == "hv1"
    assert estate.home.api("GET", f"/vms/{estate.vms[1]}", token=token).json()["state"] == "running"
    assert estate.watch(OLIVIA, stolen).rings(), "its console is still the rightful host's"


def test_what_it_says_of_itself_is_text(estate: Estate, hostile: HostileAgent) -> None:
    staff = estate.browser(ADMIN)
    listed = estate.home.api("GET", "/hypervisors", token=estate.token(ADMIN)).json()["results"]
    key = next(row["id"] for row in listed if row["name"] == "hv-bad")
    for path in (f"/manage/hypervisors/{key}/", f"/admin/hypervisors/hypervisor/{key}/change/"):
        page = staff.get(f"{estate.home.url}{path}", timeout=10)
        assert page.status_code == 200
        assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@pytest.mark.parametrize("manner", [huge, drip], ids=["huge", "dripping"])
def test_answers_without_an_end(
    estate: Estate, hostile: HostileAgent, steady: None, manner: Callable[..., None]
) -> None:
    hostile.manner = manner
    hostile.cut()
    time.sleep(3)
    assert hostile.bad_answers, "Eve asked"
    listed = estate.home.api("GET", "/hypervisors", token=estate.token(ADMIN)).json()["results"]
    assert {row["name"]: row["state"] for row in listed}["hv1"] == "online"
    hostile.manner = None
    hostile.cut()


def test_redirects_lead_nowhere(estate: Estate, hostile: HostileAgent, steady: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(3)
        hostile.manner = redirect_to(f"http://127.0.0.1:{elsewhere.getsockname()[1]}/")
        hostile.cut()
        with pytest.raises(TimeoutError):
            elsewhere.accept()
    assert hostile.bad_answers
    hostile.manner = None
    hostile.cut()


def test_a_flood_of_events(estate: Estate, hostile: HostileAgent, steady: None) -> None:
    """10,000 a second for five seconds, each about another domain."""
    eventually(hostile.is_heard)
    listings = hostile.listings
    begun = time.monotonic()
    with contextlib.suppress(OSError):
        for number in range(EVENTS // 100):
            flood = [domain(uuid.uuid4(), f"flood-{number}-{place}") for place in range(100)]
            hostile.tell(*(Event(EventKind.DOMAIN_CHANGED, domain_uuid=each.uuid, domain=each) for each in flood))
            if (late := begun + number / 100 - time.monotonic()) > 0:
                time.sleep(late)
            if time.monotonic() - begun > 6:
                break  # Eve reads no faster, which is as good
    assert hostile.listings - listings < 10
    hostile.cut()


def png(width: int, height: int, *, rows: int) -> bytes:
    """A black picture; with fewer `rows` of data than its head says, a cheap one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(width * 3 + 1) * rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


SCRIPT = b"<script>alert(1)</script>"
PICTURES = {
    "html": ("text/html", SCRIPT),
    "html that claims to be png": ("image/png", SCRIPT),
    "svg": ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>"),
    "svg that claims to be png": ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>"),
    "a bomb": ("image/png", png(30_000, 30_000, rows=3_000)),
    "a ppm of 100 gigapixels": ("image/x-portable-pixmap", b"P6\n316227 316227\n255\n" + SCRIPT),
    "40 MiB": ("image/png", bytes(40 * MIB)),
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_screenshot_that_is_none(estate: Estate, hostile: HostileAgent, steady: None, what: str) -> None:
    content_type, data = PICTURES[what]
    hostile.picture = answer(data, content_type=content_type)
    time.sleep(2.1)  # a picture is kept for two seconds
    shown = estate.home.api("GET", f"/vms/{OWN}/screenshot", token=estate.token(OLIVIA))
    assert 400 <= shown.status_code < 600
    assert shown.status_code != 500
    assert shown.headers["Content-Type"] == "application/problem+json"
    assert SCRIPT not in shown.content


def test_a_real_picture_is_drawn_anew(estate: Estate, hostile: HostileAgent) -> None:
    hostile.picture = answer(png(64, 48, rows=48) + SCRIPT, content_type="image/png")
    time.sleep(2.1)
    shown = estate.home.api("GET", f"/vms/{OWN}/screenshot", token=estate.token(OLIVIA))
    assert shown.status_code == 200
    assert shown.headers["Content-Type"] == "image/png"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    assert SCRIPT not in shown.content


def eventually(true: Callable[[], object], seconds: float = 15) -> None:
    """Waits until it is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.1)
