"""Renewal of agents' certificates and of Eve's own, with the real agent, interrupted at every step."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from hypervisors import client as client_module
from hypervisors import pki, tls
from hypervisors.castore import CaStore
from hypervisors.client import AgentClient
from hypervisors.errors import AgentError, HostAway, NotTrusted
from hypervisors.inventory import host_resync
from hypervisors.models import Certificate, Hypervisor
from hypervisors.services import eve_certificate_renew, eve_pins
from hypervisors.services import renewal as renewal_module
from hypervisors.services.renewal import agent_trust_maintain, is_renewal_due
from hypervisors.transport import drop_session
from tests.hypervisors.real_agent import RealAgent

pytestmark = pytest.mark.django_db(transaction=True)


class Crash(Exception):
    """Eve was killed here."""


def make_due(hypervisor: Hypervisor) -> None:
    """Two thirds of the certificate's life are over."""
    rows = Certificate.objects.filter(fingerprint=hypervisor.certificate_fingerprint)
    rows.update(not_before=timezone.now() - dt.timedelta(days=61), not_after=timezone.now() + dt.timedelta(days=29))


def check_works(agent: RealAgent) -> None:
    """Eve and agent talk, over new connections too."""
    drop_session(agent.hypervisor.pk)
    with AgentClient(agent.hypervisor) as client:
        client.host_facts()


def test_nothing_happens_before_two_thirds(agent: RealAgent):
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    assert not is_renewal_due(agent.hypervisor, timezone.now() + dt.timedelta(days=59))
    assert is_renewal_due(agent.hypervisor, timezone.now() + dt.timedelta(days=60, hours=1))
    assert Certificate.objects.filter(hypervisor=agent.hypervisor).count() == 1


def test_a_certificate_is_renewed_with_a_new_key(agent: RealAgent):
    former = agent.hypervisor.certificate_fingerprint
    key = agent.identity.serving.key.public_key().public_numbers()
    make_due(agent.hypervisor)
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.hypervisor.refresh_from_db()
    assert agent.hypervisor.certificate_fingerprint not in ("", former)
    assert agent.hypervisor.pending_fingerprint == ""
    assert agent.identity.serving.fingerprint == agent.hypervisor.certificate_fingerprint
    assert agent.identity.serving.key.public_key().public_numbers() != key
    end = agent.hypervisor.certificate_expires_at
    assert end is not None
    assert (end - timezone.now()).days in (89, 90)
    assert agent.identity.status().pending_fingerprint == ""
    check_works(agent)


STEPS = [
    (client_module.AgentClient, "certificate_request", "before"),
    (client_module.AgentClient, "certificate_request", "after"),
    (renewal_module, "_store_pending", "before"),
    (renewal_module, "_store_pending", "after"),
    (client_module.AgentClient, "certificate_install", "before"),
    (client_module.AgentClient, "certificate_install", "after"),
    (renewal_module, "_confirm", "before"),
    (renewal_module, "_promote", "before"),
    (renewal_module, "_promote", "after"),
]


@pytest.mark.parametrize("is_agent_restarted", [False, True], ids=["", "agent restarts"])
@pytest.mark.parametrize(("where", "name", "when"), STEPS, ids=[f"{when} {name}" for _where, name, when in STEPS])
def test_a_crash_at_any_step_converges(where, name, when, is_agent_restarted, agent: RealAgent, monkeypatch):
    original = getattr(where, name)

    def crash(*args: Any, **kwargs: Any) -> Any:
        if when == "after":
            original(*args, **kwargs)
        raise Crash

    make_due(agent.hypervisor)
    with monkeypatch.context() as patch:
        patch.setattr(where, name, crash)
        with pytest.raises(Crash):
            agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    if is_agent_restarted:
        agent.stop()
        agent.start()
    check_works(agent)
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.hypervisor.refresh_from_db()
    assert agent.hypervisor.pending_fingerprint == ""
    assert agent.identity.serving.fingerprint == agent.hypervisor.certificate_fingerprint
    assert not is_renewal_due(agent.hypervisor, timezone.now())
    check_works(agent)


def test_what_was_never_installed_is_refused_for_ever(agent: RealAgent, monkeypatch):
    make_due(agent.hypervisor)
    with monkeypatch.context() as patch:
        patch.setattr(client_module.AgentClient, "certificate_install", lambda *_args: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    orphan = Hypervisor.objects.get(pk=agent.hypervisor.pk).pending_fingerprint
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    assert Certificate.objects.get(fingerprint=orphan).revoked_reason == "never installed"


def test_an_agent_that_is_away_is_renewed_when_it_is_back(agent: RealAgent):
    make_due(agent.hypervisor)
    agent.stop()
    with pytest.raises(AgentError):
        agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.start()
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.hypervisor.refresh_from_db()
    assert not is_renewal_due(agent.hypervisor, timezone.now())


def age(ca: CaStore, monkeypatch, days: int) -> None:
    """Eve's own certificate is that old."""
    begin = timezone.now() - dt.timedelta(days=days)
    authority = ca.authority()
    key = pki.new_key()
    certificate = pki.sign(
        authority,
        key.public_key(),
        common_name="Eve",
        dns_names=(),
        usage=pki.Usage.CLIENT,
        life=pki.CLIENT_LIFE,
        now=begin,
    )
    (ca.folder / "eve.pem").write_bytes(pki.key_pem(key) + pki.certificate_pem(certificate).encode())


def test_eves_certificate_follows_a_good_time_before_its_end(ca: CaStore, monkeypatch):
    eve_certificate_renew()
    assert ca.following() is None
    age(ca, monkeypatch, 244)
    eve_certificate_renew()
    assert ca.following() is None  # nobody is enrolled, so nobody has to be told
    assert (ca.current().certificate.not_valid_after_utc - timezone.now()).days in (364, 365)


def test_eve_tells_agents_first_and_changes_over_then(ca: CaStore, agent: RealAgent):
    former = ca.current().fingerprint
    eve_certificate_renew(is_forced=True)
    following = ca.following()
    assert following is not None
    assert ca.current().fingerprint == former
    assert tls.credential_for(agent.hypervisor).fingerprint == former
    check_works(agent)
    eve_certificate_renew()
    assert ca.current().fingerprint == former  # the host does not know it yet
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.hypervisor.refresh_from_db()
    assert set(agent.hypervisor.eve_pins) == {former, following.fingerprint} == set(agent.identity.pins)
    assert tls.credential_for(agent.hypervisor).fingerprint == following.fingerprint
    check_works(agent)
    eve_certificate_renew()
    assert (ca.current().fingerprint, ca.following()) == (following.fingerprint, None)
    check_works(agent)
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    assert set(agent.identity.pins) == {former, following.fingerprint}  # consoles over the former go on until it ends
    Certificate.objects.filter(fingerprint=former).update(not_after=timezone.now())
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    assert set(agent.identity.pins) == {following.fingerprint}
    check_works(agent)


def test_a_lost_answer_to_the_announcement_is_made_good(ca: CaStore, agent: RealAgent, monkeypatch):
    eve_certificate_renew(is_forced=True)
    original = client_module.AgentClient.certificate_announce

    def lost(*args: Any) -> Any:
        original(*args)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(client_module.AgentClient, "certificate_announce", lost)
        with pytest.raises(Crash):
            agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    check_works(agent)
    agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    agent.hypervisor.refresh_from_db()
    assert set(agent.hypervisor.eve_pins) == set(eve_pins())


def test_hosts_that_were_away_for_all_that_time_are_told_apart(ca: CaStore, agent: RealAgent, live_server, monkeypatch):
    agent.stop()
    eve_certificate_renew(is_forced=True)
    with pytest.raises(HostAway):
        agent_trust_maintain(hypervisor_id=agent.hypervisor.pk)
    age(ca, monkeypatch, 366)  # the one that the host knows has ended meanwhile
    eve_certificate_renew()
    assert ca.following() is None
    agent.start()
    with pytest.raises(NotTrusted, match="was away while Eve changed its own certificate"):
        host_resync(hypervisor_id=agent.hypervisor.pk, enrolled_at=agent.hypervisor.enrolled_at)
    agent.stop()
    agent.enrol(live_server.url)
    agent.start()
    assert host_resync(hypervisor_id=agent.hypervisor.pk, enrolled_at=agent.hypervisor.enrolled_at)
