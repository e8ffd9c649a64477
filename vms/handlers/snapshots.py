"""How snapshots are made, gone back to and deleted on a VM's host, and how Eve learns which there are."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from eve_agent.wire import snapshots as wire
from eve_agent.wire.domain import Domain
from eve_agent.wire.errors import ErrorCode

from common.sentences import gettext_lazy as _
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.models import Nic, NicKind, NicModel, Snapshot, SnapshotState, Vm
from vms.services.snapshots import DELETE, MAKE, REVERT

from .on_host import OnHost, on_host, passing_over, undone_on_host


def snapshot_unmake(run: OperationRun) -> None:
    """Takes back one that could not be made."""
    with undone_on_host(run) as at:
        if at is None:
            return
        run.step("remove", _("Removing what was begun"), percent=run.operation.progress)
        _delete(at)


@register(MAKE, is_idempotent=True, undo=snapshot_unmake, lane=Lane.MAKING)
def make(run: OperationRun) -> None:
    """Makes one."""
    with on_host(run) as at:
        run.step("snapshot", _("Making the snapshot"), percent=10)
        row = Snapshot.objects.get(pk=at.argument("snapshot"))
        wanted = wire.SnapshotSpec(title=row.name, with_memory=row.with_memory, operation_id=run.operation.pk)
        at.agent.snapshot_make(at.vm.pk, row.pk, wanted)
        Snapshot.objects.filter(pk=row.pk).update(state=SnapshotState.READY)
        snapshots_look(at)
        run.result = {"snapshot": str(row.pk)}


def unrevert(run: OperationRun) -> None:
    """It is agreed to be as large as it is: as before, or as it was then where the host has gone back already."""
    if before := run.operation.arguments.get("before"):  # one that an older Eve queued has none
        vcpus, memory_bytes = before
        Vm.objects.filter(pk=run.operation.target_id).update(vcpus=vcpus, memory_bytes=memory_bytes)


@register(REVERT, is_idempotent=True, undo=unrevert, lane=Lane.MAKING)
def revert(run: OperationRun) -> None:
    """Goes back to one. The machine has then what it had: libvirt brings back the domain as it was, too."""
    with on_host(run) as at:
        run.step("revert", _("Going back to the snapshot"), percent=10)
        row = Snapshot.objects.get(pk=at.argument("snapshot"))
        domain = at.agent.snapshot_revert(at.vm.pk, row.pk, operation_id=run.operation.pk)
        _be_as_then(at, row, domain)
        at.saw(domain)
        snapshots_look(at)


@register(DELETE, is_idempotent=True, lane=Lane.MAKING)
def delete(run: OperationRun) -> None:
    """Deletes one."""
    with on_host(run) as at:
        run.step("delete", _("Deleting the snapshot"), percent=10)
        _delete(at)


def _delete(at: OnHost) -> None:
    snapshot_id = UUID(at.argument("snapshot"))
    with passing_over(ErrorCode.SNAPSHOT_NOT_FOUND, ErrorCode.DOMAIN_NOT_FOUND):
        at.agent.snapshot_delete(at.vm.pk, snapshot_id)
    Snapshot.objects.filter(pk=snapshot_id).delete()
    with passing_over(ErrorCode.DOMAIN_NOT_FOUND):
        snapshots_look(at)


def snapshots_look(at: OnHost) -> list[str]:
    """Learns which snapshots there are. One that somebody deleted behind Eve's back is none any more; their names are returned."""
    found = at.agent.snapshots(at.vm.pk)
    with transaction.atomic():
        rows = {str(row.pk): row for row in Snapshot.objects.select_for_update().filter(vm=at.vm)}
        known = {seen.name: seen for seen in found if seen.name in rows}
        for name, seen in known.items():
            row = rows[name]
            row.parent = rows.get(seen.parent)
            row.is_current, row.with_memory = seen.is_current, seen.with_memory
            row.save(update_fields=["parent", "is_current", "with_memory"])
        gone = [row for name, row in rows.items() if name not in known and row.state == SnapshotState.READY]
        Snapshot.objects.filter(pk__in=[row.pk for row in gone]).delete()
    return [row.name for row in gone]


@transaction.atomic
def _be_as_then(at: OnHost, row: Snapshot, domain: Domain) -> None:
    vm, operation = at.vm, at.run.operation
    operation.arguments["before"] = [row.vcpus, row.memory_bytes]
    operation.save(update_fields=["arguments"])
    Vm.objects.filter(pk=vm.pk).update(vcpus=row.vcpus, memory_bytes=row.memory_bytes, boot_devices=[])
    then = {nic.mac: nic for nic in domain.nics if nic.kind in NicKind.values}
    Nic.objects.filter(vm=vm).exclude(mac__in=then).delete()
    back = [
        Nic(vm=vm, mac=mac, kind=nic.kind, source=nic.source, model=nic.model or NicModel.VIRTIO, position=position)
        for position, (mac, nic) in enumerate(then.items())
    ]
    Nic.objects.bulk_create(back, ignore_conflicts=True)
