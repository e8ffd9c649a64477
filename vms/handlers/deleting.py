"""How a VM is removed from its host. A try that was cut off is followed by another, which passes over what is gone."""

from __future__ import annotations

from common.sentences import gettext as _
from hypervisors.client import AgentClient
from operations.handlers import register
from operations.run import OperationRun
from vms.models import Lifecycle, Vm
from vms.services.deleting import KIND, vm_gone

from . import specs
from .rights import require_still_allowed


@register(KIND, is_idempotent=True)
def vm_remove(run: OperationRun) -> None:
    """Removes one. Raises ActionNotAllowed and what the agent's client raises: then the VM stays, and may be deleted again."""
    operation = run.operation
    vm = (
        Vm.objects.select_related("hypervisor", "project")
        .prefetch_related("disks")
        .filter(pk=operation.target_id)
        .first()
    )
    if vm is None:
        return
    keeps_disks = bool(operation.arguments.get("keeps_disks"))
    try:
        require_still_allowed(operation, vm)
        run.step("remove", _("Removing it from %(host)s") % {"host": vm.hypervisor.name}, percent=20)
        with AgentClient(vm.hypervisor) as agent:
            wanted = specs.domain_delete(vm, keeps_disks=keeps_disks, operation_id=operation.pk)
            agent.domain_delete(vm.pk, wanted)
    except BaseException:
        Vm.objects.filter(pk=vm.pk).update(lifecycle=Lifecycle.KEPT)
        raise
    run.step("forget", _("Writing down that it is gone"), percent=90)
    vm_gone(vm=vm, keeps_disks=keeps_disks, reason="deleted")
