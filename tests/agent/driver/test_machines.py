"""Machines are made, changed and deleted: what every driver promises, on the fake and on real libvirt and QEMU."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from eve_agent.errors import (
    BeyondHost,
    DeviceNotFound,
    DomainExists,
    DomainNotFound,
    ImageInUse,
    ImageNotFound,
    NameTaken,
    NetworkNotFound,
    NotMadeByEve,
    PoolNotFound,
    VolumeInUse,
    VolumeMismatch,
    VolumeNotFound,
)
from eve_agent.wire import codec
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.jobs import JobState
from eve_agent.wire.spec import DiskBus, DiskSlot, DomainDelete, Firmware, NicModel, PoolDisk, ResourcesChange
from eve_agent.wire.storage import DiskSpec, ImageCopy, ImageFormat, VolumeKind

from tests.agent.driver.making import MAC, MIB, POOL, SEED, Shop, disc, nic, qcow2, spec
from tests.agent.driver.rig import EventLog, LibvirtRig, Rig
from tests.services.root import as_root

OTHER_MAC = "52:54:00:12:34:99"


@pytest.fixture
def shop(rig: Rig) -> Shop:
    return Shop(rig.driver)


def without_capacities(machine: Domain) -> Domain:
    """A machine but for its disks' capacities, which are learnt some time after it is known."""
    return dataclasses.replace(
        machine, disks=tuple(dataclasses.replace(disk, capacity_bytes=0) for disk in machine.disks)
    )


async def test_from_an_image_to_a_running_machine_and_away_again(shop: Shop, rig: Rig, log: EventLog, tmp_path: Path):
    await rig.make_network()
    image = await shop.image(qcow2(tmp_path))
    disk = await shop.disk(size_mib=64, image=image)
    wanted = spec(
        disk,
        title='Zoë’s <web> & "more"',
        vcpus_max=2,
        memory_max_bytes=256 * MIB,
        disks=(DiskSlot(disk_uuid=disk, pool=POOL, boot_order=1),),
        nics=(nic(),),
        seed_pool=POOL,
    )
    await rig.driver.make_seed(POOL, wanted.uuid, SEED)

    defined = await rig.driver.define_domain(wanted)

    assert (defined.uuid, defined.name, defined.title) == (wanted.uuid, "web", wanted.title)
    assert (defined.state, defined.is_made_by_eve, defined.next_start) == (DomainState.OFF, True, None)
    assert (defined.vcpus, defined.vcpus_max) == (1, 2)
    assert (defined.memory_bytes, defined.memory_max_bytes) == (128 * MIB, 256 * MIB)
    assert [(found.uuid, found.boot_order) for found in defined.disks if found.device == "disk"] == [(disk, 1)]
    assert len([found for found in defined.disks if found.device == "cdrom"]) == 2
    assert [(card.mac, card.kind, card.source, card.model) for card in defined.nics] == [
        (MAC, "network", "default", "virtio")
    ]
    assert [display.is_exposed for display in defined.graphics] == [False]
    assert defined.has_serial
    assert codec.decode(Domain, codec.encode(defined)) == defined
    assert without_capacities(await rig.driver.define_domain(wanted)) == without_capacities(defined)
    await log.wait_for_state(wanted.uuid, DomainState.OFF)

    assert (await rig.driver.change_state(wanted.uuid, StateAction.START)).state is DomainState.RUNNING
    assert (await rig.driver.define_domain(wanted)).state is DomainState.RUNNING
    with pytest.raises(VolumeInUse, match="web"):
        await rig.driver.delete_disk(POOL, disk)
    with pytest.raises(ImageInUse):
        await shop.images.delete(POOL, image)

    gone = DomainDelete(disks=(PoolDisk(pool=POOL, disk_uuid=disk),), seed_pool=POOL)
    assert (await rig.driver.delete_domain(wanted.uuid, gone)).was_there
    assert not (await rig.driver.delete_domain(wanted.uuid, gone)).was_there
    with pytest.raises(DomainNotFound):
        await rig.driver.domain(wanted.uuid)
    assert (await shop.images.delete(POOL, image)).was_there
    assert await rig.driver.volumes(POOL) == ()


async def test_volumes_are_told_by_what_they_are(shop: Shop, rig: Rig, tmp_path: Path):
    image = await shop.image(qcow2(tmp_path))
    thin, empty, vm = await shop.disk(image=image), await shop.disk(), uuid.uuid4()
    await rig.driver.make_seed(POOL, vm, SEED)

    found = {volume.uuid: volume for volume in await rig.driver.volumes(POOL)}

    assert {key: volume.kind for key, volume in found.items()} == {
        image: VolumeKind.IMAGE,
        thin: VolumeKind.DISK,
        empty: VolumeKind.DISK,
        vm: VolumeKind.SEED,
    }
    assert (found[thin].backing, found[empty].backing) == (f"{image}.img", "")
    assert found[thin].capacity_bytes == 32 * MIB
    assert 0 < found[thin].allocation_bytes < 2 * MIB
    (pool,) = [pool for pool in await rig.driver.pools() if pool.name == POOL]
    assert (pool.kind, pool.is_active, pool.is_usable) == ("dir", True, True)
    assert 0 < pool.available_bytes <= pool.capacity_bytes


async def test_a_disk_is_made_once_and_grown(shop: Shop, rig: Rig, tmp_path: Path):
    image = await shop.image(qcow2(tmp_path, size_mib=16))
    disk = uuid.uuid4()
    wanted = DiskSpec(size_bytes=32 * MIB, image_uuid=image)

    made = await rig.driver.make_disk(POOL, disk, wanted)

    assert (made.size_bytes, made.image_uuid) == (32 * MIB, image)
    assert await rig.driver.make_disk(POOL, disk, wanted) == made == await rig.driver.disk(POOL, disk)
    grown = await rig.driver.make_disk(POOL, disk, DiskSpec(size_bytes=48 * MIB, image_uuid=image))
    assert grown.size_bytes == 48 * MIB
    assert (await rig.driver.make_disk(POOL, disk, wanted)).size_bytes == 48 * MIB
    with pytest.raises(VolumeMismatch, match="another image"):
        await rig.driver.make_disk(POOL, disk, DiskSpec(size_bytes=48 * MIB))
    with pytest.raises(VolumeMismatch, match="at least 16 MiB"):
        await rig.driver.make_disk(POOL, uuid.uuid4(), DiskSpec(size_bytes=8 * MIB, image_uuid=image))
    with pytest.raises(ImageNotFound):
        await rig.driver.make_disk(POOL, uuid.uuid4(), DiskSpec(size_bytes=8 * MIB, image_uuid=uuid.uuid4()))
    assert (await rig.driver.delete_disk(POOL, disk)).was_there
    assert not (await rig.driver.delete_disk(POOL, disk)).was_there
    with pytest.raises(VolumeNotFound):
        await rig.driver.disk(POOL, disk)


async def test_an_image_is_made_of_a_disk(shop: Shop, rig: Rig, tmp_path: Path):
    source = await shop.disk(size_mib=24, image=await shop.image(qcow2(tmp_path)))
    machine = await shop.machine(source)
    image, operation = uuid.uuid4(), uuid.uuid4()
    wanted = ImageCopy(operation_id=operation, disk_uuid=source, volume="")

    await rig.driver.change_state(machine.uuid, StateAction.START)
    with pytest.raises(VolumeInUse, match="web"):
        await shop.images.copy(POOL, image, wanted)
    await rig.driver.change_state(machine.uuid, StateAction.STOP)
    await shop.images.copy(POOL, image, wanted)

    assert (await shop.job(operation)).state is JobState.SUCCEEDED
    assert (await shop.images.status(POOL, image)).virtual_bytes == 24 * MIB
    assert (await rig.driver.disk(POOL, await shop.disk(size_mib=24, image=image))).image_uuid == image
    assert (await rig.driver.delete_domain(machine.uuid, DomainDelete(disks=(PoolDisk(POOL, source),)))).was_there
    with pytest.raises(VolumeNotFound):
        await shop.images.copy(POOL, uuid.uuid4(), ImageCopy(operation_id=uuid.uuid4(), disk_uuid=source, volume=""))


async def test_a_copy_of_a_disk_becomes_a_disk_of_its_own(shop: Shop, rig: Rig, tmp_path: Path):
    base = await shop.image(qcow2(tmp_path))
    source, copy, operation = await shop.disk(size_mib=24, image=base), uuid.uuid4(), uuid.uuid4()
    await shop.images.copy(POOL, copy, ImageCopy(operation_id=operation, disk_uuid=source, volume=""))
    assert (await shop.job(operation)).state is JobState.SUCCEEDED
    wanted = DiskSpec(size_bytes=32 * MIB, image_uuid=copy, takes_image=True)

    over = await shop.disk(image=copy)
    with pytest.raises(ImageInUse, match=str(over)):
        await rig.driver.make_disk(POOL, copy, wanted)
    await rig.driver.delete_disk(POOL, over)
    made = [await rig.driver.make_disk(POOL, copy, wanted) for _ in range(2)]
    assert [(disk.size_bytes, disk.image_uuid) for disk in made] == [(32 * MIB, None)] * 2
    with pytest.raises(ImageNotFound):
        await shop.images.status(POOL, copy)
    with pytest.raises(ImageNotFound):
        await rig.driver.make_disk(POOL, uuid.uuid4(), wanted)
    await rig.driver.delete_disk(POOL, source)
    await shop.images.delete(POOL, base)
    machine = await shop.machine(copy)
    assert (await rig.driver.change_state(machine.uuid, StateAction.START)).state is DomainState.RUNNING


async def test_what_is_taken_or_missing_is_refused_and_leaves_nothing(shop: Shop, rig: Rig):
    disk, other = await shop.disk(), await shop.disk()
    await shop.machine(disk, name="first")
    unmarked = await rig.make("foreign", running=False)

    for error, wanted in (
        (NameTaken, spec(other, name="first")),
        (NameTaken, spec(other, name="foreign")),
        (DomainExists, spec(other, uuid=unmarked)),
        (VolumeInUse, spec(disk, name="second")),
        (VolumeNotFound, spec(uuid.uuid4(), name="second")),
        (PoolNotFound, spec(name="second", disks=(DiskSlot(disk_uuid=other, pool="nowhere"),))),
        (VolumeNotFound, spec(other, name="second", seed_pool=POOL)),
        (ImageNotFound, spec(other, name="second", cdrom=disc(uuid.uuid4()))),
        (NetworkNotFound, spec(other, name="second", nics=(nic(source="nowhere"),))),
        (BeyondHost, spec(other, name="second", vcpus=500)),
        (BeyondHost, spec(other, name="second", memory_bytes=2**43)),
    ):
        with pytest.raises(error):
            await rig.driver.define_domain(wanted)
    with pytest.raises(NotMadeByEve, match="foreign"):
        await rig.driver.delete_domain(unmarked, DomainDelete())

    assert {domain.name for domain in await rig.driver.domains()} == {"first", "foreign"}
    assert (await rig.driver.delete_disk(POOL, other)).was_there


async def test_a_disk_that_another_machine_has_is_not_deleted_with_one(shop: Shop, rig: Rig):
    mine, yours = await shop.disk(), await shop.disk()
    first = await shop.machine(mine, name="first")
    await shop.machine(yours, name="second")
    wanted = DomainDelete(disks=(PoolDisk(pool=POOL, disk_uuid=mine), PoolDisk(pool=POOL, disk_uuid=yours)))

    with pytest.raises(VolumeInUse, match="second"):
        await rig.driver.delete_domain(first.uuid, wanted)

    assert (await rig.driver.domain(first.uuid)).name == "first"
    assert (await rig.driver.disk(POOL, mine)).disk_uuid == mine


async def test_a_kept_disk_stays(shop: Shop, rig: Rig):
    disk = await shop.disk()
    machine = await shop.machine(disk)

    await rig.driver.delete_domain(machine.uuid, DomainDelete())

    assert (await rig.driver.disk(POOL, disk)).disk_uuid == disk


@pytest.mark.parametrize("firmware", Firmware)
async def test_firmware_and_devices_for_guests_without_drivers(shop: Shop, rig: Rig, firmware: Firmware):
    await rig.make_network()
    disk = await shop.disk()
    slots = (DiskSlot(disk_uuid=disk, pool=POOL, bus=DiskBus.SATA),)

    made = await shop.machine(firmware=firmware, disks=slots, nics=(nic(model=NicModel.E1000E),), is_autostarted=True)

    assert (made.firmware, made.is_autostarted) == (firmware.value, True)
    assert [found.bus for found in made.disks if found.device == "disk"] == ["sata"]
    assert [card.model for card in made.nics] == ["e1000e"]
    assert (await rig.driver.change_state(made.uuid, StateAction.START)).state is DomainState.RUNNING
    assert (await rig.driver.delete_domain(made.uuid, DomainDelete())).was_there


async def test_resources_of_one_that_is_off(shop: Shop, rig: Rig):
    machine = await shop.machine()

    status = await rig.driver.change_resources(machine.uuid, ResourcesChange(vcpus=2, memory_bytes=192 * MIB))

    assert status.live is None
    assert (status.next_start.vcpus, status.next_start.vcpus_max) == (2, 2)
    assert (status.next_start.memory_bytes, status.next_start.memory_max_bytes) == (192 * MIB, 192 * MIB)
    after = await rig.driver.domain(machine.uuid)
    assert (after.vcpus, after.memory_bytes) == (2, 192 * MIB)
    with pytest.raises(BeyondHost):
        await rig.driver.change_resources(machine.uuid, ResourcesChange(vcpus=500, memory_bytes=192 * MIB))
    with pytest.raises(DomainNotFound):
        await rig.driver.change_resources(uuid.uuid4(), ResourcesChange(vcpus=1, memory_bytes=192 * MIB))


async def test_a_guest_without_a_balloon_is_told_by_what_it_will_start_with(shop: Shop, rig: Rig):
    machine = await shop.machine(memory_max_bytes=256 * MIB)
    running = await rig.driver.change_state(machine.uuid, StateAction.START)

    then = running.next_start or running
    assert (then.memory_bytes, then.memory_max_bytes) == (128 * MIB, 256 * MIB)
    if isinstance(rig, LibvirtRig):  # its firmware has no driver
        assert running.memory_bytes == 256 * MIB


async def test_resources_beyond_a_running_ones_maximum_come_at_its_next_start(shop: Shop, rig: Rig):
    machine = await shop.machine()
    await rig.driver.change_state(machine.uuid, StateAction.START)

    status = await rig.driver.change_resources(machine.uuid, ResourcesChange(vcpus=2, memory_bytes=192 * MIB))

    assert status.live is not None
    assert (status.live.vcpus, status.live.memory_bytes) == (1, 128 * MIB)
    running = await rig.driver.domain(machine.uuid)
    assert running.next_start == status.next_start
    assert (running.vcpus, running.memory_bytes) == (1, 128 * MIB)
    await rig.driver.change_state(machine.uuid, StateAction.STOP)
    off = await rig.driver.domain(machine.uuid)
    assert (off.vcpus, off.memory_bytes, off.next_start) == (2, 192 * MIB, None)


async def test_disks_come_grow_and_go_while_it_is_off(shop: Shop, rig: Rig):
    machine, disk = await shop.machine(), await shop.disk()
    slot = DiskSlot(disk_uuid=disk, pool=POOL)

    for _ in range(2):
        with_disk = await rig.driver.attach_disk(machine.uuid, slot)
        assert [found.target for found in with_disk.disks if found.uuid == disk] == ["vda"]
    for _ in range(2):
        grown = await rig.driver.grow_disk(machine.uuid, disk, 64 * MIB)
        assert [found.capacity_bytes for found in grown.disks if found.uuid == disk] == [64 * MIB]
    with pytest.raises(VolumeMismatch, match="larger only"):
        await rig.driver.grow_disk(machine.uuid, disk, 32 * MIB)
    for _ in range(2):
        without = await rig.driver.detach_disk(machine.uuid, disk)
        assert all(found.uuid != disk for found in without.disks)
    with pytest.raises(DeviceNotFound):
        await rig.driver.grow_disk(machine.uuid, disk, 128 * MIB)
    with pytest.raises(VolumeNotFound):
        await rig.driver.attach_disk(machine.uuid, DiskSlot(disk_uuid=uuid.uuid4(), pool=POOL))
    assert (await rig.driver.disk(POOL, disk)).size_bytes == 64 * MIB


async def test_a_disk_is_attached_and_grown_while_it_runs(shop: Shop, rig: Rig):
    machine, disk = await shop.machine(), await shop.disk()
    await rig.driver.change_state(machine.uuid, StateAction.START)

    attached = await rig.driver.attach_disk(machine.uuid, DiskSlot(disk_uuid=disk, pool=POOL))
    grown = await rig.driver.grow_disk(machine.uuid, disk, 64 * MIB)

    assert [found.uuid for found in attached.disks if found.device == "disk"] == [disk]
    assert [found.capacity_bytes for found in grown.disks if found.uuid == disk] == [64 * MIB]
    with pytest.raises(VolumeInUse):
        await rig.driver.make_disk(POOL, disk, DiskSpec(size_bytes=128 * MIB))
    await rig.driver.change_state(machine.uuid, StateAction.STOP)
    assert [found.uuid for found in (await rig.driver.domain(machine.uuid)).disks if found.device == "disk"] == [disk]


async def test_cards_come_and_go(shop: Shop, rig: Rig):
    await rig.make_network()
    machine = await shop.machine()

    for _ in range(2):
        with_card = await rig.driver.attach_nic(machine.uuid, nic())
        assert [card.mac for card in with_card.nics] == [MAC]
    with pytest.raises(NetworkNotFound, match="nowhere"):
        await rig.driver.attach_nic(machine.uuid, nic("52:54:00:00:00:01", source="nowhere"))
    for _ in range(2):
        assert (await rig.driver.detach_nic(machine.uuid, MAC)).nics == ()


@pytest.mark.parametrize("is_running", [True, False])
async def test_a_disc_is_put_in_and_taken_out(shop: Shop, rig: Rig, tmp_path: Path, is_running: bool):
    image = await shop.image(bytes(2 * MIB), declared=ImageFormat.RAW)
    machine = await shop.machine()
    if is_running:
        await rig.driver.change_state(machine.uuid, StateAction.START)

    for wanted in (image, image, None, None, image):
        changed = await rig.driver.change_cdrom(machine.uuid, disc(wanted))
        assert [found.uuid for found in changed.disks if found.device == "cdrom"] == [wanted]
    with pytest.raises(ImageInUse, match="web"):
        await shop.images.delete(POOL, image)
    with pytest.raises(ImageNotFound):
        await rig.driver.change_cdrom(machine.uuid, disc(uuid.uuid4()))
    await rig.driver.change_cdrom(machine.uuid, disc(None))
    assert (await shop.images.delete(POOL, image)).was_there


async def test_a_seed_is_ejected_with_its_deletion(shop: Shop, rig: Rig):
    wanted = spec(seed_pool=POOL)
    await rig.driver.make_seed(POOL, wanted.uuid, SEED)
    await rig.driver.define_domain(wanted)
    await rig.driver.change_state(wanted.uuid, StateAction.START)

    assert (await rig.driver.delete_seed(POOL, wanted.uuid)).was_there
    assert not (await rig.driver.delete_seed(POOL, wanted.uuid)).was_there

    after = await rig.driver.domain(wanted.uuid)
    assert [found.source for found in after.disks if found.device == "cdrom"] == ["", ""]
    await rig.driver.change_state(wanted.uuid, StateAction.STOP)
    assert (await rig.driver.change_state(wanted.uuid, StateAction.START)).state is DomainState.RUNNING


async def test_a_seed_is_exchanged_under_a_running_guest(shop: Shop, rig: Rig):
    first, later = (dataclasses.replace(SEED, user_data=f"#cloud-config\n# {text}\n") for text in ("secret", "later"))
    wanted = spec(seed_pool=POOL)
    await rig.driver.make_seed(POOL, wanted.uuid, first)
    await rig.driver.define_domain(wanted)
    before = await rig.driver.change_state(wanted.uuid, StateAction.START)
    assert "secret" in await rig.seeds_of(before)

    for _ in range(2):
        await rig.driver.make_seed(POOL, wanted.uuid, later)
        found = await rig.seeds_of(before)
        assert "later" in found
        assert "secret" not in found

    assert without_capacities(await rig.driver.domain(wanted.uuid)).disks == without_capacities(before).disks
    await rig.driver.change_state(wanted.uuid, StateAction.STOP)
    await rig.driver.make_seed(POOL, wanted.uuid, first)
    again = await rig.driver.change_state(wanted.uuid, StateAction.START)
    assert without_capacities(again).disks == without_capacities(before).disks
    assert "secret" in await rig.seeds_of(again)


async def test_an_exchange_that_was_cut_off_is_ended_by_the_next(libvirt_rig: LibvirtRig):
    """Between taking the former disc out and putting the new one in."""
    wanted = spec(seed_pool=POOL)
    await libvirt_rig.driver.make_seed(POOL, wanted.uuid, SEED)
    await libvirt_rig.driver.define_domain(wanted)
    await libvirt_rig.virsh("start", str(wanted.uuid), "--paused")  # a firmware that begins would close the tray
    before = await libvirt_rig.driver.domain(wanted.uuid)
    await libvirt_rig.virsh("change-media", str(wanted.uuid), "sdb", "--eject", "--live")
    await libvirt_rig.virsh("resume", str(wanted.uuid))
    assert await libvirt_rig.seeds_of(before) == ""

    await libvirt_rig.driver.make_seed(
        POOL, wanted.uuid, dataclasses.replace(SEED, user_data="#cloud-config\n# later\n")
    )

    assert "later" in await libvirt_rig.seeds_of(before)
    assert without_capacities(await libvirt_rig.driver.domain(wanted.uuid)).disks == without_capacities(before).disks


async def test_a_tray_that_was_closed_unnoticed_is_opened_again(libvirt_rig: LibvirtRig):
    """The reset with which a firmware begins comes between libvirt's opening a tray and its taking out the disc."""
    shop, later = Shop(libvirt_rig.driver), dataclasses.replace(SEED, user_data="#cloud-config\n# later\n")
    image = await shop.image(bytes(2 * MIB), declared=ImageFormat.RAW)
    wanted = spec(seed_pool=POOL, cdrom=disc(image))
    name = str(wanted.uuid)
    await libvirt_rig.driver.make_seed(POOL, wanted.uuid, SEED)
    await libvirt_rig.driver.define_domain(wanted)
    await libvirt_rig.virsh("start", name, "--paused")
    for drive in await trays_of(libvirt_rig, name):
        await monitor(libvirt_rig, name, "blockdev-open-tray", id=drive)
    await libvirt_rig.virsh("resume", name)
    async with asyncio.timeout(30):
        while any((await trays_of(libvirt_rig, name)).values()):  # noqa: ASYNC110  (of the world outside, which tells nobody)
            await asyncio.sleep(0.1)
    assert (await libvirt_rig.virsh("dumpxml", name)).count("tray='open'") == 2

    without = await libvirt_rig.driver.change_cdrom(wanted.uuid, disc(None))
    await libvirt_rig.driver.make_seed(POOL, wanted.uuid, later)

    assert [found.uuid for found in without.disks] == [None, None]
    assert "later" in await libvirt_rig.seeds_of(without)
    assert not any((await trays_of(libvirt_rig, name)).values())


async def trays_of(rig: LibvirtRig, domain: str) -> dict[str, bool]:
    """Whether QEMU has the tray of each drive open."""
    return {block["qdev"]: block["tray_open"] for block in await monitor(rig, domain, "query-block")}


async def monitor(rig: LibvirtRig, domain: str, command: str, **arguments: str) -> Any:
    """What QEMU returns to a command of its own."""
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(await rig.virsh("qemu-monitor-command", domain, text))["return"]


async def test_boot_order_title_and_autostart(shop: Shop, rig: Rig):
    await rig.make_network()
    disk = await shop.disk()
    machine = await shop.machine(disk, nics=(nic(),))

    for _ in range(2):
        ordered = await rig.driver.set_boot_order(machine.uuid, ("cdrom", str(disk)))
        titled = await rig.driver.set_title(machine.uuid, 'It\'s <new> & "improved"')
        started = await rig.driver.set_autostart(machine.uuid, is_autostarted=True)
        order = {found.device: found.boot_order for found in ordered.disks}
        assert (order, ordered.nics[0].boot_order) == ({"disk": 2, "cdrom": 1}, 0)
        assert (titled.title, started.is_autostarted) == ('It\'s <new> & "improved"', True)
    with pytest.raises(DeviceNotFound, match="floppy"):
        await rig.driver.set_boot_order(machine.uuid, ("floppy",))
    assert (await rig.driver.set_boot_order(machine.uuid, (MAC,))).nics[0].boot_order == 1
    cleared = await rig.driver.set_title(machine.uuid, "")
    assert (cleared.title, (await rig.driver.set_autostart(machine.uuid, is_autostarted=False)).is_autostarted) == (
        "",
        False,
    )


async def test_what_a_running_one_will_start_with_is_told(libvirt_rig: LibvirtRig):
    shop, rig = Shop(libvirt_rig.driver), libvirt_rig
    await rig.make_network()
    first, second = await shop.disk(), await shop.disk()
    machine = await shop.machine(first, second, nics=(nic(),))
    name = str(machine.uuid)
    running = await rig.driver.change_state(machine.uuid, StateAction.START)
    assert (running.next_disks, running.next_nics) == (None, None)

    await rig.virsh("detach-disk", name, "vdb", "--config")
    await rig.virsh("attach-interface", name, "network", "default", "--mac", OTHER_MAC, "--config")

    (told,) = await rig.driver.domains()
    assert told.next_disks is not None
    assert told.next_nics is not None
    assert [disk.uuid for disk in told.disks if disk.device == "disk"] == [first, second]
    assert [disk.uuid for disk in told.next_disks if disk.device == "disk"] == [first]
    assert [card.mac for card in told.nics] == [MAC]
    assert [card.mac for card in told.next_nics] == [MAC, OTHER_MAC]

    mended = await rig.driver.attach_disk(machine.uuid, DiskSlot(disk_uuid=second, pool=POOL))
    assert mended.next_disks is None
    assert [disk.uuid for disk in mended.disks if disk.device == "disk"] == [first, second]
    assert (await rig.driver.detach_nic(machine.uuid, OTHER_MAC)).next_nics is None
    await rig.virsh("detach-disk", name, "vdb", "--config")
    off = await rig.driver.change_state(machine.uuid, StateAction.STOP)
    assert [disk.uuid for disk in off.disks if disk.device == "disk"] == [first]
    assert off.next_disks is None


async def test_a_uefi_machine_that_is_defined_again_has_its_variables(libvirt_rig: LibvirtRig):
    shop, rig = Shop(libvirt_rig.driver), libvirt_rig
    disk = await shop.disk()
    wanted = spec(disk, firmware=Firmware.UEFI)
    await rig.driver.define_domain(wanted)
    await rig.driver.change_state(wanted.uuid, StateAction.START)
    found = re.search(r"/var/lib/libvirt(/\S+_VARS\.fd)", await rig.virsh("dumpxml", str(wanted.uuid)))
    assert found is not None
    await rig.driver.change_state(wanted.uuid, StateAction.STOP)
    variables = f"{rig.sandbox.root.path}/lib{found[1]}"
    as_root_sh(f"printf kept | dd of={variables} bs=1 seek=$(($(stat -c %s {variables}) - 4)) conv=notrunc")

    await rig.virsh("undefine", str(wanted.uuid), "--keep-nvram")
    again = await rig.driver.define_domain(wanted)
    await rig.driver.change_state(again.uuid, StateAction.START)

    assert again.firmware == "uefi"
    assert as_root_sh(f"tail -c 4 {variables}") == b"kept"


def as_root_sh(script: str) -> bytes:
    return subprocess.run([*as_root(), "sh", "-c", script], check=True, capture_output=True).stdout
