"""What hosts report becomes rows; a host speaks for its own VMs only."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid

import pytest
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.signals import domain_seen, domain_vanished, hypervisor_state_changed, inventory_seen
from tests.vms.conftest import domain_of_vm, make_domain
from vms import inventory, live
from vms.drift import Drift
from vms.errors import AdoptionRefused
from vms.models import DiscoveredDomain, Vm, VmState
from vms.services import vm_adopt
from vms.signals import vm_state_changed

OTHER = uuid.uuid4()


def listed(hypervisor, *domains):
    inventory_seen.send(sender=None, hypervisor_id=hypervisor.pk, domains=tuple(domains))


def seen(hypervisor, domain):
    domain_seen.send(sender=None, hypervisor_id=hypervisor.pk, domain=domain)


def vanished(hypervisor, domain_uuid):
    domain_vanished.send(sender=None, hypervisor_id=hypervisor.pk, domain_uuid=domain_uuid)


def away(hypervisor, state=HypervisorState.OFFLINE, since=None):
    since = since or timezone.now()
    hypervisor_state_changed.send(sender=None, hypervisor_id=hypervisor.pk, state=state, since=since)


@pytest.fixture
def published(monkeypatch):
    """What was published: (group, message)."""
    sent = []
    monkeypatch.setattr(live, "publish", lambda group, message: sent.append((group, message)))
    return sent


def test_a_vm_takes_state_reason_and_facts(cast):
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.PAUSED, reason="ioerror", vcpus=7))
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.state, vm.state_reason) == (VmState.PAUSED, "ioerror")
    assert vm.facts["disks"][0]["target"] == "vda"
    assert (vm.vcpus, vm.seen_vcpus) == (1, 7)
    assert vm.last_seen_at is not None


def test_an_outline_says_the_state_and_leaves_what_was_known(cast):
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, vcpus=7), make_domain("other", uuid=OTHER))
    outline = {"vcpus": 0, "memory_bytes": 0, "disks": (), "is_outline": True}
    hung = domain_of_vm(cast.acme_vm, state=DomainState.PAUSED, reason="ioerror", **outline)
    listed(cast.hypervisor_here, hung, make_domain("other", uuid=OTHER, **outline), make_domain("new", **outline))
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.state, vm.state_reason, vm.seen_vcpus) == (VmState.PAUSED, "ioerror", 7)
    assert vm.facts["disks"][0]["target"] == "vda"
    assert DiscoveredDomain.objects.get(uuid=OTHER).facts["disks"]
    new = DiscoveredDomain.objects.get(name="new")
    assert new.facts == {}
    with pytest.raises(AdoptionRefused, match="may not answer"):
        vm_adopt(discovered=new, project=cast.acme, user=cast.staff_here)


def test_a_state_keeps_its_time_while_it_stays(cast):
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm))
    before = Vm.objects.get(pk=cast.acme_vm.pk).state_since
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, reason="unpaused"))
    assert Vm.objects.get(pk=cast.acme_vm.pk).state_since == before
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert Vm.objects.get(pk=cast.acme_vm.pk).state_since > before


def test_a_vm_that_is_not_listed_is_missing_and_comes_back(cast):
    listed(cast.hypervisor_here)
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.MISSING
    assert Vm.objects.get(pk=cast.ottos_vm.pk).state == VmState.RUNNING
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm))
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.RUNNING


def test_unknown_domains_wait_to_be_adopted_and_go_when_they_are_gone(cast):
    domain = make_domain("legacy-dns")
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm), domain)
    row = DiscoveredDomain.objects.get()
    assert (row.uuid, row.name, row.hypervisor, row.is_conflict) == (
        domain.uuid,
        "legacy-dns",
        cast.hypervisor_here,
        False,
    )
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm), dataclasses.replace(domain, name="renamed"))
    assert DiscoveredDomain.objects.get().name == "renamed"
    assert DiscoveredDomain.objects.get().first_seen_at == row.first_seen_at
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm))
    assert not DiscoveredDomain.objects.exists()


@pytest.mark.parametrize("how", ["listed", "seen"])
def test_another_hosts_vm_is_a_conflict_and_never_moves(cast, how):
    claimed = domain_of_vm(cast.acme_vm, name="stolen", state=DomainState.CRASHED)
    if how == "listed":
        listed(cast.hypervisor_there, domain_of_vm(cast.ottos_vm), claimed)
    else:
        seen(cast.hypervisor_there, claimed)
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.hypervisor, vm.project, vm.name, vm.state) == (
        cast.hypervisor_here,
        cast.acme,
        "acme-web",
        VmState.RUNNING,
    )
    row = DiscoveredDomain.objects.get()
    assert (row.hypervisor, row.uuid, row.is_conflict) == (cast.hypervisor_there, vm.pk, True)


def test_another_host_cannot_make_a_vm_vanish(cast):
    vanished(cast.hypervisor_there, cast.acme_vm.pk)
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.RUNNING


def test_one_event_changes_one_vm(cast):
    seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF, reason="destroyed"))
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.OFF
    vanished(cast.hypervisor_here, cast.acme_vm.pk)
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.MISSING


def test_an_event_of_an_unknown_domain_is_kept_until_it_vanishes(cast):
    domain = make_domain()
    seen(cast.hypervisor_here, domain)
    seen(cast.hypervisor_here, domain)
    assert DiscoveredDomain.objects.get().uuid == domain.uuid
    vanished(cast.hypervisor_here, domain.uuid)
    assert not DiscoveredDomain.objects.exists()


def count_of(hypervisor):
    return Hypervisor.objects.get(pk=hypervisor.pk).domain_count


def test_what_comes_and_goes_between_two_listings_is_counted(cast):
    """Else the page of drift tells of a difference that there is none, until the next listing."""
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(domain_count=1)
    domain = make_domain("legacy-dns")
    seen(cast.hypervisor_here, domain)
    seen(cast.hypervisor_here, domain)
    assert count_of(cast.hypervisor_here) == 2
    vm_adopt(discovered=DiscoveredDomain.objects.get(), project=cast.acme, user=cast.superuser)
    assert Drift(cast.superuser).counts == []
    vanished(cast.hypervisor_here, domain.uuid)
    assert count_of(cast.hypervisor_here) == 1
    assert Drift(cast.superuser).counts == []
    seen(cast.hypervisor_here, domain)
    assert count_of(cast.hypervisor_here) == 2
    Vm.objects.filter(pk=domain.uuid).delete()
    vanished(cast.hypervisor_here, domain.uuid)
    assert Drift(cast.superuser).counts == []


@pytest.mark.parametrize("state", [DomainState.OFF, DomainState.PAUSED])
def test_what_crashed_is_shown_as_crashed(cast, state):
    seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=state, reason="crashed"))
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.CRASHED


@pytest.mark.parametrize(
    "state", [HypervisorState.OFFLINE, HypervisorState.LIBVIRT_DOWN, HypervisorState.REJECTED, HypervisorState.REVOKED]
)
def test_while_its_host_is_away_a_vm_is_unknown_since_then(cast, state):
    since = timezone.now() - dt.timedelta(minutes=4)
    away(cast.hypervisor_here, state, since)
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.state, vm.state_since, vm.state_reason) == (VmState.UNKNOWN, since, state)
    assert Vm.objects.get(pk=cast.ottos_vm.pk).state == VmState.RUNNING


def test_back_again_it_is_what_it_is_and_since_when_it_was(cast):
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm))
    long_ago = timezone.now() - dt.timedelta(days=41)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state_since=long_ago)
    away(cast.hypervisor_here)
    away(cast.hypervisor_here, HypervisorState.REJECTED)
    away(cast.hypervisor_here, HypervisorState.ONLINE)
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.UNKNOWN
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm))
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.state, vm.state_since, vm.state_before) == (VmState.RUNNING, long_ago, "")


def test_back_again_in_another_state_it_is_in_that_since_now(cast):
    away(cast.hypervisor_here)
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert vm.state == VmState.OFF
    assert timezone.now() - vm.state_since < dt.timedelta(seconds=10)


def test_what_is_missing_stays_missing_while_its_host_is_away(cast):
    listed(cast.hypervisor_here)
    away(cast.hypervisor_here)
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.MISSING


def test_what_people_wrote_and_agreed_is_never_overwritten(cast):
    Vm.objects.filter(pk=cast.acme_vm.pk).update(remarks="ask Olivia")
    listed(cast.hypervisor_here, domain_of_vm(cast.acme_vm, vcpus=64, memory_bytes=1))
    vm = Vm.objects.get(pk=cast.acme_vm.pk)
    assert (vm.remarks, vm.vcpus, vm.memory_bytes, vm.project) == ("ask Olivia", 1, 256 * 1024**2, cast.acme)


def test_an_answer_older_than_an_event_changes_nothing(cast):
    asked_at = timezone.now()
    seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    inventory.domain_apply(
        hypervisor_id=cast.hypervisor_here.pk, domain=domain_of_vm(cast.acme_vm), unless_seen_since=asked_at
    )
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.OFF


def test_a_hostile_listing_is_kept_within_bounds(cast, monkeypatch):
    monkeypatch.setattr(inventory, "MAX_DISCOVERED", 10)
    domains = [make_domain(f"flood-{number}\x1b[2J\x00") for number in range(50)]
    listed(cast.hypervisor_here, *domains, domain_of_vm(cast.acme_vm))
    assert DiscoveredDomain.objects.count() == 10
    assert Vm.objects.get(pk=cast.acme_vm.pk).state == VmState.RUNNING
    assert "\x1b" not in DiscoveredDomain.objects.first().name
    for domain in domains:
        seen(cast.hypervisor_here, domain)
    assert DiscoveredDomain.objects.count() == 10


def test_the_same_domain_twice_in_a_listing_counts_once(cast):
    domain = make_domain()
    listed(cast.hypervisor_here, domain, domain)
    assert DiscoveredDomain.objects.count() == 1


def test_the_same_listing_again_writes_next_to_nothing(cast, django_assert_max_num_queries):
    domains = [make_domain(f"d-{number}") for number in range(500)]
    listed(cast.hypervisor_here, *domains, domain_of_vm(cast.acme_vm))
    with django_assert_max_num_queries(12):
        listed(cast.hypervisor_here, *domains, domain_of_vm(cast.acme_vm))
    assert DiscoveredDomain.objects.count() == 500


def test_a_host_of_500_vms_costs_a_handful_of_queries(cast, django_assert_max_num_queries):
    domains = [make_domain(f"d-{number}") for number in range(500)]
    Vm.objects.bulk_create(
        Vm(pk=each.uuid, name=each.name, project=cast.acme, hypervisor=cast.hypervisor_here, vcpus=2, memory_bytes=1)
        for each in domains
    )
    with django_assert_max_num_queries(25):
        listed(cast.hypervisor_here, *domains, domain_of_vm(cast.acme_vm))
    assert Vm.objects.filter(hypervisor=cast.hypervisor_here, state=VmState.RUNNING).count() == 501
    with django_assert_max_num_queries(12):
        away(cast.hypervisor_here)
    assert Vm.objects.filter(hypervisor=cast.hypervisor_here, state=VmState.UNKNOWN).count() == 501


def test_pages_of_the_project_and_the_site_hear_of_it_once_it_is_committed(
    cast, published, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
        assert published == []
    groups = [live.project_group(cast.acme.pk), live.site_group(cast.here.pk)]
    message = {"type": "live.vms", "vms": [{"id": str(cast.acme_vm.pk), "state": "off"}]}
    assert published == [
        (live.CHANGES, {"type": "live.changes", "groups": groups}),
        *((group, message) for group in groups),
    ]


def test_a_thousand_changes_are_one_message_a_group(cast, published, django_capture_on_commit_callbacks):
    domains = [make_domain(f"d-{number}") for number in range(50)]
    Vm.objects.bulk_create(
        Vm(pk=each.uuid, name=each.name, project=cast.acme, hypervisor=cast.hypervisor_here, vcpus=2, memory_bytes=1)
        for each in domains
    )
    with django_capture_on_commit_callbacks(execute=True):
        listed(cast.hypervisor_here, *domains, domain_of_vm(cast.acme_vm))
    groups = [live.project_group(cast.acme.pk), live.site_group(cast.here.pk)]
    assert [group for group, _message in published] == [live.CHANGES, *groups]


def test_apps_above_hear_of_new_states_only(cast, published, django_capture_on_commit_callbacks):
    heard = []

    def hear(*, vm_id, state, **_):
        heard.append((vm_id, state))

    vm_state_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, name="renamed"))
        assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            seen(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
        assert heard == [(cast.acme_vm.pk, "off")]
    finally:
        vm_state_changed.disconnect(hear)


def test_a_host_that_was_deleted_meanwhile_is_no_fault(cast):
    gone = type("Gone", (), {"pk": cast.acme.pk})
    listed(gone, make_domain())
    seen(gone, make_domain())
    away(gone)
    assert not DiscoveredDomain.objects.exists()
