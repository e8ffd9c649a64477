"""Which step of the way fails, in words."""

from __future__ import annotations

import pytest

from hypervisors.doctor import connection_test
from hypervisors.models import Hypervisor, HypervisorState
from tests.hypervisors.conftest import Serve
from tests.hypervisors.peers import answering, http, make_leaf
from tests.hypervisors.real_agent import RealAgent

pytestmark = pytest.mark.django_db(transaction=True)


def walk(hypervisor: Hypervisor) -> dict[str, str]:
    """Each step's outcome; for the one that failed its words."""
    hypervisor.refresh_from_db()
    return {s.code: s.detail if s.outcome == "failed" else s.outcome.value for s in connection_test(hypervisor)}


def test_all_is_well(agent: RealAgent):
    assert walk(agent.hypervisor) == dict.fromkeys(["name", "tcp", "tls", "pin", "agent", "libvirt"], "ok")


def test_the_name(agent: RealAgent):
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(address="nowhere.invalid:1")
    found = walk(agent.hypervisor)
    assert "nowhere.invalid does not resolve: add it to DNS" in found["name"]
    assert found["tcp"] == found["libvirt"] == "skipped"


def test_the_port(agent: RealAgent):
    agent.stop()
    found = walk(agent.hypervisor)
    assert found["name"] == "ok"
    assert "Is the agent running there" in found["tcp"]


def test_not_enrolled_yet(agent: RealAgent):
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(certificate_fingerprint="")
    found = walk(agent.hypervisor)
    assert found["tcp"] == "ok"
    assert "Make an enrolment line" in found["tls"]


def test_shut_out(agent: RealAgent):
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(certificate_fingerprint="", state=HypervisorState.REVOKED)
    assert "The host was shut out. Make a new enrolment line" in walk(agent.hypervisor)["tls"]


def test_tls(ca, hypervisor, serve: Serve):
    from django.utils import timezone

    from hypervisors import pki

    serve(answering(b""), leaf=make_leaf(pki.new_authority(now=timezone.now()), hypervisor))
    assert "not by Eve's CA" in walk(hypervisor)["tls"]


def test_the_pin(ca, hypervisor, serve: Serve):
    serve(answering(b""), leaf=make_leaf(ca.authority(), hypervisor), pinned=make_leaf(ca.authority(), hypervisor))
    found = walk(hypervisor)
    assert found["tls"] == "ok"
    assert "Another certificate" in found["pin"]


def test_the_agents_version(hypervisor, serve: Serve):
    serve(answering(http(b"{}").replace(b"Eve-Contract: 1", b"Eve-Contract: 5")))
    found = walk(hypervisor)
    assert found["pin"] == "ok"
    assert "Update the older of the two" in found["agent"]


def test_libvirt(agent: RealAgent):
    agent.call(agent.driver.go_away)
    found = walk(agent.hypervisor)
    assert found["agent"] == "ok"
    assert "systemctl status libvirtd" in found["libvirt"]
