"""Pictures of screens for lists and pages: small, fresh, and few at a time."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.cache import cache

from common.sentences import gettext_lazy as _
from hypervisors.client import AgentClient
from hypervisors.models import HypervisorState
from hypervisors.screenshots import screenshot_png

from .errors import NoPicture, VmHostAway
from .facts import is_off
from .models import Vm, VmState

FRESH_SECONDS = 2
"""Everybody who looks at a VM within that time gets the same picture."""
WAIT_SECONDS = 10.0
AT_A_TIME = 4
"""As many pictures one process fetches at a time, so that slow hosts cannot take all its threads."""
WITH_SCREEN = frozenset({VmState.RUNNING, VmState.PAUSED, VmState.SHUTTING_DOWN, VmState.CRASHED})
"""In which states there may be a picture of the screen."""


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture of a VM's screen that was kept."""

    url: str
    """Of a small one."""
    taken_at: dt.datetime


LastPictures = Callable[[Sequence[Vm]], Mapping[UUID, KeptPicture]]

_last_pictures: list[LastPictures] = []


def has_screen(vm: Vm) -> bool:
    """Whether there may be a picture of its screen. One that crashed has none where its QEMU is gone, too."""
    return vm.state in WITH_SCREEN and not (vm.state == VmState.CRASHED and is_off(vm.facts))


def register_last_pictures(find: LastPictures) -> LastPictures:
    """For the app above that keeps pictures: `find` tells the last one of each of these VMs that has any, with one query."""
    _last_pictures.append(find)
    return find


def last_pictures(vms: Sequence[Vm]) -> dict[UUID, KeptPicture]:
    """What was seen last of those VMs that have no screen to show just now."""
    dark = [vm for vm in vms if not has_screen(vm)]
    found: dict[UUID, KeptPicture] = {}
    for find in _last_pictures:
        if dark:
            found.update(find(dark))
    return found


_fetching = threading.BoundedSemaphore(AT_A_TIME)
_one_a_vm = tuple(threading.Lock() for _each in range(64))


def screen_png(vm: Vm) -> bytes:
    """The VM's screen now, as a PNG that Eve itself encoded.

    Raises:
        NoPicture: it has no screen in its state.
        VmHostAway: its host cannot be asked, or too much is being asked just now.
        hypervisors.errors.AgentError: the host did not give one.
    """
    if vm.hypervisor.state != HypervisorState.ONLINE:
        raise VmHostAway(_("Host %(host)s does not answer just now.") % {"host": vm.hypervisor.name})
    if not has_screen(vm):
        raise NoPicture(_("%(name)s is not running, so its screen shows nothing.") % {"name": vm.name}, state=vm.state)
    key = f"vms.screen.{vm.pk}"
    lock = _one_a_vm[hash(vm.pk) % len(_one_a_vm)]
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise _busy()
    try:
        kept = cache.get(key)
        if isinstance(kept, bytes):
            return kept
        if not _fetching.acquire(timeout=WAIT_SECONDS):
            raise _busy()
        try:
            picture = _fetch(vm)
        finally:
            _fetching.release()
        cache.set(key, picture, FRESH_SECONDS)
        return picture
    finally:
        lock.release()


def _busy() -> VmHostAway:
    return VmHostAway(_("Many pictures are being fetched just now. Try again in a moment."), retry_after=5)


def _fetch(vm: Vm) -> bytes:
    with AgentClient(vm.hypervisor) as agent:
        content_type, data = agent.screenshot(vm.pk)
    return screenshot_png(content_type, data)
