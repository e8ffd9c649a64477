"""Eve's CA in a folder of the test's own, and hosts that are enrolled with it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvloop
from django.conf import LazySettings
from pytest_django.live_server_helper import LiveServer

from hypervisors import signals, transport, watcher
from hypervisors.castore import CaStore
from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.services import ca_ensure
from tests.hypervisors.peers import Leaf, Peer, Script, make_leaf, pin, server_context
from tests.hypervisors.real_agent import RealAgent


@pytest.fixture
def ca(settings: LazySettings, tmp_path: Path, db: None) -> Iterator[CaStore]:
    """Eve's CA."""
    settings.CA_DIR = tmp_path / "ca"
    settings.AGENT_CONNECT_TIMEOUT_SECONDS = 2.0
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 2.0
    yield ca_ensure()
    for hypervisor_id in list(transport._sessions):
        transport.drop_session(hypervisor_id)


@pytest.fixture
def hypervisor(ca: CaStore) -> Hypervisor:
    """One that is registered and not enrolled."""
    site = Site.objects.create(name="here")
    return Hypervisor.objects.create(name="hv1", site=site, address="127.0.0.1:1", state=HypervisorState.NEW)


Serve = Callable[..., Peer]


@pytest.fixture
def serve(ca: CaStore, hypervisor: Hypervisor, tmp_path: Path) -> Iterator[Serve]:
    """``serve(script, leaf=…, pinned=…)``: a peer at the hypervisor's address; both leaves are the right one unless given."""
    peers: list[Peer] = []

    def start(script: Script, *, leaf: Leaf | None = None, pinned: Leaf | None = None) -> Peer:
        shown = leaf or pinned or make_leaf(ca.authority(), hypervisor)
        peer = Peer(server_context(shown, tmp_path, client_ca=ca.authority()), script)
        peers.append(peer)
        pin(hypervisor, pinned or shown, peer.port)
        return peer

    yield start
    for peer in peers:
        peer.__exit__()


@pytest.fixture
def agent(hypervisor: Hypervisor, live_server: LiveServer, tmp_path: Path) -> Iterator[RealAgent]:
    """The hypervisor's real agent, enrolled and serving."""
    running = RealAgent(hypervisor, tmp_path / "agent")
    (tmp_path / "agent").mkdir()
    running.enrol(live_server.url)
    running.start()
    yield running
    running.stop()


@dataclass
class Heard:
    """What the apps above were told."""

    signals: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def of(self, name: str) -> list[dict[str, Any]]:
        """The signals of that name, in order."""
        return [what for said, what in list(self.signals) if said == name]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the apps above are told during the test."""
    told = Heard()
    listeners = {}
    for name in (
        "inventory_seen",
        "domain_seen",
        "domain_vanished",
        "hypervisor_state_changed",
        "hypervisor_removed",
        "hypervisor_edited",
    ):

        def listen(*, _name: str = name, **what: Any) -> None:
            told.signals.append((_name, what))

        listeners[name] = listen
        getattr(signals, name).connect(listen, weak=False)
    yield told
    for name, listen in listeners.items():
        getattr(signals, name).disconnect(listen)


@pytest.fixture
def watch(ca: CaStore) -> Iterator[Callable[[], Watching]]:
    """``watch()`` starts a watcher in a thread; ``.stop()`` ends it."""
    running: list[Watching] = []

    def start() -> Watching:
        running.append(Watching())
        return running[-1]

    yield start
    for watching in running:
        watching.stop()


class Watching:
    """A watcher of its own."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As by SIGTERM."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set if self._stop else self._loop.stop)
            self._thread.join(10)
            assert not self._thread.is_alive()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._watch())
        self._loop.close()

    async def _watch(self) -> None:
        self._stop = asyncio.Event()
        await watcher.watch_forever(self._stop)


def eventually(true: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Waits until `true()` is; fails after that long."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)
    return found
