"""What hosts report becomes rows. Never a network call: it is handed what was received.

A host speaks for its own VMs only. A domain whose UUID belongs to a VM on another host is kept as a conflict for staff to see;
the VM stays where it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.domain import Domain

from hypervisors.models import Hypervisor, HypervisorState

from . import live
from .comparing import compared
from .facts import clean_domain, domain_of
from .models import DiscoveredDomain, Lifecycle, Vm, VmState
from .states import state_of

log = structlog.get_logger(__name__)

MAX_DISCOVERED = 2000
"""As many domains that are no VMs of Eve's are kept of one host."""
_VM_FIELDS = (
    "name",
    "state",
    "state_reason",
    "state_since",
    "state_before",
    "state_before_since",
    "facts",
    "seen_vcpus",
    "seen_memory_bytes",
    "differences",
)
_CHUNK = 500
_ABSENT = (VmState.MISSING, VmState.CREATING)


@transaction.atomic
def inventory_apply(*, hypervisor_id: UUID, domains: Sequence[Domain]) -> None:
    """The host has these domains and no others. The number of queries does not grow with their number."""
    host = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if host is None:
        return
    now = timezone.now()
    reported = {domain.uuid: domain for domain in domains}
    changed: list[Vm] = []
    changes: list[live.VmChange] = []
    locked = Vm.objects.select_for_update().filter(hypervisor=host).order_by("pk")
    for vm in locked.prefetch_related("disks", "nics"):
        domain = reported.pop(vm.pk, None)
        change = _take_in(vm, domain, host, now) if domain else _lose(vm, host, now)
        if change:
            changed.append(vm)
            changes.append(change)
    # An upsert of rows that are there, and locked: with bulk_update a resync of 500 takes four times as long.
    Vm.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["id"], update_fields=_VM_FIELDS, batch_size=_CHUNK
    )
    Vm.objects.filter(hypervisor=host).exclude(state__in=_ABSENT).update(last_seen_at=now)
    _discover(host, reported, now)
    live.announce(changes)


@transaction.atomic
def domain_apply(*, hypervisor_id: UUID, domain: Domain, unless_seen_since: dt.datetime | None = None) -> None:
    """One domain of the host is like this now.

    Args:
        unless_seen_since: leaves the VM as it is if the host reported it after that time: what an operation's answer says
            is older than an event that came meanwhile.
    """
    host = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if host is None:
        return
    now = timezone.now()
    vm = Vm.objects.select_for_update().filter(pk=domain.uuid).first()
    if vm is None or vm.hypervisor_id != host.pk:
        _discover_one(host, domain, is_conflict=vm is not None, now=now)
        _recount(host)
        return
    if unless_seen_since and vm.last_seen_at and vm.last_seen_at > unless_seen_since:
        return
    was_absent = vm.state in _ABSENT
    change = _take_in(vm, domain, host, now)
    vm.last_seen_at = now
    vm.save(update_fields=[*_VM_FIELDS, "last_seen_at"])
    if was_absent:
        _recount(host)
    if change:
        live.announce([change])


@transaction.atomic
def domain_remove(*, hypervisor_id: UUID, domain_uuid: UUID) -> None:
    """The host no longer has the domain: its VM is missing; a discovered one is forgotten."""
    host = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if host is None:
        return
    vm = Vm.objects.select_for_update().filter(pk=domain_uuid, hypervisor=host).first()
    if vm is not None and (change := _lose(vm, host, timezone.now())):
        vm.save(update_fields=_VM_FIELDS)
        live.announce([change])
    if DiscoveredDomain.objects.filter(hypervisor=host, uuid=domain_uuid).delete()[0]:
        live.announce_drift(host.site_id)
    _recount(host)


@transaction.atomic
def host_state_apply(*, hypervisor_id: UUID, state: str, since: dt.datetime) -> None:
    """How Eve and the host get on has changed. While it is away, its VMs are unknown; the next inventory says what they are."""
    host = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if host is None:
        return
    live.announce_host(hypervisor_id=host.pk, site_id=host.site_id, state=state)
    if state == HypervisorState.ONLINE:
        return
    known = Vm.objects.filter(hypervisor=host).exclude(state__in=(VmState.UNKNOWN, *_ABSENT))
    rows = list(known.select_for_update().values_list("pk", "project_id"))
    known.update(
        state_before=F("state"),
        state_before_since=F("state_since"),
        state=VmState.UNKNOWN,
        state_reason=state,
        state_since=since,
    )
    live.announce(live.VmChange(vm_id, project_id, host.site_id, VmState.UNKNOWN) for vm_id, project_id in rows)


def domain_to_vm(vm: Vm, domain: Domain, now: dt.datetime) -> None:
    """Writes what the host reports into the (unsaved) row."""
    clean = clean_domain(domain)
    if not vm.is_made_by_eve:
        vm.name = clean.name
    if not clean.is_outline:
        vm.facts = codec.to_plain(clean)
        vm.seen_vcpus, vm.seen_memory_bytes = _seen(clean)
        vm.differences = compared(vm, clean)
    _set_state(vm, state_of(clean), clean.reason[:100], now)


@transaction.atomic
def differences_refresh(vm_id: UUID) -> None:
    """A change of it has ended, so that other disks and cards may be agreed than when its host reported it last."""
    vm = Vm.objects.select_for_update(of=("self",)).select_related("hypervisor").filter(pk=vm_id).first()
    domain = domain_of(vm.facts) if vm else None
    if vm is None or domain is None or vm.state == VmState.MISSING:
        return
    before, vm.differences = vm.differences, compared(vm, domain)
    if vm.differences != before:
        vm.save(update_fields=["differences"])
        live.announce_drift(vm.hypervisor.site_id)


def _recount(host: Hypervisor) -> None:
    """One came or went: until the host lists all again, it has those that are known of it."""
    there = Vm.objects.filter(hypervisor=host).exclude(state__in=_ABSENT).count()
    there += DiscoveredDomain.objects.filter(hypervisor=host).count()
    Hypervisor.objects.filter(pk=host.pk, domain_count__isnull=False).update(domain_count=there)


def _seen(domain: Domain) -> tuple[int, int]:
    """vCPUs and memory as the host has them for good: what a running guest gets at its next start counts, not what it has now."""
    then = domain.next_start or domain
    return then.vcpus, then.memory_bytes


def _take_in(vm: Vm, domain: Domain, host: Hypervisor, now: dt.datetime) -> live.VmChange | None:
    before = _picture(vm)
    domain_to_vm(vm, domain, now)
    return _change(vm, host, before)


def _lose(vm: Vm, host: Hypervisor, now: dt.datetime) -> live.VmChange | None:
    if vm.lifecycle != Lifecycle.KEPT:
        return None  # Eve itself makes or removes it, and says how that goes
    before = _picture(vm)
    _set_state(vm, VmState.MISSING, "", now)
    vm.seen_vcpus = vm.seen_memory_bytes = None
    vm.differences = []
    return _change(vm, host, before)


def _set_state(vm: Vm, state: VmState, reason: str, now: dt.datetime) -> None:
    if vm.state != state:
        came_back = vm.state == VmState.UNKNOWN and vm.state_before == state
        vm.state_since = vm.state_before_since if came_back and vm.state_before_since else now
        vm.state = state
    vm.state_reason = reason
    vm.state_before, vm.state_before_since = "", None


def _picture(vm: Vm) -> dict[str, object]:
    return {name: getattr(vm, name) for name in _VM_FIELDS}


def _change(vm: Vm, host: Hypervisor, before: Mapping[str, object]) -> live.VmChange | None:
    if _picture(vm) == before:
        return None
    known = before["state_before"] if before["state"] == VmState.UNKNOWN else before["state"]
    return live.VmChange(
        vm.pk,
        vm.project_id,
        host.site_id,
        vm.state,
        is_new_state=vm.state != before["state"],
        before=str(known),
    )


def _discover(host: Hypervisor, reported: Mapping[UUID, Domain], now: dt.datetime) -> None:
    if len(reported) > MAX_DISCOVERED:
        log.warning("host reports too many unknown domains", host=host.name, count=len(reported), kept=MAX_DISCOVERED)
    kept = dict(list(reported.items())[:MAX_DISCOVERED])
    elsewhere = _vms_elsewhere(kept)
    rows = {row.uuid: row for row in DiscoveredDomain.objects.filter(hypervisor=host)}
    new, other = [], []
    for uuid, domain in kept.items():
        row = rows.pop(uuid, None)
        if row is None:
            new.append(_discovered(host, domain, is_conflict=uuid in elsewhere, now=now))
        elif _update_discovered(row, domain, is_conflict=uuid in elsewhere):
            other.append(row)
    gone = [row.pk for row in rows.values()]
    DiscoveredDomain.objects.filter(pk__in=gone).delete()
    DiscoveredDomain.objects.bulk_create(new, ignore_conflicts=True)
    DiscoveredDomain.objects.bulk_update(other, ["name", "facts", "is_conflict"], batch_size=_CHUNK)
    DiscoveredDomain.objects.filter(hypervisor=host).update(last_seen_at=now)
    if new or other or gone:
        live.announce_drift(host.site_id)


def _discover_one(host: Hypervisor, domain: Domain, *, is_conflict: bool, now: dt.datetime) -> None:
    rows = DiscoveredDomain.objects.filter(hypervisor=host)
    row = rows.filter(uuid=domain.uuid).first()
    if row is None:
        if rows.count() >= MAX_DISCOVERED:
            return
        new = _discovered(host, domain, is_conflict=is_conflict, now=now)
        DiscoveredDomain.objects.bulk_create([new], ignore_conflicts=True)
    else:
        _update_discovered(row, domain, is_conflict=is_conflict)
        row.last_seen_at = now
        row.save(update_fields=["name", "facts", "is_conflict", "last_seen_at"])
    live.announce_drift(host.site_id)


def _discovered(host: Hypervisor, domain: Domain, *, is_conflict: bool, now: dt.datetime) -> DiscoveredDomain:
    row = DiscoveredDomain(hypervisor=host, uuid=domain.uuid, first_seen_at=now, last_seen_at=now)
    _update_discovered(row, domain, is_conflict=is_conflict)
    return row


def _update_discovered(row: DiscoveredDomain, domain: Domain, *, is_conflict: bool) -> bool:
    clean = clean_domain(domain)
    before = (row.name, row.facts, row.is_conflict)
    row.name, row.is_conflict = clean.name, is_conflict
    if not clean.is_outline:
        row.facts = codec.to_plain(clean)
    return before != (row.name, row.facts, row.is_conflict)


def _vms_elsewhere(uuids: Iterable[UUID]) -> set[UUID]:
    wanted = list(uuids)
    found: set[UUID] = set()
    for start in range(0, len(wanted), _CHUNK):
        found.update(Vm.objects.filter(pk__in=wanted[start : start + _CHUNK]).values_list("pk", flat=True))
    return found
