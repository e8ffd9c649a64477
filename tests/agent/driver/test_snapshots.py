"""Snapshots, guests' insides and counters: what every driver promises, on the fake and on real libvirt and QEMU."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from eve_agent.errors import DomainNotFound, DomainOff, NoGuestAgent, SnapshotNotFound, SnapshotRefused
from eve_agent.wire import codec
from eve_agent.wire.domain import DomainState, StateAction
from eve_agent.wire.guest import GuestInfo
from eve_agent.wire.snapshots import SnapshotSpec
from eve_agent.wire.spec import DomainDelete, Firmware, PoolDisk, ResourcesChange
from eve_agent.wire.stats import Stats

from tests.agent.driver.making import MAC, MIB, POOL, Shop, nic, qcow2
from tests.agent.driver.rig import FakeRig, LibvirtRig, Rig
from tests.services.root import as_root


@pytest.fixture
def shop(rig: Rig) -> Shop:
    return Shop(rig.driver)


async def test_a_tree_of_snapshots_of_disks(shop: Shop, rig: Rig):
    machine = await shop.machine(await shop.disk())
    root, left, right = (uuid.uuid4() for _ in range(3))

    first = await rig.driver.make_snapshot(machine.uuid, root, SnapshotSpec(title="It's <first>"))
    assert (first.uuid, first.name, first.title) == (root, str(root), "It's <first>")
    assert (first.parent, first.with_memory, first.is_current) == ("", False, True)
    assert await rig.driver.make_snapshot(machine.uuid, root, SnapshotSpec(title="another")) == first
    await rig.driver.make_snapshot(machine.uuid, left, SnapshotSpec(title="left"))
    assert (await rig.driver.revert_to_snapshot(machine.uuid, root)).state is DomainState.OFF
    await rig.driver.make_snapshot(machine.uuid, right, SnapshotSpec(title="right"))

    listed = await rig.driver.snapshots(machine.uuid)
    assert listed[0].uuid == root
    assert {found.uuid: found.parent for found in listed} == {root: "", left: str(root), right: str(root)}
    assert [found.uuid for found in listed if found.is_current] == [right]

    assert (await rig.driver.delete_snapshot(machine.uuid, root)).was_there
    assert not (await rig.driver.delete_snapshot(machine.uuid, root)).was_there
    assert {found.uuid: found.parent for found in await rig.driver.snapshots(machine.uuid)} == {left: "", right: ""}
    with pytest.raises(SnapshotNotFound, match="web"):
        await rig.driver.revert_to_snapshot(machine.uuid, root)


async def test_vcpus_that_were_plugged_in_hold_a_memory_back_until_the_next_start(shop: Shop, rig: Rig):
    machine = await shop.machine(await shop.disk(), vcpus_max=2)
    await rig.driver.change_state(machine.uuid, StateAction.START)
    wanted = SnapshotSpec(title="running", with_memory=True)
    change = ResourcesChange(vcpus=2, memory_bytes=machine.memory_bytes)
    status = await rig.driver.change_resources(machine.uuid, change)
    assert status.live is not None
    assert status.live.vcpus == 2
    with pytest.raises(SnapshotRefused, match="start it once"):
        await rig.driver.make_snapshot(machine.uuid, uuid.uuid4(), wanted)
    assert await rig.driver.snapshots(machine.uuid) == ()

    await rig.driver.change_state(machine.uuid, StateAction.STOP)
    await rig.driver.change_state(machine.uuid, StateAction.START)
    snapshot = uuid.uuid4()
    assert (await rig.driver.make_snapshot(machine.uuid, snapshot, wanted)).with_memory
    back = await rig.driver.revert_to_snapshot(machine.uuid, snapshot)
    assert (back.state, back.vcpus) == (DomainState.RUNNING, 2)


async def test_a_snapshot_with_memory_brings_the_running_guest_back(shop: Shop, rig: Rig):
    machine, snapshot = await shop.machine(await shop.disk()), uuid.uuid4()
    await rig.driver.change_state(machine.uuid, StateAction.START)

    made = await rig.driver.make_snapshot(machine.uuid, snapshot, SnapshotSpec(title="running", with_memory=True))
    assert made.with_memory
    assert (await rig.driver.domain(machine.uuid)).state is DomainState.RUNNING
    await rig.driver.change_state(machine.uuid, StateAction.STOP)

    for _ in range(2):
        assert (await rig.driver.revert_to_snapshot(machine.uuid, snapshot)).state is DomainState.RUNNING


async def test_the_disks_alone_of_a_running_guest(shop: Shop, rig: Rig, tmp_path: Path):
    """Of which the first lies over an image, as those of most machines do."""
    disks = [await shop.disk(image=await shop.image(qcow2(tmp_path))), await shop.disk()]
    machine = await shop.machine(*disks)
    first, with_memory, second = (uuid.uuid4() for _ in range(3))
    await rig.driver.change_state(machine.uuid, StateAction.START)

    made = await rig.driver.make_snapshot(machine.uuid, first, SnapshotSpec(title="It's <first>"))
    assert (made.uuid, made.title, made.parent, made.with_memory, made.is_current) == (
        *(first, "It's <first>", ""),
        *(False, True),
    )
    assert await rig.driver.make_snapshot(machine.uuid, first, SnapshotSpec(title="another")) == made
    assert (await rig.driver.domain(machine.uuid)).state is DomainState.RUNNING
    await rig.driver.make_snapshot(machine.uuid, with_memory, SnapshotSpec(title="", with_memory=True))
    await rig.driver.make_snapshot(machine.uuid, second, SnapshotSpec(title="second"))
    found = {snapshot.uuid: snapshot.parent for snapshot in await rig.driver.snapshots(machine.uuid)}
    assert found == {first: "", with_memory: str(first), second: str(with_memory)}

    assert (await rig.driver.revert_to_snapshot(machine.uuid, first)).state is DomainState.OFF
    after = await rig.driver.change_state(machine.uuid, StateAction.START)
    assert [found.uuid for found in after.disks if found.device == "disk"] == disks
    assert (await rig.driver.revert_to_snapshot(machine.uuid, with_memory)).state is DomainState.RUNNING
    for snapshot in (first, second, with_memory):
        assert (await rig.driver.delete_snapshot(machine.uuid, snapshot)).was_there
        assert not (await rig.driver.delete_snapshot(machine.uuid, snapshot)).was_there
    assert await rig.driver.snapshots(machine.uuid) == ()
    gone = DomainDelete(disks=tuple(PoolDisk(POOL, disk) for disk in disks))
    assert (await rig.driver.delete_domain(machine.uuid, gone)).was_there


async def test_a_snapshot_whose_record_was_never_written_gets_it_or_goes(libvirt_rig: LibvirtRig):
    shop = Shop(libvirt_rig.driver)
    disk = await shop.disk()
    machine, kept, dropped = await shop.machine(disk), uuid.uuid4(), uuid.uuid4()
    await libvirt_rig.driver.change_state(machine.uuid, StateAction.START)
    for snapshot in (kept, dropped):
        await libvirt_rig.driver.make_snapshot(machine.uuid, snapshot, SnapshotSpec(title="web"))
        await libvirt_rig.virsh("snapshot-delete", str(machine.uuid), str(snapshot), "--metadata")
    assert await libvirt_rig.driver.snapshots(machine.uuid) == ()

    assert (await libvirt_rig.driver.make_snapshot(machine.uuid, kept, SnapshotSpec(title="web"))).is_current
    assert not (await libvirt_rig.driver.delete_snapshot(machine.uuid, dropped)).was_there

    await libvirt_rig.driver.change_state(machine.uuid, StateAction.STOP)
    path = libvirt_rig.sandbox.pool_folder / f"{disk}.qcow2"
    told = await asyncio.to_thread(
        subprocess.run,
        [*as_root(), "qemu-img", "snapshot", "-l", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(kept) in told.stdout
    assert str(dropped) not in told.stdout


async def test_a_snapshot_that_cannot_be_is_refused(shop: Shop, rig: Rig):
    machine = await shop.machine(await shop.disk())

    with pytest.raises(DomainOff, match="web"):
        await rig.driver.make_snapshot(machine.uuid, uuid.uuid4(), SnapshotSpec(title="", with_memory=True))
    await rig.driver.change_state(machine.uuid, StateAction.START)
    assert await rig.driver.snapshots(machine.uuid) == ()
    for call in (
        rig.driver.snapshots(uuid.uuid4()),
        rig.driver.make_snapshot(uuid.uuid4(), uuid.uuid4(), SnapshotSpec(title="")),
        rig.driver.revert_to_snapshot(uuid.uuid4(), uuid.uuid4()),
        rig.driver.delete_snapshot(uuid.uuid4(), uuid.uuid4()),
    ):
        with pytest.raises(DomainNotFound):
            await call


async def test_a_uefi_guest_has_snapshots_of_its_disks_only(shop: Shop, rig: Rig):
    disk = await shop.disk()
    machine = await shop.machine(disk, firmware=Firmware.UEFI)
    with_memory, first, second = (uuid.uuid4() for _ in range(3))
    await rig.driver.change_state(machine.uuid, StateAction.START)
    with pytest.raises(SnapshotRefused, match="UEFI"):
        await rig.driver.make_snapshot(machine.uuid, with_memory, SnapshotSpec(title="running", with_memory=True))
    assert (await rig.driver.domain(machine.uuid)).state is DomainState.RUNNING
    assert await rig.driver.snapshots(machine.uuid) == ()
    await rig.driver.change_state(machine.uuid, StateAction.STOP)

    try:
        await rig.driver.make_snapshot(machine.uuid, first, SnapshotSpec(title="off"))
    except SnapshotRefused:  # as libvirt does from some version after 9.0 on
        assert isinstance(rig, LibvirtRig)
        assert await rig.driver.snapshots(machine.uuid) == ()
        assert not (await rig.driver.host_facts()).libvirt_version.startswith("9.0.")
        return
    await rig.driver.make_snapshot(machine.uuid, second, SnapshotSpec(title="later"))
    await rig.driver.change_state(machine.uuid, StateAction.START)
    for _ in range(2):  # a guest that runs is stopped for it
        assert (await rig.driver.revert_to_snapshot(machine.uuid, first)).state is DomainState.OFF
    after = await rig.driver.domain(machine.uuid)
    assert (after.firmware, [found.uuid for found in after.disks if found.device == "disk"]) == ("uefi", [disk])
    assert [found.uuid for found in await rig.driver.snapshots(machine.uuid) if found.is_current] == [first]
    assert (await rig.driver.change_state(machine.uuid, StateAction.START)).state is DomainState.RUNNING
    for snapshot in (first, second):
        assert (await rig.driver.delete_snapshot(machine.uuid, snapshot)).was_there
    assert (await rig.driver.delete_domain(machine.uuid, DomainDelete(disks=(PoolDisk(POOL, disk),)))).was_there


async def test_without_an_agent_a_guest_is_not_asked(shop: Shop, rig: Rig):
    machine = await shop.machine()
    if isinstance(rig, FakeRig):
        rig.driver.without_agent.add(machine.uuid)

    assert await rig.driver.guest_info(machine.uuid) == GuestInfo(has_agent=False)
    for expected in (DomainOff, NoGuestAgent):
        for call in (
            rig.driver.set_password(machine.uuid, "root", "secret"),
            rig.driver.freeze(machine.uuid, 5),
            rig.driver.thaw(machine.uuid),
        ):
            with pytest.raises(expected, match="web"):
                await call
        await rig.driver.change_state(machine.uuid, StateAction.START)
    assert not (await rig.driver.guest_info(machine.uuid)).has_agent
    with pytest.raises(DomainNotFound):
        await rig.driver.guest_info(uuid.uuid4())


async def test_counters_of_host_and_guests(shop: Shop, rig: Rig):
    await rig.make_network()
    disk = await shop.disk()
    running = await shop.machine(disk, nics=(nic(),))
    await shop.machine(name="off")
    await rig.driver.change_state(running.uuid, StateAction.START)

    before = await rig.driver.stats()
    after = await rig.driver.stats()
    deadline = time.monotonic() + 30
    while not any(seen.capacity_bytes for seen in after.domains[0].disks):
        assert time.monotonic() < deadline, "its disks are never measured"
        await asyncio.sleep(0.1)  # libvirt passes over a guest that is busy, as after its start
        after = await rig.driver.stats()

    assert codec.decode(Stats, codec.encode(after)) == after
    assert [found.uuid for found in after.domains] == [running.uuid]
    (found,) = after.domains
    assert (found.state, found.vcpus, found.memory_bytes) == (DomainState.RUNNING, 1, 128 * MIB)
    assert found.cpu_nanoseconds >= before.domains[0].cpu_nanoseconds > 0
    assert [(seen.uuid, seen.capacity_bytes) for seen in found.disks if seen.uuid] == [(disk, 32 * MIB)]
    assert [card.mac for card in found.nics] == [MAC]
    assert after.host.cpu_busy_nanoseconds >= before.host.cpu_busy_nanoseconds > 0
    assert after.host.cpu_idle_nanoseconds > 0
    assert 0 < after.host.memory_free_bytes < after.host.memory_bytes
    assert after.time > before.time
