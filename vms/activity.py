"""What happened, in sentences: audit events of a project's VMs, images and kept disks, as its members may read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import AuditEvent, AuditOutcome, User
from accounts.selectors import projects_for
from common.sentences import gettext as _
from common.sentences import gettext_lazy

from .models import Vm
from .operation_lines import DISK, IMAGE, VM, urls_of
from .selectors import vms_managed_by

GUEST = "guest: "
"""How the label of who has no account begins."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a feed."""

    icon: str
    text: SafeString
    at: dt.datetime
    is_bad: bool


_WORDS: Final[dict[str, tuple[str, Promise, Promise]]] = {
    # action: icon, how it is told, how it is told when it failed
    "vm.create": ("plus", gettext_lazy("{who} made {vm}"), gettext_lazy("{who} could not make {vm}")),
    "vm.delete": ("trash", gettext_lazy("{who} deleted {vm}"), gettext_lazy("{who} could not delete {vm}")),
    "vm.guest_password": (
        "key",
        gettext_lazy("{who} set a password in {vm}"),
        gettext_lazy("{who} could not set a password in {vm}"),
    ),
    "vm.guest_freeze": (
        "player-pause",
        gettext_lazy("{who} froze the file systems of {vm}"),
        gettext_lazy("{who} could not freeze the file systems of {vm}"),
    ),
    "vm.guest_thaw": (
        "player-play",
        gettext_lazy("{who} thawed the file systems of {vm}"),
        gettext_lazy("{who} could not thaw the file systems of {vm}"),
    ),
    "vm.rescue": (
        "lifebuoy",
        gettext_lazy("{who} started a rescue system in {vm}"),
        gettext_lazy("{who} could not start a rescue system in {vm}"),
    ),
    "vm.rescue_end": (
        "lifebuoy",
        gettext_lazy("{who} ended the rescue of {vm}"),
        gettext_lazy("{who} could not end the rescue of {vm}"),
    ),
    "vm.reinstall": (
        "refresh",
        gettext_lazy("{who} reinstalled {vm}"),
        gettext_lazy("{who} could not reinstall {vm}"),
    ),
    "vm.seed_end": (
        "key",
        gettext_lazy("{who} deleted from its host what the first boot of {vm} was told"),
        gettext_lazy("{who} could not delete from its host what the first boot of {vm} was told"),
    ),
    "vm.clone": ("copy", gettext_lazy("{who} made {vm} as a copy"), gettext_lazy("{who} could not make {vm}")),
    "vm.template": (
        "photo",
        gettext_lazy("{who} made an image of {vm}"),
        gettext_lazy("{who} could not make an image of {vm}"),
    ),
    "vm.settings": (
        "edit",
        gettext_lazy("{who} changed the settings of {vm}"),
        gettext_lazy("{who} could not change the settings of {vm}"),
    ),
    "vm.boot": (
        "edit",
        gettext_lazy("{who} changed what {vm} boots from"),
        gettext_lazy("{who} could not change what {vm} boots from"),
    ),
    "vm.resize": (
        "cpu",
        gettext_lazy("{who} changed the size of {vm}"),
        gettext_lazy("{who} could not change the size of {vm}"),
    ),
    "vm.disk_add": (
        "database",
        gettext_lazy("{who} added a disk to {vm}"),
        gettext_lazy("{who} could not add a disk to {vm}"),
    ),
    "vm.disk_grow": (
        "database",
        gettext_lazy("{who} made a disk of {vm} larger"),
        gettext_lazy("{who} could not make a disk of {vm} larger"),
    ),
    "vm.disk_remove": (
        "database",
        gettext_lazy("{who} took a disk from {vm}"),
        gettext_lazy("{who} could not take a disk from {vm}"),
    ),
    "vm.disk_detach": (
        "database",
        gettext_lazy("{who} took a disk from {vm} and kept it"),
        gettext_lazy("{who} could not take a disk from {vm}"),
    ),
    "vm.disk_attach": (
        "database",
        gettext_lazy("{who} attached a kept disk to {vm}"),
        gettext_lazy("{who} could not attach a kept disk to {vm}"),
    ),
    "vm.nic_add": (
        "network",
        gettext_lazy("{who} added a network card to {vm}"),
        gettext_lazy("{who} could not add a network card to {vm}"),
    ),
    "vm.nic_remove": (
        "network",
        gettext_lazy("{who} took a network card from {vm}"),
        gettext_lazy("{who} could not take a network card from {vm}"),
    ),
    "vm.cd": (
        "disc",
        gettext_lazy("{who} changed the disc of {vm}"),
        gettext_lazy("{who} could not change the disc of {vm}"),
    ),
    "vm.snapshot": (
        "camera",
        gettext_lazy("{who} made a snapshot of {vm}"),
        gettext_lazy("{who} could not make a snapshot of {vm}"),
    ),
    "vm.snapshot_revert": (
        "history",
        gettext_lazy("{who} took {vm} back to a snapshot"),
        gettext_lazy("{who} could not take {vm} back to a snapshot"),
    ),
    "vm.snapshot_delete": (
        "camera",
        gettext_lazy("{who} deleted a snapshot of {vm}"),
        gettext_lazy("{who} could not delete a snapshot of {vm}"),
    ),
    "vm.start": ("player-play", gettext_lazy("{who} started {vm}"), gettext_lazy("{who} could not start {vm}")),
    "vm.shutdown": (
        "power",
        gettext_lazy("{who} asked {vm} to shut down"),
        gettext_lazy("{who} could not ask {vm} to shut down"),
    ),
    "vm.stop": ("plug", gettext_lazy("{who} pulled the plug on {vm}"), gettext_lazy("{who} could not stop {vm}")),
    "vm.reboot": (
        "refresh",
        gettext_lazy("{who} asked {vm} to reboot"),
        gettext_lazy("{who} could not ask {vm} to reboot"),
    ),
    "vm.reset": ("rotate-clockwise", gettext_lazy("{who} reset {vm}"), gettext_lazy("{who} could not reset {vm}")),
    "vm.suspend": ("player-pause", gettext_lazy("{who} paused {vm}"), gettext_lazy("{who} could not pause {vm}")),
    "vm.resume": ("player-play", gettext_lazy("{who} resumed {vm}"), gettext_lazy("{who} could not resume {vm}")),
    "vm.adopt": ("plus", gettext_lazy("{who} took {vm} into the project"), gettext_lazy("{who} could not adopt {vm}")),
    "vm.move": ("folder", gettext_lazy("{who} moved {vm} between projects"), gettext_lazy("{who} could not move {vm}")),
    "vm.forget": (
        "trash",
        gettext_lazy("{who} removed the missing {vm} from Eve"),
        gettext_lazy("{who} could not forget {vm}"),
    ),
    "vm.update": ("edit", gettext_lazy("{who} changed the remarks of {vm}"), gettext_lazy("{who} may not change {vm}")),
    "vm.accept_drift": (
        "git-compare",
        gettext_lazy("{who} accepted what the host has of {vm}"),
        gettext_lazy("{who} could not accept what the host has of {vm}"),
    ),
    "vm.restore": (
        "refresh",
        gettext_lazy("{who} had {vm} restored as agreed"),
        gettext_lazy("{who} could not have all of {vm} restored"),
    ),
    "guest_link.create": (
        "link",
        gettext_lazy("{who} made a guest link to the screen of {vm}"),
        gettext_lazy("{who} may not make a guest link to {vm}"),
    ),
    "guest_link.revoke": (
        "link",
        gettext_lazy("{who} revoked a guest link to the screen of {vm}"),
        gettext_lazy("{who} may not revoke guest links to {vm}"),
    ),
    "screenshot.take": (
        "photo",
        gettext_lazy("{who} kept a picture of the screen of {vm}"),
        gettext_lazy("{who} may not keep pictures of the screen of {vm}"),
    ),
    "screenshot.delete": (
        "photo",
        gettext_lazy("{who} deleted a picture of the screen of {vm}"),
        gettext_lazy("{who} may not delete pictures of the screen of {vm}"),
    ),
    "console.open": (
        "terminal-2",
        gettext_lazy("{who} opened the console of {vm}"),
        gettext_lazy("{who} got no console of {vm}"),
    ),
    "console.close": (
        "terminal-2",
        gettext_lazy("{who} left the console of {vm}"),
        gettext_lazy("The console of {vm} ended"),
    ),
    "console.mode": (
        "keyboard",
        gettext_lazy("{who} changed who has the keyboard of {vm}"),
        gettext_lazy("{who} may not change who has the keyboard of {vm}"),
    ),
    "console.type": (
        "keyboard",
        gettext_lazy("{who} had text typed at {vm}"),
        gettext_lazy("{who} may not type at {vm}"),
    ),
    "console.cut": (
        "ban",
        gettext_lazy("{who} ended a console of {vm}"),
        gettext_lazy("{who} could not end a console of {vm}"),
    ),
    "image.create": (
        "photo",
        gettext_lazy("{who} began to send the image {image}"),
        gettext_lazy("{who} may not add the image {image}"),
    ),
    "image.fetch": (
        "photo",
        gettext_lazy("{who} had the image {image} fetched"),
        gettext_lazy("{who} could not have the image {image} fetched"),
    ),
    "image.check": (
        "photo",
        gettext_lazy("{who} sent the image {image}"),
        gettext_lazy("The image {image}, which {who} sent, was not accepted"),
    ),
    "image.take": (
        "photo",
        gettext_lazy("{who} made the image {image} from a file of a pool"),
        gettext_lazy("{who} could not make the image {image} from a file of a pool"),
    ),
    "image.update": (
        "edit",
        gettext_lazy("{who} changed name or remarks of the image {image}"),
        gettext_lazy("{who} may not change the image {image}"),
    ),
    "image.delete": (
        "trash",
        gettext_lazy("{who} deleted the image {image}"),
        gettext_lazy("{who} could not delete the image {image}"),
    ),
    "disk.delete": (
        "trash",
        gettext_lazy("{who} deleted a kept disk"),
        gettext_lazy("{who} could not delete a kept disk"),
    ),
}


def events_for(user: User) -> QuerySet[AuditEvent]:
    """What happened in the user's projects, the newest first."""
    return _told().filter(project__in=projects_for(user))


def events_of(user: User, vm: Vm) -> QuerySet[AuditEvent]:
    """What happened to that VM, as far as the user may know: since it came to its project; all for who manages its host."""
    events = _told().filter(target_type=VM, target_id=str(vm.pk))
    if user.is_staff and vms_managed_by(user).filter(pk=vm.pk).exists():
        return events
    return events.filter(project=vm.project)


def entries(events: Iterable[AuditEvent], *, reader: User | None = None) -> list[Entry]:
    """These events in sentences. The names of VMs and images that still exist for `reader` lead to their pages."""
    rows = list(events)
    urls = urls_of(reader, ((row.target_type, UUID(row.target_id)) for row in rows)) if reader else {}
    return [_entry(row, urls.get(UUID(row.target_id), "")) for row in rows]


def _told() -> QuerySet[AuditEvent]:
    told = AuditEvent.objects.filter(target_type__in=(VM, IMAGE, DISK), action__in=_WORDS)
    return told.select_related("actor").order_by("-at", "id")


def _of_old(label: str) -> str:
    """Who it was where there is no such user: one who was deleted, by their address, a guest by their name; else Eve or her command line."""
    return label if "@" in label or label.startswith(GUEST) else _("Eve")


def _entry(event: AuditEvent, url: str) -> Entry:
    icon, told, failed = _WORDS[event.action]
    is_bad = event.outcome != AuditOutcome.SUCCESS
    who = event.actor.name if event.actor else _of_old(event.actor_label)
    name = format_html("<bdi>{}</bdi>", event.target_label)
    if url:
        name = format_html('<a href="{}">{}</a>', url, name)
    words = str(failed if is_bad else told)
    text = format_html(words, who=format_html("<b><bdi>{}</bdi></b>", who), vm=name, image=name)
    return Entry(icon="alert-triangle" if is_bad else icon, text=text, at=event.at, is_bad=is_bad)
