"""Who is watching: the live sessions of a VM, for those who may see it, and of a staff member's sites."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from django.db.models import Q, QuerySet

from accounts.models import Membership, Role, User
from common.lists import Choices
from common.publish import publish_on_commit
from common.sentences import gettext_lazy as _
from vms import live
from vms.models import Vm
from vms.selectors import vms_managed_by

from .models import ConsoleMode, ConsoleSession
from .selectors import live_sessions, may_control

CONSOLES: Final = Choices(
    placeholder=_("VM or who"),
    find=lambda text: Q(vm_name__icontains=text) | Q(user_label__icontains=text) | Q(user__name__icontains=text),
    groups={
        "control": (_("With the keyboard"), Q(mode=ConsoleMode.CONTROL)),
        "view": (_("Looking only"), Q(mode=ConsoleMode.VIEW)),
        "guests": (_("Guests"), Q(link__isnull=False)),
    },
    sorts={
        "new": (_("Latest first"), ("-started_at", "id")),
        "old": (_("Longest first"), ("started_at", "id")),
        "who": (_("By who"), ("user_label", "-started_at", "id")),
        "vm": (_("By virtual machine"), ("vm_name", "-started_at", "id")),
        "sent": (_("Most sent first"), ("-bytes_to_viewer", "id")),
    },
)
"""How the list of a staff member's sites can be searched, narrowed and sorted."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """One live session, as somebody else may know it."""

    session: uuid.UUID
    name: str
    kind: str
    mode: str
    since: dt.datetime
    is_own: bool
    may_end: bool
    """Whether who asks may end it."""
    may_get_control: bool
    """Whether who asks may give it the keyboard: it has not, and its user's role allows it."""
    may_lose_control: bool
    is_guest: bool


def viewers_of(user: User, vm: Vm) -> list[Viewer]:
    """Everybody at the VM's consoles now, who came first first. The VM is one that `user` may see."""
    sessions = list(live_sessions().filter(vm=vm).select_related("user", "link").order_by("started_at", "id"))
    if not sessions:
        return []
    is_operator = may_control(user, vm)
    able = _able_to_control(vm, sessions)
    return [
        Viewer(
            session=session.pk,
            name=viewer_name(session),
            kind=session.kind,
            mode=session.mode,
            since=session.started_at,
            is_own=session.user_id == user.pk,
            may_end=is_operator or session.user_id == user.pk,
            may_get_control=is_operator and session.mode == ConsoleMode.VIEW and session.pk in able,
            may_lose_control=is_operator and session.mode == ConsoleMode.CONTROL and session.user_id != user.pk,
            is_guest=session.link_id is not None,
        )
        for session in sessions
    ]


def sessions_managed_by(user: User) -> QuerySet[ConsoleSession]:
    """The live sessions at VMs on hosts that the staff member manages."""
    found = live_sessions().filter(vm__in=vms_managed_by(user))
    return found.select_related("user", "vm__project", "vm__hypervisor__site")


def viewer_name(session: ConsoleSession) -> str:
    """As people call who watches."""
    return session.user.name or session.user_label if session.user else session.user_label


def session_may_control(session: ConsoleSession) -> bool:
    """Whether the session may be given the keyboard."""
    return session.vm is not None and session.pk in _able_to_control(session.vm, [session])


def announce(vm: Vm) -> None:
    """Tells the pages that show who is watching, once the transaction is committed."""
    message = {"type": "live.message", "message": {"type": "viewers", "id": str(vm.pk)}}
    for group in (live.project_group(vm.project_id), live.site_group(vm.hypervisor.site_id)):
        publish_on_commit(group, message)


def _able_to_control(vm: Vm, sessions: Iterable[ConsoleSession]) -> set[uuid.UUID]:
    """Which of the sessions may have the keyboard, with one query for all but staff."""
    users = {session.user.pk: session.user for session in sessions if session.user is not None}
    operators = set(
        Membership.objects.filter(
            project_id=vm.project_id, user__in=users, role__in=(Role.OPERATOR, Role.OWNER)
        ).values_list("user_id", flat=True)
    )
    operators |= {key for key, user in users.items() if user.is_staff and may_control(user, vm)}
    guests = {session.pk for session in sessions if session.link and session.link.mode == ConsoleMode.CONTROL}
    return guests | {session.pk for session in sessions if session.user_id in operators}
