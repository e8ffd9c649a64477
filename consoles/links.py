"""What changes guest links, and lets guests in."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any, Final

from django.db.models import F
from django.utils import timezone
from eve_agent.wire.close import CloseCode

from accounts.models import User
from accounts.services import audit_record
from common.publish import publish_on_commit
from common.secrets import digest_of, new_secret
from common.sentences import gettext as _
from vms.models import Vm
from vms.services.machines import require_operator

from . import notices
from .errors import GuestNameMissing, LinkEnded, TooManyLinks
from .guests import MAX_NAME, Guest, guest_remember
from .models import ConsoleMode, GuestLink
from .selectors import link_by_secret, link_lives

LEAST_SECONDS: Final = 300
MOST_SECONDS: Final = 30 * 24 * 3600
DEFAULT_SECONDS: Final = 24 * 3600
MAX_LIVING: Final = 20
"""As many links of one VM live at once."""


def link_create(
    *,
    vm: Vm,
    user: User,
    label: str = "",
    mode: ConsoleMode = ConsoleMode.VIEW,
    ttl_seconds: int = DEFAULT_SECONDS,
) -> tuple[str, GuestLink]:
    """A link to the VM's screen, and its secret, which is kept nowhere.

    Raises:
        vms.errors.ActionNotAllowed: the user may only look.
        TooManyLinks: there are enough.
    """
    require_operator(user, vm, action="guest_link.create")
    now = timezone.now()
    if GuestLink.objects.filter(vm=vm, revoked_at=None, expires_at__gt=now).count() >= MAX_LIVING:
        raise TooManyLinks(
            _("%(name)s has %(limit)d guest links already. Revoke one that is not needed.")
            % {"name": vm.name, "limit": MAX_LIVING}
        )
    secret = new_secret()
    link = GuestLink.objects.create(
        vm=vm,
        created_by=user,
        label=_line(label, 100),
        digest=digest_of(secret),
        mode=mode,
        expires_at=now + dt.timedelta(seconds=min(max(ttl_seconds, LEAST_SECONDS), MOST_SECONDS)),
    )
    _audit(
        "guest_link.create", link, actor=user, detail={"mode": mode.value, "expires_at": link.expires_at.isoformat()}
    )
    return secret, link


def link_revoke(*, link: GuestLink, user: User) -> GuestLink:
    """From now on it opens nothing, and what it opened ends. Revoking again does nothing. Raises ActionNotAllowed."""
    require_operator(user, link.vm, action="guest_link.revoke")
    now = timezone.now()
    if not GuestLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=now, revoked_by=user):
        return link
    link.revoked_at, link.revoked_by = now, user
    _audit("guest_link.revoke", link, actor=user)
    publish_on_commit(
        notices.GROUP,
        notices.end_notice(notices.link_topic(link.pk), CloseCode.ACCESS_ENDED, _("The guest link was revoked.")),
    )
    return link


def guest_enter(*, secret: str, name: str, session: Any) -> Guest:
    """Lets a visitor in who has the link's secret and gives a name: their session may open the screen from now on.

    Raises:
        LinkEnded: it opens nothing (any more); nothing is said of why.
        GuestNameMissing: a guest has to say who they are.
    """
    link = link_by_secret(secret)
    if link is None or not link_lives(link):
        raise LinkEnded(_("It was revoked, has expired, or was not copied whole. Ask who gave it to you for another."))
    name = _line(name, MAX_NAME)
    if not name:
        raise GuestNameMissing(_("Say who you are: those who work on this machine see the name."))
    guest = Guest(link, name)
    guest_remember(session, guest)
    GuestLink.objects.filter(pk=link.pk).update(last_used_at=timezone.now(), uses=F("uses") + 1)
    _audit("guest_link.enter", link, actor_label=guest.label)
    return guest


def _audit(action: str, link: GuestLink, *, detail: dict[str, Any] | None = None, **who: Any) -> None:
    more = {"link": str(link.pk), "label": link.label, **(detail or {})}
    audit_record(action=action, target=link.vm, project=link.vm.project, detail=more, **who)


def _line(text: str, most: int) -> str:
    """One line without control and direction characters."""
    seen = "".join(" " if unicodedata.category(character) in _UNSEEN else character for character in text)
    return " ".join(seen.split())[:most].strip()


_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
