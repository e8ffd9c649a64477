"""How seeds get to hosts, and how what a first boot was told leaves them."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone
from eve_agent.wire.storage import SeedSpec

from common.sentences import gettext_lazy as _
from hypervisors.client import AgentClient
from operations.handlers import register
from operations.run import OperationRun
from vms.cloudinit import meta_data
from vms.models import Seed
from vms.services.seeds import END


def seed_write(agent: AgentClient, seed: Seed, *, operation_id: UUID) -> None:
    """Puts the disc of a first boot on the host. Once its machine has begun to boot, that is not done again."""
    if seed.written_at is None:
        _put(agent, seed, seed.user_data, operation_id)


def seed_settle(seed: Seed) -> None:
    """The machine is there: Eve forgets what its first boot is told."""
    Seed.objects.filter(pk=seed.pk, written_at=None).update(user_data="", network_config="", written_at=timezone.now())


def seed_write_later(agent: AgentClient, seed: Seed, *, operation_id: UUID) -> None:
    """Puts a disc for later boots in the place of that of the first one, or of one that is lost."""
    _put(agent, seed, seed.later_user_data, operation_id)
    Seed.objects.filter(pk=seed.pk).update(is_over=True)


@register(END, is_idempotent=True)
def seed_end(run: OperationRun) -> None:
    """The first boot is over: what it was told leaves the host."""
    seed = Seed.objects.select_related("vm__hypervisor").filter(vm=run.operation.target_id, is_over=False).first()
    if seed is not None:
        run.step("seed", _("Deleting what its first boot was told"), percent=20)
        with AgentClient(seed.vm.hypervisor) as agent:
            seed_write_later(agent, seed, operation_id=run.operation.pk)


def _put(agent: AgentClient, seed: Seed, user_data: str, operation_id: UUID) -> None:
    told = SeedSpec(
        user_data=user_data,
        meta_data=meta_data(instance=str(seed.pk), host_name=seed.vm.name),
        network_config=seed.network_config,
        operation_id=operation_id,
    )
    agent.seed_make(seed.pool, seed.vm_id, told)
