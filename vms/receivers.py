"""Hears what the apps below announce: the watcher of hosts, operations, accounts."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.dispatch import receiver
from eve_agent.wire.domain import Domain

from accounts.models import User
from accounts.selectors import audit_targets, register_audit_scope
from accounts.signals import access_revoked
from common.publish import publish
from hypervisors.metrics.recorder import Block
from hypervisors.signals import (
    domain_seen,
    domain_vanished,
    host_reached,
    host_sampled,
    hypervisor_moved,
    hypervisor_state_changed,
    inventory_seen,
)
from operations.models import Operation
from operations.selectors import register_scope
from operations.signals import operation_changed

from . import inventory, live
from .disks import kept_disks_for
from .guests import guests_refresh
from .images import images_at_sites_of
from .models import Disk, Image, Vm
from .selectors import vms_managed_by
from .services.seeds import seeds_end

_TARGETS: Final[dict[str, type[Vm | Disk | Image]]] = {
    str(model._meta.model_name): model for model in (Vm, Disk, Image)
}


@receiver(inventory_seen)
def on_inventory_seen(*, hypervisor_id: UUID, domains: tuple[Domain, ...], **_: Any) -> None:
    """A host was listed."""
    inventory.inventory_apply(hypervisor_id=hypervisor_id, domains=domains)


@receiver(domain_seen)
def on_domain_seen(*, hypervisor_id: UUID, domain: Domain, **_: Any) -> None:
    """A domain changed."""
    inventory.domain_apply(hypervisor_id=hypervisor_id, domain=domain)


@receiver(domain_vanished)
def on_domain_vanished(*, hypervisor_id: UUID, domain_uuid: UUID, **_: Any) -> None:
    """A domain is gone."""
    inventory.domain_remove(hypervisor_id=hypervisor_id, domain_uuid=domain_uuid)


@receiver(host_reached)
def on_host_reached(*, hypervisor_id: UUID, **_: Any) -> None:
    """A host may be asked about its guests, and relieved of what their first boots were told."""
    guests_refresh(hypervisor_id)
    seeds_end(hypervisor_id=hypervisor_id)


@receiver(hypervisor_state_changed)
def on_hypervisor_state_changed(*, hypervisor_id: UUID, state: str, since: dt.datetime, **_: Any) -> None:
    """A host is away, or back."""
    inventory.host_state_apply(hypervisor_id=hypervisor_id, state=state, since=since)


@receiver(host_sampled)
def on_host_sampled(*, hypervisor_id: UUID, block: Block, **_: Any) -> None:
    """A host was sampled: open graphs go on."""
    live.publish_samples(hypervisor_id=hypervisor_id, block=block)


@receiver(hypervisor_moved)
def on_hypervisor_moved(*, site_id: UUID, old_site_id: UUID, **_: Any) -> None:
    """A host stands at another site: the staff of both look again at what is theirs."""
    live.publish_site_change(old_site_id, site_id)


@receiver(operation_changed)
def on_operation_changed(*, operation: Operation, **_: Any) -> None:
    """An operation of a VM, a disk or an image moved: pages show it."""
    target = _TARGETS.get(operation.target_type)
    if target is None:
        return
    if target is Vm and operation.finished_at is not None:
        inventory.differences_refresh(operation.target_id)
    site = "site_id" if target is Image else "hypervisor__site_id"
    site_id = target._default_manager.filter(pk=operation.target_id).values_list(site, flat=True).first()
    message = {
        "type": "operation",
        "id": str(operation.pk),
        "kind": operation.kind,
        "state": operation.state,
        "target": str(operation.target_id),
    }
    live.publish_operation(message=message, project_id=operation.project_id, site_id=site_id)


@receiver(access_revoked)
def on_access_revoked(*, user_id: UUID | None = None, session_digest: str = "", **_: Any) -> None:
    """Somebody lost access: their open pages look at once whether they may go on."""
    if session_digest:
        publish(live.login_group(session_digest), {"type": "live.check"})
    if user_id is not None:
        publish(live.user_group(user_id), {"type": "live.check"})


@register_audit_scope
def audit_of_managed_vms(user: User) -> Q:
    """Staff see what is done to the VMs on the hosts that they manage."""
    return audit_targets("vm", vms_managed_by(user))


@register_scope
def operations_at_managed_hosts(user: User) -> Q:
    """Staff see the operations of the VMs on hosts that they manage, and of the images at their sites."""
    if not user.is_staff:
        return Q(pk__in=())
    vms = Q(target_type=Vm._meta.model_name, target_id__in=vms_managed_by(user).values("pk"))
    disks = Q(target_type=Disk._meta.model_name, target_id__in=kept_disks_for(user).order_by().values("pk"))
    return vms | disks | Q(target_type=Image._meta.model_name, target_id__in=images_at_sites_of(user).values("pk"))
