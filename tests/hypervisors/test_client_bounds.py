"""A host that was taken over: its answers are bounded in bytes and time, and nothing of it is followed."""

from __future__ import annotations

import json
import ssl
import time
import uuid

import pytest
from eve_agent.wire.domain import StateAction

from hypervisors import transport
from hypervisors.client import AgentClient
from hypervisors.errors import (
    AgentRefused,
    AgentTimeout,
    BadAnswer,
    ContractMismatch,
    HostAway,
    LibvirtAway,
    LibvirtTimeout,
)
from hypervisors.models import Hypervisor
from tests.hypervisors.conftest import Serve
from tests.hypervisors.peers import Peer, Script, answering, http

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = uuid.UUID("0b0c0d0e-1111-4222-8333-444455556666")


def facts(hypervisor: Hypervisor) -> None:
    with AgentClient(hypervisor) as client:
        client.host_facts()


def domains(hypervisor: Hypervisor) -> None:
    with AgentClient(hypervisor) as client:
        client.domains()


def screenshot(hypervisor: Hypervisor) -> None:
    with AgentClient(hypervisor) as client:
        client.screenshot(DOMAIN)


def dripping(start: bytes, drip: bytes, seconds: float = 0.05) -> Script:
    """Answers `start`, then a little for ever."""

    def serve(sock: ssl.SSLSocket, peer: Peer) -> None:
        peer.read_request(sock)
        sock.sendall(start)
        while True:
            time.sleep(seconds)
            sock.sendall(drip)

    return serve


def flooding(start: bytes, flood: bytes) -> Script:
    """Answers `start`, then as much as it can."""

    def serve(sock: ssl.SSLSocket, peer: Peer) -> None:
        peer.read_request(sock)
        sock.sendall(start)
        while True:
            sock.sendall(flood)

    return serve


OK = b"HTTP/1.1 200 OK\r\nEve-Contract: 1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "script",
    [
        dripping(b"", b"H"),
        dripping(OK, b"X-A: b\r\n"),
        dripping(OK + b"Content-Length: 100000\r\n\r\n", b"x"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status line", "headers", "body", "chunks", "chunk's length", "interim answers"],
)
def test_a_dripping_answer_ends_in_time(script, hypervisor, serve: Serve):
    serve(script)
    begun = time.monotonic()
    with pytest.raises((AgentTimeout, BadAnswer, HostAway)):
        facts(hypervisor)
    assert time.monotonic() - begun < 3.5


def test_a_peer_that_says_nothing_ends_in_time(hypervisor, serve: Serve):
    serve(lambda sock, peer: time.sleep(8))
    begun = time.monotonic()
    with pytest.raises(AgentTimeout):
        facts(hypervisor)
    assert time.monotonic() - begun < 3.5


@pytest.mark.parametrize(
    ("way", "limit"),
    [
        (facts, transport.MAX_BODY_BYTES),
        (domains, transport.MAX_LIST_BYTES),
        (screenshot, transport.MAX_SCREENSHOT_BYTES),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        OK + b"Content-Length: 99999999999\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        OK + b"Connection: close\r\n\r\n",
    ],
    ids=["length", "chunked", "close"],
)
def test_a_long_answer_ends_at_its_limit(way, limit, start, hypervisor, serve: Serve, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 20.0
    block = b"x" * 65536
    serve(flooding(start, b"10000\r\n" + block + b"\r\n" if b"chunked" in start else block))
    with pytest.raises(BadAnswer, match=f"more than the {limit // 2**20} MiB"):
        way(hypervisor)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 ", OK + b"X: ", OK + b"Transfer-Encoding: chunked\r\n\r\n"])
def test_lines_without_an_end_are_bounded(start, hypervisor, serve: Serve, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 20.0
    serve(flooding(start, b"1" * 65536))
    with pytest.raises((BadAnswer, HostAway)):
        facts(hypervisor)


def test_trailers_without_an_end_are_bounded(hypervisor, serve: Serve, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 20.0
    serve(flooding(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 10_000))
    begun = time.monotonic()
    with pytest.raises(BadAnswer, match="more than Eve takes"):
        facts(hypervisor)
    assert time.monotonic() - begun < 15


def test_each_drip_shortens_the_time_that_is_left(hypervisor, serve: Serve):
    serve(dripping(OK, b"X-A: b\r\n", seconds=1.5))
    begun = time.monotonic()
    with pytest.raises(AgentTimeout):
        facts(hypervisor)
    assert time.monotonic() - begun < 2.5


def test_redirects_are_not_followed(hypervisor, serve: Serve):
    with Peer(None, answering(b"")) as elsewhere:
        answer = http(b"", status="302 Found", headers=f"Location: http://127.0.0.1:{elsewhere.port}/\r\n")
        peer = serve(answering(answer))
        with pytest.raises(BadAnswer, match="no redirects"):
            facts(hypervisor)
        assert elsewhere.connections == 0
        assert peer.received.count(b"GET ") == 1


def test_cookies_are_not_kept(hypervisor, serve: Serve):
    peer = serve(answering(http(b"x", content_type="image/png", headers="Set-Cookie: a=b; Path=/\r\n")))
    screenshot(hypervisor)
    screenshot(hypervisor)
    assert b"cookie" not in bytes(peer.received).lower()


def test_compressed_answers_are_refused(hypervisor, serve: Serve):
    serve(answering(http(b"x", content_type="image/png", headers="Content-Encoding: gzip\r\n")))
    with pytest.raises(BadAnswer, match="compressed"):
        screenshot(hypervisor)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"host_name": 1}',
        b"[" * 100_000,
        json.dumps({"host_name": "x" * 1000}).encode(),
    ],
)
def test_nonsense_is_said_to_be_nonsense(body, hypervisor, serve: Serve):
    serve(answering(http(body)))
    with pytest.raises(BadAnswer) as caught:
        facts(hypervisor)
    assert len(str(caught.value.detail)) < 600


@pytest.mark.parametrize("version", ["", "x", "-1", "1" * 50, "１"])
def test_what_names_no_contract_is_no_agent(version, hypervisor, serve: Serve):
    answer = http(b"{}").replace(b"Eve-Contract: 1", f"Eve-Contract: {version}".encode())
    serve(answering(answer))
    with pytest.raises(BadAnswer, match="no agent of Eve's"):
        facts(hypervisor)


def test_a_contract_two_versions_away_is_named(hypervisor, serve: Serve):
    serve(answering(http(b"{}").replace(b"Eve-Contract: 1", b"Eve-Contract: 4")))
    with pytest.raises(ContractMismatch, match=r"version 4 .* Eve 2"):
        facts(hypervisor)


def test_an_outline_is_in_lists_but_nothing_to_decide_by(hypervisor, serve: Serve):
    outline = {"uuid": str(DOMAIN), "name": "a", "state": "running", "vcpus": 0, "memory_bytes": 0, "is_outline": True}
    serve(answering(http(json.dumps(outline).encode())))
    with AgentClient(hypervisor) as client:
        with pytest.raises(LibvirtTimeout, match="QEMU of this virtual machine does not answer on hv1"):
            client.domain(DOMAIN)
        assert client.change_state(DOMAIN, StateAction.STOP).is_outline, "pulling the plug goes on"


def test_an_answer_about_another_domain_is_refused(hypervisor, serve: Serve):
    other = {"uuid": str(uuid.uuid4()), "name": "a", "state": "running", "vcpus": 1, "memory_bytes": 1}
    serve(answering(http(json.dumps(other).encode())))
    with pytest.raises(BadAnswer, match="another virtual machine"), AgentClient(hypervisor) as client:
        client.domain(DOMAIN)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("libvirt_away", "503 Service Unavailable", LibvirtAway),
        ("libvirt_timeout", "504 Gateway Timeout", LibvirtTimeout),
        ("domain_not_found", "404 Not Found", AgentRefused),
        ("from_the_future", "409 Conflict", AgentRefused),
    ],
)
def test_problems_become_errors(code, status, error, hypervisor, serve: Serve):
    words = "it \x1b[31mhurts\u202e" + "!" * 1000
    serve(answering(http(json.dumps({"code": code, "message": words}).encode(), status=status)))
    with pytest.raises(error) as caught:
        facts(hypervisor)
    said = caught.value.for_staff
    assert "it  [31mhurts" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert len(said) < 600


def test_a_connection_that_was_kept_too_long_is_replaced(hypervisor, serve: Serve):
    def once(sock: ssl.SSLSocket, peer: Peer) -> None:
        peer.read_request(sock)
        sock.sendall(http(b"x", content_type="image/png"))
        time.sleep(0.3)

    peer = serve(once)
    screenshot(hypervisor)
    time.sleep(0.6)
    screenshot(hypervisor)
    assert peer.connections == 2


def test_nothing_listens(hypervisor, serve: Serve):
    peer = serve(answering(b""))
    peer.__exit__()
    Hypervisor.objects.filter(pk=hypervisor.pk).update(address="127.0.0.1:1")
    with pytest.raises(HostAway, match=r"Nothing listens at 127\.0\.0\.1:1"):
        facts(hypervisor)


def test_a_name_that_does_not_resolve(hypervisor, serve: Serve):
    serve(answering(b""))
    Hypervisor.objects.filter(pk=hypervisor.pk).update(address="nowhere.invalid:8443")
    with pytest.raises(HostAway, match="does not resolve"):
        facts(hypervisor)
