"""Watching real agents: what Eve knows of them, and how soon."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from hypervisors.inventory import host_resync
from hypervisors.models import Hypervisor, HypervisorState, Watcher
from hypervisors.services import certificate_revoke, hypervisor_delete
from hypervisors.signals import host_reached
from tests.hypervisors.conftest import Heard, eventually
from tests.hypervisors.peers import Peer, answering, http, make_leaf, pin, server_context
from tests.hypervisors.real_agent import RealAgent

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.django_db(transaction=True)


def is_in(state: str, hypervisor: Hypervisor):
    """Whether the hypervisor is in that state, to be asked again and again."""

    def check() -> bool:
        hypervisor.refresh_from_db()
        return hypervisor.state == state

    return check


def test_a_host_comes_online_with_its_facts_and_domains(agent: RealAgent, heard: Heard, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    row = agent.hypervisor
    assert row.facts["host_name"] == "hv1"
    assert row.facts["cpu"]["model"] == "EPYC-Rome"
    assert [pool["name"] for pool in row.facts["pools"]] == ["default"]
    assert row.facts["numa_nodes"][1]["cpu_ids"][0] == 32
    assert (row.domain_count, row.contract_version, row.state_reason) == (3, 2, "")
    assert row.last_seen_at is not None
    (seen,) = heard.of("inventory_seen")
    assert seen["hypervisor_id"] == row.pk
    assert [domain.name for domain in seen["domains"]] == ["fake-0001", "fake-0002", "fake-0003"]
    (online,) = eventually(lambda: heard.of("hypervisor_state_changed"))
    assert online["state"] == "online"


def test_other_pools_are_announced_and_the_passing_of_time_is_not(agent: RealAgent, heard: Heard):
    def listed() -> int:
        row = Hypervisor.objects.get(pk=agent.hypervisor.pk)
        assert host_resync(hypervisor_id=row.pk, enrolled_at=row.enrolled_at)
        return len(heard.of("hypervisor_edited"))

    before = listed()
    assert listed() == before
    agent.driver.full_pools.add("default")
    assert listed() == before + 1
    assert listed() == before + 1


def test_what_happens_on_the_host_is_known_within_a_second(agent: RealAgent, heard: Heard, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    begun = time.monotonic()
    domain = agent.call(agent.driver.define, "new", state=DomainState.OFF)
    eventually(lambda: [seen for seen in heard.of("domain_seen") if seen["domain"].uuid == domain])
    agent.call(agent.driver.change, domain, state=DomainState.RUNNING)
    eventually(lambda: heard.of("domain_seen")[-1]["domain"].state is DomainState.RUNNING)
    agent.call(agent.driver.remove, domain)
    eventually(lambda: [gone for gone in heard.of("domain_vanished") if gone["domain_uuid"] == domain])
    assert time.monotonic() - begun < 1


def test_a_libvirt_that_goes_and_comes_back(agent: RealAgent, heard: Heard, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    agent.call(agent.driver.go_away)
    eventually(is_in(HypervisorState.LIBVIRT_DOWN, agent.hypervisor))
    assert "libvirt" in agent.hypervisor.state_reason
    agent.call(agent.driver.come_back)
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    assert len(heard.of("inventory_seen")) == 2


def test_a_host_that_is_reached_may_be_asked_now_and_then(agent: RealAgent, watch, monkeypatch):
    monkeypatch.setattr("hypervisors.link.OFFER_SECONDS", 0.1)
    offered: list[object] = []

    def hear(*, hypervisor_id, **_):
        offered.append(hypervisor_id)
        raise RuntimeError("whatever goes wrong above, the watching goes on")

    host_reached.connect(hear)
    try:
        watch()
        eventually(lambda: len(offered) > 2)
    finally:
        host_reached.disconnect(hear)
    assert set(offered) == {agent.hypervisor.pk}
    assert is_in(HypervisorState.ONLINE, agent.hypervisor)()


def test_an_agent_that_goes_and_comes_back(agent: RealAgent, heard: Heard, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    agent.stop()
    eventually(is_in(HypervisorState.OFFLINE, agent.hypervisor))
    assert "Nothing listens" in agent.hypervisor.state_reason
    agent.driver.define("while-away")
    agent.start()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 12)
    assert len(heard.of("inventory_seen")[-1]["domains"]) == 4


def test_a_host_that_enrols_is_seen_at_once(hypervisor, live_server, tmp_path, watch):
    watch()
    time.sleep(0.5)
    agent = RealAgent(hypervisor, tmp_path)
    agent.enrol(live_server.url)
    agent.start()
    try:
        eventually(is_in(HypervisorState.ONLINE, hypervisor), 3)
    finally:
        agent.stop()


def test_a_host_that_enrols_again_is_seen_at_once(agent: RealAgent, live_server, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    former = agent.hypervisor.certificate_fingerprint
    agent.stop()
    eventually(is_in(HypervisorState.OFFLINE, agent.hypervisor))
    time.sleep(2)  # the waiting has become longer by now
    agent.enrol(live_server.url)
    agent.start()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 3)
    assert agent.hypervisor.certificate_fingerprint != former


@pytest.mark.parametrize("how", ["revoke", "delete"])
def test_an_open_link_is_cut_at_once(how, agent: RealAgent, heard: Heard, watch):
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    eventually(lambda: len(agent.server._events) == 1)
    if how == "revoke":
        certificate_revoke(serial=agent.hypervisor.certificate_serial, reason="stolen")
        eventually(is_in(HypervisorState.REVOKED, agent.hypervisor))
    else:
        hypervisor_delete(hypervisor=Hypervisor.objects.get(pk=agent.hypervisor.pk))
    eventually(lambda: len(agent.server._events) == 0, 2)
    told = len(heard.of("domain_seen"))
    agent.call(agent.driver.define, "unseen")
    time.sleep(1.5)
    assert len(agent.server._events) == 0
    assert len(heard.of("domain_seen")) == told
    assert heard.of("hypervisor_removed")[0]["reason"] == {"revoke": "revoked", "delete": "deleted"}[how]
    if how == "revoke":
        assert is_in(HypervisorState.REVOKED, agent.hypervisor)()


def test_the_wrong_host_is_rejected_in_words(ca, hypervisor, tmp_path, watch):
    enrolled, impostor = make_leaf(ca.authority(), hypervisor), make_leaf(ca.authority(), hypervisor)
    with Peer(server_context(impostor, tmp_path, client_ca=ca.authority()), answering(http(b"{}"))) as peer:
        pin(hypervisor, enrolled, peer.port)
        watch()
        eventually(is_in(HypervisorState.REJECTED, hypervisor))
        assert "Another certificate" in hypervisor.state_reason
        time.sleep(1)
        assert bytes(peer.received) == b""


def test_redirects_and_refusals_of_events(hypervisor, serve, watch):
    with Peer(None, answering(b"")) as elsewhere:
        answer = http(b"", status="302 Found", headers=f"Location: wss://127.0.0.1:{elsewhere.port}/\r\n")
        serve(answering(answer))
        watch()
        eventually(lambda: is_in(HypervisorState.OFFLINE, hypervisor)() and "status 302" in hypervisor.state_reason)
        assert elsewhere.connections == 0


def test_an_agent_of_another_contract_is_named(hypervisor, serve, watch):
    answer = http(b"{}", status="426 Upgrade Required").replace(b"Eve-Contract: 1", b"Eve-Contract: 7")
    serve(answering(answer))
    watch()
    eventually(lambda: is_in(HypervisorState.OFFLINE, hypervisor)() and "version 7" in hypervisor.state_reason)


def test_a_watcher_that_stops_hands_over(agent: RealAgent, watch):
    first = watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))
    holder = agent.hypervisor.watcher
    second = watch()
    eventually(lambda: Watcher.objects.count() == 2)
    first.stop()
    eventually(lambda: Hypervisor.objects.get(pk=agent.hypervisor.pk).watcher not in ("", holder), 3)
    second.stop()
    assert Hypervisor.objects.get(pk=agent.hypervisor.pk).watcher == ""
    assert Watcher.objects.count() == 0


def test_the_hosts_of_a_killed_watcher_are_taken_over(agent: RealAgent, watch):
    until = timezone.now() + dt.timedelta(seconds=2)
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(watcher="killed", watcher_lease_until=until)
    Watcher.objects.create(name="killed", seen_until=until)
    watch()
    time.sleep(1)
    assert Hypervisor.objects.get(pk=agent.hypervisor.pk).watcher == "killed"
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 5)


def test_a_killed_watcher_of_this_machine_is_not_waited_for(agent: RealAgent, watch, settings, tmp_path):
    settings.STATE_DIR = tmp_path
    code = f"""
from django.conf import settings
settings.configure(STATE_DIR={str(tmp_path)!r})
from hypervisors.presence import Presence
presence = Presence("killed")
print("there", flush=True)
input()
"""
    until = timezone.now() + dt.timedelta(hours=1)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(watcher="killed", watcher_lease_until=until)
        Watcher.objects.create(name="killed", seen_until=until)
        first = watch()
        time.sleep(1)
        first.stop()
        assert Hypervisor.objects.get(pk=agent.hypervisor.pk).watcher == "killed"
        process.kill()
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 5)
    assert len(list((tmp_path / "watchers").iterdir())) == 1


def test_a_new_address_is_followed(agent: RealAgent, watch):
    right = agent.hypervisor.address
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(address="127.0.0.1:1")
    watch()
    eventually(
        lambda: is_in(HypervisorState.OFFLINE, agent.hypervisor)() and "127.0.0.1:1." in agent.hypervisor.state_reason
    )
    Hypervisor.objects.filter(pk=agent.hypervisor.pk).update(address=right)
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 3)


def test_a_slow_host_is_asked_again_with_more_time(agent: RealAgent, watch, monkeypatch, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 5.0
    monkeypatch.setattr("hypervisors.link.BRISK_SECONDS", 0.3)
    agent.driver.latency_seconds = 0.6
    watch()
    eventually(is_in(HypervisorState.ONLINE, agent.hypervisor))


def test_slow_hosts_do_not_delay_others(agent: RealAgent, live_server, tmp_path, watch, monkeypatch, settings):
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 5.0
    monkeypatch.setattr("hypervisors.link.BRISK_SECONDS", 0.3)
    monkeypatch.setattr("hypervisors.workers.HOST_THREADS", 2)
    monkeypatch.setattr("hypervisors.workers.SLOW_HOSTS", 1)
    slow = [Hypervisor.objects.create(name=f"slow{n}", site=agent.hypervisor.site, address="x:1") for n in range(4)]
    agents = []
    try:
        for hypervisor in slow:
            (tmp_path / hypervisor.name).mkdir()
            agents.append(RealAgent(hypervisor, tmp_path / hypervisor.name))
            agents[-1].enrol(live_server.url)
            agents[-1].start()
            agents[-1].driver.latency_seconds = 60
        watch()
        eventually(is_in(HypervisorState.ONLINE, agent.hypervisor), 4)
    finally:
        for each in agents:
            each.stop()
