"""Eve's CA in a folder of the test's own, and hosts that are enrolled with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from hypervisors import transport
from hypervisors.castore import CaStore
from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.services import ca_ensure
from tests.hypervisors.peers import Leaf, Peer, Script, make_leaf, pin, server_context


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
