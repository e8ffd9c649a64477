"""What open pages are told: which groups there are, and what is said in them.

Messages name what changed and its state; a page fetches anew what it shows of it, so that nothing that a user may not see is
ever sent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import AuditEvent
from common.publish import publish
from hypervisors.metrics.blocks import pack
from hypervisors.metrics.recorder import Block

from .signals import vm_state_changed, vm_states_written

CHANGES = "live.changes"
"""Which groups were told something, for :mod:`vms.changes`."""


def project_group(project_id: UUID) -> str:
    """Everybody who looks at that project's VMs."""
    return f"live.project.{project_id}"


def site_group(site_id: UUID) -> str:
    """Staff who look at that site."""
    return f"live.site.{site_id}"


def user_group(user_id: UUID) -> str:
    """All open pages of a user."""
    return f"live.user.{user_id}"


def login_group(session_digest: str) -> str:
    """All open pages of a login session."""
    return f"live.login.{session_digest}"


def staff_group() -> str:
    """Staff of every site, for what lies at none."""
    return "live.staff"


def public_group() -> str:
    """Everybody, for public images."""
    return "live.public"


def samples_group(hypervisor_id: UUID) -> str:
    """All open graphs of a host and of the VMs on it."""
    return f"live.samples.{hypervisor_id}"


def tell(groups: Iterable[str], message: Mapping[str, Any]) -> None:
    """Tells the open pages of these groups, now."""
    _publish({group: {"type": "live.message", "message": message} for group in groups})


def _publish(messages: Mapping[str, Mapping[str, Any]]) -> None:
    """Each group its message; first, to who remembers it, that these are told something."""
    if not messages:
        return
    publish(CHANGES, {"type": "live.changes", "groups": list(messages)})
    for group, message in messages.items():
        publish(group, message)


@dataclass(frozen=True, slots=True)
class VmChange:
    """That a VM is other than it was."""

    vm_id: UUID
    project_id: UUID
    site_id: UUID
    state: str
    is_new_state: bool = True
    before: str = ""
    """The state that it had when it was last known; empty where nobody asks."""


def announce(changes: Iterable[VmChange]) -> None:
    """Tells the pages and the apps above, once the transaction is committed. One message a group, however many VMs."""
    kept = tuple(changes)
    if written := tuple((change.vm_id, change.state) for change in kept if change.is_new_state):
        vm_states_written.send(sender=VmChange, vms=written)
    if kept:
        transaction.on_commit(partial(_announce, kept), robust=True)


def _announce(changes: tuple[VmChange, ...]) -> None:
    by_group: dict[str, list[dict[str, str]]] = defaultdict(list)
    for change in changes:
        message = {"id": str(change.vm_id), "state": change.state}
        by_group[project_group(change.project_id)].append(message)
        by_group[site_group(change.site_id)].append(message)
    _publish({group: {"type": "live.vms", "vms": messages} for group, messages in by_group.items()})
    for change in changes:
        if change.is_new_state:
            vm_state_changed.send_robust(sender=VmChange, vm_id=change.vm_id, state=change.state, before=change.before)


def announce_drift(site_id: UUID) -> None:
    """Tells the site's staff that something differs from what is agreed, or no longer."""
    transaction.on_commit(partial(tell, [site_group(site_id)], {"type": "drift"}))


def announce_host(*, hypervisor_id: UUID, site_id: UUID, state: str) -> None:
    """Tells the site's staff about a host."""
    message = {"type": "host", "id": str(hypervisor_id), "state": state}
    transaction.on_commit(partial(tell, [site_group(site_id)], message))


def publish_samples(*, hypervisor_id: UUID, block: Block) -> None:
    """Hands the minute so far to the websockets of open graphs, now: one message a host. Each picks what its page shows."""
    message = {"type": "live.samples", "began_at": int(block.began_at.timestamp()), "payload": pack(block.series)}
    publish(samples_group(hypervisor_id), message)


def publish_site_change(*site_ids: UUID) -> None:
    """Tells the staff of these sites, now, that they may see other hosts and VMs than before."""
    tell(map(site_group, site_ids), {"type": "access"})


def publish_event(event: AuditEvent) -> None:
    """Tells, now, whom an audit event concerns: the members of its project, the staff of its site, whose own it is."""
    groups = {site_group(event.site_uuid) if event.site_uuid else staff_group()}
    if event.project_id:
        groups.add(project_group(event.project_id))
    elif event.actor_id:
        groups.add(user_group(event.actor_id))
    if event.target_type == "user":
        groups.add(user_group(UUID(event.target_id)))
    message = {"type": "event", "what": event.action.partition(".")[0], "target": event.target_id}
    tell(groups, message)


def publish_public_image(image_id: UUID) -> None:
    """Tells everybody, now, that a public image came, is other than it was, or is gone."""
    tell([public_group()], {"type": "image", "id": str(image_id)})


def publish_operation(*, message: dict[str, Any], project_id: UUID | None, site_id: UUID | None) -> None:
    """Tells a project and a site about an operation, now."""
    groups = [project_group(project_id)] if project_id else []
    groups += [site_group(site_id)] if site_id else []
    tell(groups, message)
