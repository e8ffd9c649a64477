"""Hears what the apps below announce: the watcher of hosts, operations, accounts."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.dispatch import receiver
from eve_agent.wire.domain import Domain

from accounts.models import AuditEvent
from accounts.places import register_place
from accounts.signals import access_revoked, event_recorded
from common.publish import publish
from hypervisors.metrics.recorder import Block
from hypervisors.signals import (
    domain_seen,
    domain_vanished,
    host_reached,
    host_sampled,
    hypervisor_edited,
    hypervisor_moved,
    hypervisor_state_changed,
    inventory_seen,
)
from operations.models import ACTIVE_STATES, Operation
from operations.signals import operation_changed

from . import inventory, live
from .guests import guests_refresh
from .imaging import copies_settle
from .models import Disk, Image, Vm
from .services.seeds import seeds_end

_TOLD: Final = {str(model._meta.model_name) for model in (Vm, Disk, Image)}
"""Pages show the operations of these."""


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
    """A host may be asked about its guests, and relieved of what their first boots were told and of copies that came to nothing."""
    guests_refresh(hypervisor_id)
    seeds_end(hypervisor_id=hypervisor_id)
    copies_settle(hypervisor_id=hypervisor_id)


@receiver(hypervisor_state_changed)
def on_hypervisor_state_changed(*, hypervisor_id: UUID, state: str, since: dt.datetime, **_: Any) -> None:
    """A host is away, or back."""
    inventory.host_state_apply(hypervisor_id=hypervisor_id, state=state, since=since)


@receiver(hypervisor_edited)
def on_hypervisor_edited(*, hypervisor_id: UUID, site_id: UUID, state: str, **_: Any) -> None:
    """A host came, is other than it was, or is gone: pages of hosts show it."""
    live.announce_host(hypervisor_id=hypervisor_id, site_id=site_id, state=state)


@receiver(host_sampled)
def on_host_sampled(*, hypervisor_id: UUID, block: Block, **_: Any) -> None:
    """A host was sampled: open graphs go on."""
    live.publish_samples(hypervisor_id=hypervisor_id, block=block)


@receiver(hypervisor_moved)
def on_hypervisor_moved(*, hypervisor_id: UUID, site_id: UUID, old_site_id: UUID, **_: Any) -> None:
    """A host stands at another site: what is under way goes with it, and the staff of both look again at what is theirs."""
    moved = Q(target_id__in=Vm.objects.filter(hypervisor_id=hypervisor_id).values("pk"))
    moved |= Q(target_id__in=Disk.objects.filter(hypervisor_id=hypervisor_id).values("pk"))
    Operation.objects.filter(moved, state__in=ACTIVE_STATES).update(site_uuid=site_id)
    live.publish_site_change(old_site_id, site_id)


@receiver(operation_changed)
def on_operation_changed(*, operation: Operation, **_: Any) -> None:
    """An operation of a VM, a disk or an image moved: pages show it."""
    if operation.target_type not in _TOLD:
        return
    if operation.target_type == Vm._meta.model_name and operation.finished_at is not None:
        inventory.differences_refresh(operation.target_id)
    message = {
        "type": "operation",
        "id": str(operation.pk),
        "kind": operation.kind,
        "state": operation.state,
        "target": str(operation.target_id),
    }
    live.publish_operation(message=message, project_id=operation.project_id, site_id=operation.site_uuid)
    if _is_of_public_image(operation) and operation.finished_at is not None:
        live.publish_public_image(operation.target_id)


@receiver(event_recorded)
def on_event_recorded(*, event: AuditEvent, **_: Any) -> None:
    """Somebody did something: pages that list it, or show what it changed, are told."""
    if event.actor_id or event.project_id or event.site_uuid:
        live.publish_event(event)
    if _is_of_public_image(event):
        live.publish_public_image(UUID(event.target_id))


def _is_of_public_image(what: Operation | AuditEvent) -> bool:
    return what.target_type == Image._meta.model_name and what.project_id is None


@receiver(access_revoked)
def on_access_revoked(*, user_id: UUID | None = None, session_digest: str = "", **_: Any) -> None:
    """Somebody lost access: their open pages look at once whether they may go on."""
    if session_digest:
        publish(live.login_group(session_digest), {"type": "live.check"})
    if user_id is not None:
        publish(live.user_group(user_id), {"type": "live.check"})


@register_place(Vm)
@register_place(Disk)
def place_of_what_is_on_a_host(lies: Vm | Disk) -> UUID:
    """Its host's site."""
    return lies.hypervisor.site_id


@register_place(Image)
def place_of_image(image: Image) -> UUID:
    """The site that has it."""
    return image.site_id
