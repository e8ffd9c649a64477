"""A real cloud image, from its upload to a guest that has booted: what only an agent in a guest can show."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.driver.libvirt.watchdog import watchdogs
from eve_agent.errors import DomainOff, GuestRefused, NoGuestAgent
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.guest import AddressSource
from eve_agent.wire.spec import DiskSlot, ResourcesChange
from eve_agent.wire.storage import ImageFormat, SeedSpec

from deploy.local.demo_guest import DemoGuestError
from tests.agent.driver.making import MAC, MIB, POOL, Shop, nic, spec
from tests.agent.driver.rig import LibvirtRig, until
from tests.services.cloud_image import cloud_image_ensure

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

T = TypeVar("T")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0q6Z4h1k9x1o5i0m8Yc5uXG7yP0Qq3m5v4n2b1c0d9 tester"
USER_DATA = f"""#cloud-config
hostname: web-one
users:
  - name: debian
    lock_passwd: true
    shell: /bin/bash
    ssh_authorized_keys: ["{KEY}"]
"""
SOURCES = str(Path("agent/src").resolve())
BOOT_SECONDS = 400.0
"""Emulated, on a machine that has other things to do."""


@dataclass
class Guest:
    """A booted guest, and what makes it so."""

    rig: LibvirtRig
    shop: Shop
    domain: Domain
    serial: bytes

    @property
    def driver(self) -> LibvirtDriver:
        return self.rig.driver

    async def run(self, *command: str) -> str:
        """What a command in the guest prints."""
        begun = await self._ask("guest-exec", {"path": command[0], "arg": command[1:], "capture-output": True})
        async with asyncio.timeout(60):
            while True:
                status = await self._ask("guest-exec-status", {"pid": begun["pid"]})
                if status["exited"]:
                    return base64.b64decode(status.get("out-data", "")).decode()
                await asyncio.sleep(0.2)

    async def is_frozen(self) -> bool:
        return await self._ask("guest-fsfreeze-status", {}) == "frozen"

    async def _ask(self, command: str, arguments: dict[str, Any]) -> Any:
        text = json.dumps({"execute": command, "arguments": arguments})
        return json.loads(await self.rig.virsh("qemu-agent-command", str(self.domain.uuid), text))["return"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest(request: pytest.FixtureRequest) -> AsyncIterator[Guest]:
    """One guest for all tests here: emulated, it takes a minute or more to boot."""
    image_path = await asyncio.to_thread(cloud_image_ensure)
    rig = LibvirtRig(request.getfixturevalue("libvirt_sandbox"))
    await rig.driver.start()
    await rig.make_network()
    shop = Shop(rig.driver)
    image = await shop.image(await asyncio.to_thread(image_path.read_bytes), declared=ImageFormat.QCOW2)
    disk = await shop.disk(size_mib=4096, image=image)
    wanted = spec(
        disk,
        vcpus_max=2,
        memory_bytes=512 * MIB,
        memory_max_bytes=768 * MIB,
        disks=(DiskSlot(disk_uuid=disk, pool=POOL, boot_order=1),),
        nics=(nic(),),
        seed_pool=POOL,
    )
    seed = SeedSpec(user_data=USER_DATA, meta_data=meta_of(wanted.uuid))
    await rig.driver.make_seed(POOL, wanted.uuid, seed)
    await rig.driver.define_domain(wanted)
    domain = await rig.driver.change_state(wanted.uuid, StateAction.START)
    serial = await _serial_until(rig, wanted.uuid, b"web-one login:")
    yield Guest(rig, shop, domain, serial)
    await rig.driver.close()
    await asyncio.to_thread(rig.sandbox.remove_all)


async def _serial_until(rig: LibvirtRig, domain: uuid.UUID, text: bytes) -> bytes:
    """What the guest writes to its serial port until it has written `text`."""
    port = os.open((await rig.virsh("ttyconsole", str(domain))).strip(), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    seen, deadline = b"", time.monotonic() + BOOT_SECONDS
    try:
        while text not in seen:
            assert time.monotonic() < deadline, seen[-3000:].decode(errors="replace")
            try:
                seen += os.read(port, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.2)
    finally:
        os.close(port)
    return seen


async def shut_down(guest: Guest) -> None:
    """Asks it until it is off."""
    await until(lambda: guest.driver.is_up)
    async with asyncio.timeout(120):
        while (await guest.driver.domain(guest.domain.uuid)).state is not DomainState.OFF:
            with contextlib.suppress(DomainOff):  # it went off between the look and the request
                await guest.driver.change_state(guest.domain.uuid, StateAction.SHUTDOWN)
            await asyncio.sleep(2)


def meta_of(vm: uuid.UUID) -> str:
    """The seed's meta-data."""
    return f"instance-id: {vm}\nlocal-hostname: web-one\n"


async def until_told(guest: Guest):
    """What the guest's agent tells, once it runs."""
    await until(lambda: guest.driver.is_up)
    async with asyncio.timeout(BOOT_SECONDS):
        while True:
            told = await guest.driver.guest_info(guest.domain.uuid)
            if told.has_agent and told.addresses:
                return told
            await asyncio.sleep(0.5)


async def test_it_asks_for_a_login_under_the_name_of_its_seed_and_lets_the_key_in(guest: Guest):
    told = await until_told(guest)

    assert b"web-one login:" in guest.serial
    assert told.host_name == "web-one"
    assert told.os_id == "debian"
    assert told.os_name.startswith("Debian GNU/Linux")
    assert await guest.run("/usr/bin/cat", "/home/debian/.ssh/authorized_keys") == f"{KEY}\n"
    assert "4G" in await guest.run("/usr/bin/lsblk", "-dno", "SIZE", "/dev/vda")
    (address,) = [found for found in told.addresses if found.mac == MAC and ":" not in found.address]
    assert (address.address.rpartition(".")[0], address.prefix, address.source) == (
        "192.168.222",
        24,
        AddressSource.AGENT,
    )


async def test_devices_come_and_go_while_it_runs(guest: Guest):
    await until_told(guest)
    disk, mac = await guest.shop.disk(), "52:54:00:12:34:57"
    await guest.driver.attach_disk(guest.domain.uuid, DiskSlot(disk_uuid=disk, pool=POOL))
    await guest.driver.attach_nic(guest.domain.uuid, nic(mac))
    await guest.driver.grow_disk(guest.domain.uuid, disk, 64 * MIB)

    assert "64M" in await guest.run("/usr/bin/lsblk", "-dno", "SIZE", "/dev/vdb")
    assert mac in await guest.run("/usr/sbin/ip", "link")

    assert all(found.uuid != disk for found in (await guest.driver.detach_disk(guest.domain.uuid, disk)).disks)
    assert [card.mac for card in (await guest.driver.detach_nic(guest.domain.uuid, mac)).nics] == [MAC]
    assert (await guest.driver.delete_disk(POOL, disk)).was_there


async def test_memory_and_processors_change_while_it_runs(guest: Guest):
    await until_told(guest)

    status = await guest.driver.change_resources(guest.domain.uuid, ResourcesChange(vcpus=2, memory_bytes=640 * MIB))

    assert status.next_start.memory_bytes == 640 * MIB
    assert status.live is not None
    assert status.live.vcpus == 2
    async with asyncio.timeout(60):
        while (now := await guest.driver.domain(guest.domain.uuid)).memory_bytes != 640 * MIB:  # noqa: ASYNC110  (its balloon takes its time)
            await asyncio.sleep(0.2)
    assert now.next_start is None
    deadline = time.monotonic() + 30
    while not (used := (await guest.driver.stats()).domains[0].memory_used_bytes):
        assert time.monotonic() < deadline, "its memory is never told"
        await asyncio.sleep(0.2)  # libvirt passes over a guest that is busy
    assert used < 640 * MIB


async def test_a_password_is_set(guest: Guest):
    await until_told(guest)
    before = await guest.run("/usr/bin/getent", "shadow", "debian")

    await guest.driver.set_password(guest.domain.uuid, "debian", 'correct horse\'s "battery"')

    after = await guest.run("/usr/bin/getent", "shadow", "debian")
    assert before != after
    assert after.startswith("debian:$")
    with pytest.raises(GuestRefused):
        await guest.driver.set_password(guest.domain.uuid, "nobody-at-all", "secret")


async def test_a_freeze_is_thawed(guest: Guest):
    await until_told(guest)
    frozen = await guest.driver.freeze(guest.domain.uuid, 60)
    assert frozen.is_frozen
    assert frozen.filesystems >= 1
    assert await guest.is_frozen()
    assert (await guest.driver.freeze(guest.domain.uuid, 60)).thaws_at == frozen.thaws_at

    thawed = await guest.driver.thaw(guest.domain.uuid)

    assert not thawed.is_frozen
    assert not await guest.is_frozen()
    assert not (await guest.driver.thaw(guest.domain.uuid)).is_frozen
    assert watchdogs.ends_at(guest.domain.uuid) is None


FREEZE_AND_DIE = """
import asyncio, os, signal, sys, uuid
from eve_agent.driver.libvirt import LibvirtDriver
async def main():
    driver = LibvirtDriver(sys.argv[1])
    await driver.start()
    frozen = await driver.freeze(uuid.UUID(sys.argv[2]), 20)
    print(frozen.is_frozen, frozen.thaws_at.timestamp(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_a_freeze_ends_though_the_agent_was_killed_and_libvirtd_too(guest: Guest):
    await until_told(guest)
    command = [sys.executable, "-c", FREEZE_AND_DIE, guest.rig.sandbox.uri, str(guest.domain.uuid)]
    process = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "PYTHONPATH": SOURCES}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    is_frozen, thaws_at = said.split()
    assert is_frozen == b"True"
    assert process.returncode == -signal.SIGKILL
    assert await guest.is_frozen()

    await guest.rig.go_away()
    await asyncio.sleep(float(thaws_at) + 1 - time.time())
    await guest.rig.come_back()

    await until_said(guest.is_frozen, wanted=lambda is_frozen: not is_frozen)


SLOW_TO_FREEZE = """
printf '#!/bin/sh\\n[ "$1" = thaw ] || sleep 15\\n' > /usr/local/sbin/write-much
chmod 755 /usr/local/sbin/write-much
mkdir -p /etc/qemu
printf '[general]\\nfsfreeze-hook=/usr/local/sbin/write-much\\n' > /etc/qemu/qemu-ga.conf
systemd-run --on-active=5 --timer-property=AccuracySec=1 /usr/bin/systemctl restart qemu-guest-agent
"""
"""Its agent, started anew, takes longer to freeze than anybody waits for it."""
AGENT_PID = ("/usr/bin/systemctl", "show", "--property=MainPID", "qemu-guest-agent")


async def test_a_guest_that_freezes_when_nobody_waits_for_it_any_more_is_thawed(guest: Guest):
    await until_told(guest)
    before = await guest.run(*AGENT_PID)
    await guest.run("/bin/sh", "-c", SLOW_TO_FREEZE)
    await until_said(guest.run, *AGENT_PID, wanted=lambda pid: pid != before)

    with pytest.raises(NoGuestAgent):
        await guest.driver.freeze(guest.domain.uuid, 30)

    assert watchdogs.ends_at(guest.domain.uuid) is None
    await until_said(guest.is_frozen, wanted=lambda is_frozen: is_frozen)
    await until_said(guest.is_frozen, wanted=lambda is_frozen: not is_frozen)


async def until_said(ask: Callable[..., Awaitable[T]], *words: str, wanted: Callable[[T], bool]) -> None:
    """Asks the guest's agent, which may not answer meanwhile, until it says that."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(DemoGuestError):
                if wanted(await ask(*words)):
                    return
            await asyncio.sleep(0.5)


async def test_later_boots_know_it_without_what_the_first_one_was_told(guest: Guest):
    await until_told(guest)
    keys = await guest.run("/usr/bin/sha256sum", "/etc/ssh/ssh_host_ed25519_key", "/home/debian/.ssh/authorized_keys")
    assert keys.count("\n") == 2
    later = SeedSpec(user_data="#cloud-config\npreserve_hostname: true\n", meta_data=meta_of(guest.domain.uuid))
    await guest.driver.make_seed(POOL, guest.domain.uuid, later)
    (disk,) = [found.uuid for found in guest.domain.disks if found.uuid]
    await guest.driver.grow_disk(guest.domain.uuid, disk, 5 * 1024 * MIB)

    await shut_down(guest)
    await guest.driver.change_state(guest.domain.uuid, StateAction.START)
    await _serial_until(guest.rig, guest.domain.uuid, b"web-one login:")

    assert (await until_told(guest)).host_name == "web-one"
    assert keys == await guest.run(
        "/usr/bin/sha256sum", "/etc/ssh/ssh_host_ed25519_key", "/home/debian/.ssh/authorized_keys"
    )
    assert "5G" in await guest.run("/usr/bin/lsblk", "-dno", "SIZE", "/dev/vda1")


async def test_without_its_agent_its_address_is_known_by_its_lease(guest: Guest):
    await until_told(guest)
    await guest.run("/usr/bin/systemd-run", "--on-active=1", "/usr/bin/systemctl", "stop", "qemu-guest-agent")
    async with asyncio.timeout(60):
        while (told := await guest.driver.guest_info(guest.domain.uuid)).has_agent:  # noqa: ASYNC110  (a condition of the world outside, which tells nobody)
            await asyncio.sleep(0.5)

    assert {(found.mac, found.source) for found in told.addresses} == {
        (MAC, AddressSource.LEASE)
    }  # it may have asked twice


async def test_it_is_asked_to_shut_down_at_last(guest: Guest):
    await shut_down(guest)
