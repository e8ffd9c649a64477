"""Whom Eve talks to: judged by what a peer that is not the enrolled agent receives, which is nothing."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from hypervisors import pki
from hypervisors.castore import CaStore
from hypervisors.client import AgentClient
from hypervisors.doctor import connection_test
from hypervisors.errors import AgentError, HostAway, NotTrusted
from hypervisors.link import open_events
from hypervisors.models import Certificate, Hypervisor, HypervisorState
from hypervisors.services import certificate_revoke, hypervisor_delete
from hypervisors.tls import agent_tls
from tests.hypervisors.conftest import Serve
from tests.hypervisors.peers import Leaf, Peer, answering, http, make_leaf, pin, self_signed, server_context

SCREEN = http(b"picture", content_type="image/png")


def ask(hypervisor: Hypervisor) -> None:
    """One request by the client."""
    with AgentClient(hypervisor) as client:
        client.screenshot(hypervisor.pk)


def listen(hypervisor: Hypervisor) -> None:
    """One websocket by the watcher."""
    trust = agent_tls(hypervisor)

    async def connect() -> None:
        async with await open_events(trust):
            pass

    async_to_sync(connect)()


def probe(hypervisor: Hypervisor) -> None:
    """The operator's connection test."""
    failed = [step for step in connection_test(hypervisor) if step.outcome == "failed"]
    if failed:
        raise NotTrusted(failed[0].detail)


ways = pytest.mark.parametrize("way", [ask, listen, probe])


def wrong_leaf(kind: str, ca: CaStore, hypervisor: Hypervisor) -> Leaf:
    """A certificate with one thing wrong."""
    authority, now = ca.authority(), timezone.now()
    other = Hypervisor.objects.create(name="hv2", site=hypervisor.site, address="127.0.0.1:2")
    if kind == "self-signed":
        return self_signed(hypervisor)
    if kind == "another CA":
        return make_leaf(pki.new_authority(now=now), hypervisor)
    if kind == "another agent's":
        return make_leaf(authority, other)
    if kind == "for clients":
        return make_leaf(authority, hypervisor, usage=pki.Usage.CLIENT)
    if kind == "expired":
        return make_leaf(authority, hypervisor, now=now - dt.timedelta(days=91))
    if kind == "not yet valid":
        return make_leaf(authority, hypervisor, now=now + dt.timedelta(days=1))
    if kind == "Eve's own":
        return make_leaf(authority, hypervisor, names=(), usage=pki.Usage.CLIENT)
    raise AssertionError(kind)


@ways
@pytest.mark.parametrize(
    "kind",
    ["self-signed", "another CA", "another agent's", "for clients", "expired", "not yet valid", "Eve's own"],
)
@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_to_a_peer_that_fails_the_chain_even_if_it_is_pinned(way, kind, ca, hypervisor, tmp_path):
    leaf = wrong_leaf(kind, ca, hypervisor)
    with Peer(server_context(leaf, tmp_path, client_ca=ca.authority()), answering(SCREEN)) as peer:
        pin(hypervisor, leaf, peer.port)
        with pytest.raises((NotTrusted, ssl.SSLError)):
            way(hypervisor)
        time.sleep(0.1)
        assert peer.connections >= 1
        assert bytes(peer.received) == b""


@ways
@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_to_a_good_certificate_that_is_not_pinned(way, ca, hypervisor, serve: Serve):
    enrolled = make_leaf(ca.authority(), hypervisor)
    peer = serve(answering(SCREEN), leaf=make_leaf(ca.authority(), hypervisor), pinned=enrolled)
    with pytest.raises(NotTrusted):
        way(hypervisor)
    time.sleep(0.1)
    assert peer.connections == 1
    assert bytes(peer.received) == b""


@ways
@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_once_the_pinned_certificate_is_on_the_deny_list(way, hypervisor, serve: Serve):
    peer = serve(answering(SCREEN))
    Certificate.objects.filter(fingerprint=hypervisor.certificate_fingerprint).update(revoked_at=timezone.now())
    with pytest.raises(NotTrusted, match="revoked"):
        way(hypervisor)
    assert bytes(peer.received) == b""


@pytest.mark.parametrize("way", [ask, listen])
@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_in_plain_text(way, ca, hypervisor):
    with Peer(None, answering(SCREEN)) as peer:
        pin(hypervisor, make_leaf(ca.authority(), hypervisor), peer.port)
        with pytest.raises((AgentError, OSError)):
            way(hypervisor)
        time.sleep(0.1)
        assert b"GET" not in peer.received
        assert bytes(peer.received[:1]) in (b"", b"\x16")  # a TLS handshake and nothing else


@ways
@pytest.mark.django_db(transaction=True)
def test_older_tls_is_refused(way, ca, hypervisor, tmp_path):
    leaf = make_leaf(ca.authority(), hypervisor)
    context = server_context(leaf, tmp_path, client_ca=ca.authority())
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with Peer(context, answering(SCREEN)) as peer:
        pin(hypervisor, leaf, peer.port)
        with pytest.raises((NotTrusted, ssl.SSLError)):
            way(hypervisor)
        assert bytes(peer.received) == b""


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.django_db(transaction=True)
def test_a_bundle_that_the_environment_names_changes_nothing(variable, ca, hypervisor, tmp_path: Path, monkeypatch):
    other = pki.new_authority(now=timezone.now())
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(other.pem)
    monkeypatch.setenv(variable, str(bundle))
    wrong, right = make_leaf(other, hypervisor), make_leaf(ca.authority(), hypervisor)
    with Peer(server_context(wrong, tmp_path), answering(SCREEN)) as peer:
        pin(hypervisor, wrong, peer.port)
        with pytest.raises(NotTrusted):
            ask(hypervisor)
        assert bytes(peer.received) == b""
    with Peer(server_context(right, tmp_path, client_ca=ca.authority()), answering(SCREEN)) as peer:
        pin(hypervisor, right, peer.port)
        ask(hypervisor)
        assert b"/screenshot" in peer.received


@pytest.mark.django_db(transaction=True)
def test_a_proxy_that_the_environment_names_is_not_used(hypervisor, serve: Serve, monkeypatch):
    with Peer(None, answering(SCREEN)) as proxy:
        for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        peer = serve(answering(SCREEN))
        ask(hypervisor)
        assert proxy.connections == 0
        assert b"/screenshot" in peer.received


@pytest.mark.django_db(transaction=True)
def test_connections_are_kept_but_not_past_revocation(hypervisor, serve: Serve):
    peer = serve(answering(SCREEN))
    ask(hypervisor)
    ask(hypervisor)
    assert peer.connections == 1
    sent = len(peer.received)
    certificate_revoke(serial=hypervisor.certificate_serial)
    with pytest.raises(NotTrusted):
        ask(hypervisor)
    assert len(peer.received) == sent
    hypervisor.refresh_from_db()
    assert hypervisor.state == HypervisorState.REVOKED


@pytest.mark.parametrize("end", ["revoke", "delete"])
@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_under_way_is_cut(end, hypervisor, serve: Serve, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 20.0

    def shut_out() -> None:
        if end == "revoke":
            certificate_revoke(serial=hypervisor.certificate_serial)
        else:
            hypervisor_delete(hypervisor=Hypervisor.objects.get(pk=hypervisor.pk))

    def never_answer(sock: ssl.SSLSocket, peer: Peer) -> None:
        peer.read_request(sock)
        from django.db import connection

        try:
            shut_out()
        finally:
            connection.close()
        time.sleep(10)

    serve(never_answer)
    begun = time.monotonic()
    with pytest.raises((HostAway, NotTrusted)):
        ask(hypervisor)
    assert time.monotonic() - begun < 5


@pytest.mark.django_db(transaction=True)
def test_a_host_that_does_not_know_eve_is_told_apart(ca, hypervisor, tmp_path):
    leaf = make_leaf(ca.authority(), hypervisor)
    stranger = pki.new_authority(now=timezone.now())
    with Peer(server_context(leaf, tmp_path, client_ca=stranger), answering(SCREEN)) as peer:
        pin(hypervisor, leaf, peer.port)
        # TLS 1.3 lets Eve send before the refusal arrives; the alert may be lost in the reset that follows it
        with pytest.raises((NotTrusted, HostAway), match=r"does not accept Eve's certificate|does not know this Eve"):
            ask(hypervisor)


@pytest.mark.django_db(transaction=True)
def test_a_changed_address_keeps_the_pin(ca, hypervisor, serve: Serve, tmp_path):
    serve(answering(SCREEN))
    ask(hypervisor)
    impostor = make_leaf(ca.authority(), hypervisor)
    with Peer(server_context(impostor, tmp_path, client_ca=ca.authority()), answering(SCREEN)) as peer:
        Hypervisor.objects.filter(pk=hypervisor.pk).update(address=f"127.0.0.1:{peer.port}")
        with pytest.raises(NotTrusted):
            ask(hypervisor)
        assert bytes(peer.received) == b""


@pytest.mark.django_db(transaction=True)
def test_the_websocket_works_with_the_right_peer(hypervisor, serve: Serve):
    """The refusals above would prove nothing if every handshake failed."""
    peer = serve(answering(http(b"no websocket", status="400 Bad Request")))
    with pytest.raises(Exception, match="400"):
        listen(hypervisor)
    assert b"GET /events" in peer.received


def test_nothing_is_asked_of_a_host_that_is_not_enrolled(hypervisor):
    with pytest.raises(NotTrusted, match="not enrolled"):
        ask(hypervisor)
