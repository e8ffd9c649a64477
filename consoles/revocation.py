"""Ends live consoles when the apps below announce that access is gone."""

from __future__ import annotations

import uuid
from typing import Any

from django.dispatch import receiver
from django.utils.translation import gettext as _
from eve_agent.wire.close import CloseCode

from accounts.signals import access_revoked
from common.publish import publish
from hypervisors.signals import hypervisor_moved, hypervisor_removed
from vms.signals import vm_deleted, vm_moved

from . import groups


@receiver(access_revoked)
def on_access_revoked(
    *,
    user_id: uuid.UUID | None = None,
    session_digest: str = "",
    token_id: uuid.UUID | None = None,
    project_id: uuid.UUID | None = None,
    site_id: uuid.UUID | None = None,
    reason: str = "",
    **_kwargs: Any,
) -> None:
    """A login, a token, a membership or a whole user is gone."""
    ended = groups.end_message(CloseCode.ACCESS_ENDED, reason)
    if session_digest:
        publish(groups.login_group(session_digest), ended)
    if token_id is not None:
        publish(groups.token_group(token_id), ended)
    if user_id is not None:
        narrow = bool(session_digest or token_id or project_id or site_id)
        publish(groups.user_group(user_id), groups.check_message() if narrow else ended)


@receiver(vm_deleted)
def on_vm_deleted(*, vm_id: uuid.UUID, **_kwargs: Any) -> None:
    """The VM is gone."""
    publish(groups.vm_group(vm_id), groups.end_message(CloseCode.VM_GONE))


@receiver(vm_moved)
def on_vm_moved(*, vm_id: uuid.UUID, **_kwargs: Any) -> None:
    """The VM has another project: only those who are in it too may stay."""
    publish(groups.vm_group(vm_id), groups.check_message())


@receiver(hypervisor_moved)
def on_hypervisor_moved(*, hypervisor_id: uuid.UUID, **_kwargs: Any) -> None:
    """The host stands at another site: staff who are limited to the old one may stay no longer."""
    publish(groups.hypervisor_group(hypervisor_id), groups.check_message())


@receiver(hypervisor_removed)
def on_hypervisor_removed(*, hypervisor_id: uuid.UUID, reason: str = "", **_kwargs: Any) -> None:
    """The host is not Eve's any more, or has to be reached anew: it enrolled again."""
    words = (
        _("The host was enrolled anew: what was open there has to be opened again.")
        if reason == "enrolled"
        else _("The host was removed.")
    )
    publish(groups.hypervisor_group(hypervisor_id), groups.end_message(CloseCode.HOST_AWAY, words))
