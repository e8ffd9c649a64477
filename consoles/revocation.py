"""Ends live consoles, and texts that are typed, when the apps below announce that access is gone."""

from __future__ import annotations

import uuid
from typing import Any

from django.dispatch import receiver
from eve_agent.wire.close import CloseCode

from accounts.signals import access_revoked
from common.publish import publish
from common.sentences import gettext as _
from hypervisors.signals import hypervisor_moved, hypervisor_removed
from vms.signals import vm_deleted, vm_moved

from . import notices
from .models import Typing
from .typings import typings_disown, typings_look_soon


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
    topics = []
    if session_digest:
        topics.append(notices.login_topic(session_digest))
    if token_id is not None:
        topics.append(notices.token_topic(token_id))
    if user_id is not None:
        publish(notices.GROUP, notices.check_notice(notices.maker_topic(user_id)))
        if topics or project_id or site_id:
            publish(notices.GROUP, notices.check_notice(notices.user_topic(user_id)))
        else:
            topics.append(notices.user_topic(user_id))
    for topic in topics:
        publish(notices.GROUP, notices.end_notice(topic, CloseCode.ACCESS_ENDED, reason))
    typings = Typing.objects.filter(user=user_id) if user_id is not None else Typing.objects.all()
    if user_id is not None and not (session_digest or token_id or project_id or site_id):
        typings_disown(typings)
    typings_look_soon(typings)


@receiver(vm_deleted)
def on_vm_deleted(*, vm_id: uuid.UUID, **_kwargs: Any) -> None:
    """The VM is gone."""
    publish(notices.GROUP, notices.end_notice(notices.vm_topic(vm_id), CloseCode.VM_GONE))


@receiver(vm_moved)
def on_vm_moved(*, vm_id: uuid.UUID, **_kwargs: Any) -> None:
    """The VM has another project: only those who are in it too may stay."""
    publish(notices.GROUP, notices.check_notice(notices.vm_topic(vm_id)))
    typings_look_soon(Typing.objects.filter(vm=vm_id))


@receiver(hypervisor_moved)
def on_hypervisor_moved(*, hypervisor_id: uuid.UUID, **_kwargs: Any) -> None:
    """The host stands at another site: staff who are limited to the old one may stay no longer."""
    publish(notices.GROUP, notices.check_notice(notices.hypervisor_topic(hypervisor_id)))
    typings_look_soon(Typing.objects.filter(vm__hypervisor=hypervisor_id))


@receiver(hypervisor_removed)
def on_hypervisor_removed(*, hypervisor_id: uuid.UUID, reason: str = "", **_kwargs: Any) -> None:
    """The host is not Eve's any more, or has to be reached anew: it enrolled again."""
    words = (
        _("The host was enrolled anew: what was open there has to be opened again.")
        if reason == "enrolled"
        else _("The host was removed.")
    )
    publish(notices.GROUP, notices.end_notice(notices.hypervisor_topic(hypervisor_id), CloseCode.HOST_AWAY, words))
