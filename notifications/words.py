"""Events in words, in the language of whoever reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise

from common.sentences import END, ISOLATE, gettext_lazy, is_shown
from common.sentences import gettext as _
from vms.operation_lines import KINDS
from vms.quotas import LIMITS, amount_words
from vms.states import DOING, WATCHDOG

from .models import Event, Kind


@dataclass(frozen=True, slots=True)
class Told:
    """An event as people read it."""

    icon: str
    title: str
    text: str
    is_bad: bool
    path: str
    """Of the page to look at."""

    @property
    def url(self) -> str:
        """That page's whole address."""
        return f"{settings.PUBLIC_URL}{self.path}"


ERRORS: Final[Mapping[str, Promise]] = {
    "address_refused": gettext_lazy("the address leads inside the network, or is no https address"),
    "not_reached": gettext_lazy("nothing answers at the address"),
    "tls": gettext_lazy("its certificate is not trusted, or is of another name"),
    "too_slow": gettext_lazy("no answer within ten seconds"),
    "too_much": gettext_lazy("what it answered was no end of headers"),
    "no_answer": gettext_lazy("it hung up without an answer"),
    "redirect": gettext_lazy("it answered with a redirect, which is not followed"),
    "status": gettext_lazy("it answered with an error"),
    "mail": gettext_lazy("the mail server did not take it"),
    "too_many": gettext_lazy("too much was waiting already"),
    "not_known": gettext_lazy("nobody who may know it answers for it any more, or it is switched off"),
    "broken": gettext_lazy("Eve cannot read its secret any more: make a new one"),
}
"""Why a delivery did not go well, by code."""


def told(event: Event) -> Told:
    """The event in words."""
    return _WORDS[Kind(event.kind)](event)


def mail_of(event: Event) -> tuple[str, str]:
    """Subject and text of the mail that tells it. No name in the subject is longer than a line, or has more than one."""
    words = told(event)
    subject = _("[Eve] %(title)s") % {"title": _one_line(words.title)}
    place = _("Project: %(name)s") % {"name": event.project.name} if event.project else ""
    where = _("Look at it: %(url)s") % {"url": words.url}
    why = _("You get this mail since you chose so. Choose otherwise: %(url)s") % {
        "url": f"{settings.PUBLIC_URL}{reverse('notification-choices')}"
    }
    parts = [words.title, words.text, place, where, f"-- \n{why}"]
    return subject, "\n\n".join(part for part in parts if part) + "\n"


def _operation_failed(event: Event) -> Told:
    kind = event.detail.get("kind", "")
    doing = DOING.get(kind) or KINDS.get(kind) or _("A change of")
    names = {"doing": doing, "name": event.target_label}
    detail = str(event.detail.get("detail", ""))
    return Told("alert-triangle", _("%(doing)s %(name)s failed") % names, detail, True, _path_of(event))


def _vm_crashed(event: Event) -> Told:
    if event.detail.get("reason") == WATCHDOG:
        title = _("%(name)s hung") % {"name": event.target_label}
        text = _("Its watchdog stopped it, because the guest hung. Look at its screen, then resume or reset it.")
        return Told("alert-triangle", title, text, True, _path_of(event))
    title = _("%(name)s has crashed") % {"name": event.target_label}
    text = _("The guest or QEMU failed; its disks are untouched. Look at its screen and logs, then start or reset it.")
    return Told("alert-triangle", title, text, True, _path_of(event))


def _quota_near(event: Event) -> Told:
    what, used, limit = event.detail["what"], event.detail["used"], event.detail["limit"]
    names = {
        "project": event.target_label,
        "what": LIMITS[what],
        "used": amount_words(what, used),
        "limit": amount_words(what, limit),
    }
    if used >= limit:
        title = _("%(project)s has used up its %(what)s") % names
    else:
        title = _("%(project)s has nearly used up its %(what)s") % names
    text = _(
        "%(used)s of %(limit)s are in use. What would need more is refused: delete something, or ask the staff for a larger quota."
    )
    return Told("gauge", title, text % names, used >= limit, _path_of(event))


def _host_away(event: Event) -> Told:
    names = {
        "name": event.target_label,
        "since": _moment(event.detail.get("since", "")),
        "now": event.detail.get("reason", ""),
    }
    if event.is_over:
        title = _("Host %(name)s answers again") % names
        return Told("circle-check", title, _("It has done so since %(since)s.") % names, False, _path_of(event))
    titles = {
        "libvirt_down": _("libvirt on host %(name)s does not answer"),
        "rejected": _("Host %(name)s is not trusted"),
        "online": _("Host %(name)s comes and goes"),
    }
    title = titles.get(event.detail.get("state", ""), _("Host %(name)s does not answer")) % names
    text = _("It began at %(since)s. %(now)s Its machines may well run, but Eve does not see them.") % names
    return Told("cloud-off", title, " ".join(text.split()), True, _path_of(event))


def _certificate_ends(event: Event) -> Told:
    names = {"name": event.target_label, "end": _moment(event.detail["ends_at"])}
    end = parse_datetime(event.detail["ends_at"])
    if end is not None and end <= event.at:
        title = _("The certificate of host %(name)s has ended") % names
    else:
        title = _("The certificate of host %(name)s ends soon") % names
    text = _(
        "It is good until %(end)s, and was not renewed by itself. Look whether the host answers; if it does not get another one "
        "in time, enrol it again. Running machines are not affected."
    )
    return Told("certificate", title, text % names, True, _path_of(event))


def _test(event: Event) -> Told:
    title = _("A test of the webhook %(name)s") % {"name": event.target_label}
    return Told(
        "bell", title, _("Nothing has happened: somebody wanted to see whether it arrives."), False, _path_of(event)
    )


_WORDS: Final[Mapping[Kind, Callable[[Event], Told]]] = {
    Kind.OPERATION_FAILED: _operation_failed,
    Kind.VM_CRASHED: _vm_crashed,
    Kind.QUOTA_NEAR: _quota_near,
    Kind.HOST_AWAY: _host_away,
    Kind.CERTIFICATE_ENDS: _certificate_ends,
    Kind.TEST: _test,
}
_PAGES: Final[Mapping[str, str]] = {
    "vm": "vm-detail",
    "hypervisor": "manage-hypervisor",
    "project": "project-detail",
    "image": "image-detail",
    "webhook": "webhook",
}


def _path_of(event: Event) -> str:
    name = _PAGES.get(event.target_type)
    return reverse(name, args=[event.target_id]) if name else reverse("activity")


def _moment(text: str) -> str:
    moment: dt.datetime | None = parse_datetime(text) if text else None
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M %Z") if moment else "–"


def _one_line(text: str) -> str:
    line = "".join(character if is_shown(character) or character in (ISOLATE, END) else " " for character in text)
    return " ".join(line.split())[:150]
