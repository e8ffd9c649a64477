"""Makes or deletes a machine in a process that is killed before its n-th effect, whatever that is; ``tests.services.mortal`` runs it.

It finds its kill points itself: every file that is renamed, removed or opened for writing, every program that is started (both by
Python's audit hooks), and every call into libvirt but those that only look. It says what it would have done next and dies by
SIGKILL; without an n-th effect it comes to its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from collections.abc import Callable
from typing import Any

import libvirt
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.wire.domain import StateAction
from eve_agent.wire.spec import DiskSlot, DomainDelete, DomainSpec, PoolDisk
from eve_agent.wire.storage import DiskSpec

from tests.agent.driver.making import MIB, POOL, SEED
from tests.services.mortal import Say

_LOOKING = (
    *("UUID", "XMLDesc", "autostart", "info", "is", "list", "lookup", "name", "state", "get", "storage", "domainList"),
    *("_", "domain", "connect", "close", "ref", "c_pointer", "setKeepAlive", "register", "unregister", "network"),
)
_EFFECTS = {"os.rename", "os.remove", "subprocess.Popen"}


class Countdown:
    """Ends the process before the effect that it was told."""

    def __init__(self, effects: int, say: Say) -> None:
        self.left = effects
        self.say = say
        self.is_armed = False

    def effect(self, name: str) -> None:
        if self.is_armed:
            self.left -= 1
            if self.left < 0:
                self.say(f"killed before {name}")
                os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in _EFFECTS or is_write:
            self.effect(f"{event} {arguments[0]}")


def instrument(countdown: Countdown) -> None:
    """Counts every call of libvirt that may change something."""

    def counted(cls: type, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            countdown.effect(f"{cls.__name__}.{name}")
            return method(self, *arguments, **named)

        return call

    for cls in (libvirt.virConnect, libvirt.virDomain, libvirt.virStoragePool):
        for name, method in list(vars(cls).items()):
            if callable(method) and not name.startswith(_LOOKING):
                setattr(cls, name, counted(cls, name, method))


async def make(driver: LibvirtDriver, image: uuid.UUID, disk: uuid.UUID, vm: uuid.UUID) -> None:
    """As Eve makes one."""
    await driver.make_disk(POOL, disk, DiskSpec(size_bytes=32 * MIB, image_uuid=image))
    await driver.make_seed(POOL, vm, SEED)
    await driver.define_domain(
        DomainSpec(
            uuid=vm,
            name="mortal",
            vcpus=1,
            memory_bytes=64 * MIB,
            disks=(DiskSlot(disk_uuid=disk, pool=POOL),),
            seed_pool=POOL,
            is_autostarted=True,
            operation_id=vm,
        )
    )
    await driver.change_state(vm, StateAction.START)


async def delete(driver: LibvirtDriver, _image: uuid.UUID, disk: uuid.UUID, vm: uuid.UUID) -> None:
    """As Eve deletes one."""
    await driver.delete_domain(vm, DomainDelete(disks=(PoolDisk(pool=POOL, disk_uuid=disk),), seed_pool=POOL))


async def _begin(say: Say, uri: str, what: str, effects: int, ids: tuple[uuid.UUID, ...]) -> None:
    countdown = Countdown(effects, say)
    instrument(countdown)
    sys.addaudithook(countdown.audit)
    driver = LibvirtDriver(uri)
    await driver.start()
    countdown.is_armed = True
    await {"make": make, "delete": delete}[what](driver, *ids)
    countdown.is_armed = False
    await driver.close()


def begin(say: Say, uri: str, what: str, effects: int, ids: tuple[uuid.UUID, ...]) -> None:
    """Does it, up to there."""
    asyncio.run(_begin(say, uri, what, effects, ids))
