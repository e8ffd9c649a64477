"""Eve and agents whose contract is one version older or newer."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from eve_agent.wire.domain import DomainState, GraphicsKind, StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.version import CONTRACT_VERSION

from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from hypervisors.models import Hypervisor, HypervisorState
from tests.hypervisors.conftest import Heard, Serve, eventually
from tests.hypervisors.peers import Peer, Script, http

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = Path(__file__).parent / "recorded"
VERSIONS = [CONTRACT_VERSION - 1, CONTRACT_VERSION + 1]


def recorded(version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"contract-{version}.json").read_text())
    return found


def replaying(record: dict[str, Any]) -> Script:
    """Answers as the recorded agent did."""

    def serve(sock: ssl.SSLSocket, peer: Peer) -> None:
        while head := peer.read_request(sock):
            method, path = head.split(b" ", 2)[:2]
            if path == b"/events":
                tell(sock, head)
                return
            answer = record["answers"][f"{method.decode()} {path.decode()}"]
            version = answer["headers"]["Eve-Contract"]
            plain = http(json.dumps(answer["body"]).encode(), status=f"{answer['status']} Recorded")
            sock.sendall(plain.replace(b"Eve-Contract: 1", f"Eve-Contract: {version}".encode()))

    def tell(sock: ssl.SSLSocket, head: bytes) -> None:
        (key,) = (line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        for event in record["events"]:
            message = json.dumps(event).encode()
            size = len(message)
            sock.sendall(b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + message)
            time.sleep(0.5)
        time.sleep(5)

    return serve


@pytest.mark.parametrize("version", VERSIONS)
def test_every_answer_is_understood(version, hypervisor: Hypervisor, serve: Serve):
    record = recorded(version)
    serve(replaying(record))
    domain = uuid.UUID(record["domain"])
    with AgentClient(hypervisor) as client:
        facts = client.host_facts()
        assert (facts.contract_version, client.contract_version) == (version, version)
        assert facts.cpu.threads_total == 64
        assert [seen.uuid for seen in client.domains()] == [domain]
        seen = client.domain(domain)
        assert (seen.state, seen.vcpus) == (DomainState.RUNNING, 2)
        after = client.change_state(domain, StateAction.STOP, "op")
        assert client.certificate_status().fingerprint
        with pytest.raises(AgentRefused) as refused:
            client.domain(uuid.UUID(int=1))
    if version > CONTRACT_VERSION:
        assert seen.graphics[1].kind is GraphicsKind.UNKNOWN
        assert after.state is DomainState.UNKNOWN
        assert refused.value.agent_code is ErrorCode.UNKNOWN
    else:
        assert (seen.graphics, seen.is_persistent) == ((), True)
        assert after.state is DomainState.OFF
        assert refused.value.agent_code is ErrorCode.DOMAIN_NOT_FOUND


@pytest.mark.parametrize("version", VERSIONS)
def test_it_is_watched_as_any_other(version, hypervisor: Hypervisor, serve: Serve, heard: Heard, watch):
    serve(replaying(recorded(version)))
    watch()
    eventually(lambda: Hypervisor.objects.get(pk=hypervisor.pk).state == HypervisorState.ONLINE)
    assert Hypervisor.objects.get(pk=hypervisor.pk).contract_version == version
    (seen,) = eventually(lambda: heard.of("domain_seen"))
    assert seen["domain"].state is DomainState.OFF
