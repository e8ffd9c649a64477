"""Making machines on real libvirt and QEMU while things go wrong, and with input that means harm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from eve_agent.driver.pools.folder import PoolFolder
from eve_agent.errors import ImageInvalid, LibvirtAway, NoSpace, PoolUnusable, VolumeNotFound
from eve_agent.wire.domain import DomainState, StateAction
from eve_agent.wire.snapshots import SnapshotSpec
from eve_agent.wire.spec import DiskSlot, DomainSpec
from eve_agent.wire.storage import DiskSpec, ImageFormat
from lxml import etree

from tests.agent.driver import mortal
from tests.agent.driver.making import MIB, POOL, SEED, Shop, pieces, qcow2, spec
from tests.agent.driver.rig import EventLog, LibvirtRig, until
from tests.services.libvirt import SMALL_MIB
from tests.services.mortal import MortalRun

MAX_EFFECTS = 60


@pytest.fixture
def shop(libvirt_rig: LibvirtRig) -> Shop:
    return Shop(libvirt_rig.driver)


@pytest.mark.timeout(600)
async def test_an_agent_killed_before_any_effect_leaves_nothing_that_a_repeated_call_does_not_mend(
    shop: Shop, libvirt_rig: LibvirtRig, tmp_path: Path, mortal_run: MortalRun
):
    async def killed(what: str, effects: int, ids: tuple[uuid.UUID, ...]) -> str:
        """What the process was killed before; empty where it came to its end."""
        _, said = await asyncio.to_thread(mortal_run, mortal.begin, libvirt_rig.sandbox.uri, what, effects, ids)
        return said

    image = await shop.image(qcow2(tmp_path))
    pool, points = libvirt_rig.sandbox.pool_folder, {"make": set(), "delete": set()}
    for effects in range(MAX_EFFECTS):
        ids = (image, uuid.uuid4(), uuid.uuid4())
        _, disk, vm = ids
        ends = []
        ends.append(await killed("make", effects, ids))
        await mortal.make(libvirt_rig.driver, *ids)
        (domain,) = await libvirt_rig.driver.domains()
        assert (domain.uuid, domain.state, domain.is_autostarted) == (vm, DomainState.RUNNING, True)
        assert {path.name for path in pool.iterdir()} == {f"{image}.img", f"{disk}.qcow2", f"seed-{vm}.iso"}

        ends.append(await killed("delete", effects, ids))
        await mortal.delete(libvirt_rig.driver, *ids)
        assert await libvirt_rig.driver.domains() == ()
        assert {path.name for path in pool.iterdir()} == {f"{image}.img"}
        for kind, end in zip(points, ends, strict=True):
            points[kind].add(end.partition(" /")[0])
        if ends == ["", ""]:
            break
    else:
        pytest.fail("it has more effects than that")
    assert any("defineXMLFlags" in point for point in points["make"]), points
    assert any("qemu-img" in point or "Popen" in point for point in points["make"]), points
    assert any("undefineFlags" in point for point in points["delete"]), points
    assert any("os.remove" in point for point in points["delete"]), points


async def test_libvirtd_dies_in_the_middle(shop: Shop, libvirt_rig: LibvirtRig):
    disk = await shop.disk()
    wanted = spec(disk, seed_pool=POOL)
    await libvirt_rig.driver.make_seed(POOL, wanted.uuid, SEED)

    await libvirt_rig.go_away()
    await until(lambda: not libvirt_rig.driver.is_up)
    for call in (
        libvirt_rig.driver.define_domain(wanted),
        libvirt_rig.driver.make_disk(POOL, uuid.uuid4(), DiskSpec(size_bytes=MIB)),
        libvirt_rig.driver.delete_disk(POOL, disk),
        shop.images.status(POOL, uuid.uuid4()),
    ):
        with pytest.raises(LibvirtAway):
            await call
    await libvirt_rig.come_back()
    await until(lambda: libvirt_rig.driver.is_up)

    assert (await libvirt_rig.driver.define_domain(wanted)).uuid == wanted.uuid
    assert (await libvirt_rig.driver.change_state(wanted.uuid, StateAction.START)).state is DomainState.RUNNING


async def test_a_full_pool_refuses_and_keeps_nothing(shop: Shop, libvirt_rig: LibvirtRig):
    small, filler = libvirt_rig.sandbox.small_folder, libvirt_rig.sandbox.small_folder / "filler"
    image = uuid.uuid4()
    with pytest.raises(NoSpace, match="are needed"):
        await shop.images.send("small", image, pieces(bytes(40 * MIB)), offset=0, length=40 * MIB)
    assert list(small.iterdir()) == []
    with pytest.raises(NoSpace):
        await shop.images.send("small", image, pieces(bytes(40 * MIB)), offset=0, length=None)
    sent = (await shop.images.status("small", image)).size_bytes
    assert 20 * MIB < sent < 40 * MIB
    assert (await shop.images.delete("small", image)).was_there

    await asyncio.to_thread(filler.write_bytes, bytes(SMALL_MIB * MIB - 8 * MIB))
    with pytest.raises(NoSpace):
        await libvirt_rig.driver.make_disk("small", uuid.uuid4(), DiskSpec(size_bytes=MIB))
    with pytest.raises(NoSpace):
        await libvirt_rig.driver.make_seed("small", uuid.uuid4(), SEED)
    assert [path.name for path in small.iterdir()] == ["filler"]


async def test_a_pool_that_somebody_else_fills_is_told_as_full(libvirt_rig: LibvirtRig):
    filler = libvirt_rig.sandbox.small_folder / "filler"
    await asyncio.to_thread(filler.write_bytes, bytes(SMALL_MIB * MIB - 8 * MIB))
    (pool,) = [pool for pool in await libvirt_rig.driver.pools() if pool.name == "small"]
    (told,) = [pool for pool in (await libvirt_rig.driver.host_facts()).pools if pool.name == "small"]
    assert (pool.available_bytes, told.available_bytes) == (8 * MIB, 8 * MIB)
    assert pool.allocation_bytes == pool.capacity_bytes - 8 * MIB


async def test_qemu_img_itself_runs_out_of_space(libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch):
    """Between the look and the write somebody else takes the room."""
    small = libvirt_rig.sandbox.small_folder
    monkeypatch.setattr(PoolFolder, "require_space", lambda *_: None)
    with (small / "filler").open("wb") as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(MIB))
            filler.flush()
    with pytest.raises(NoSpace, match="no space left"):
        await libvirt_rig.driver.make_disk("small", uuid.uuid4(), DiskSpec(size_bytes=MIB))
    with pytest.raises(NoSpace, match="no space left"):
        await libvirt_rig.driver.make_seed("small", uuid.uuid4(), SEED)
    assert [path.name for path in small.iterdir()] == ["filler"]


async def test_a_disk_fills_up_while_a_guest_writes_and_the_guest_goes_on_when_there_is_room(
    libvirt_rig: LibvirtRig,
):
    disk, log = uuid.uuid4(), EventLog(libvirt_rig.driver)
    await libvirt_rig.driver.make_disk("small", disk, DiskSpec(size_bytes=40 * MIB))
    filler = libvirt_rig.sandbox.small_folder / "filler"
    await asyncio.to_thread(filler.write_bytes, bytes(24 * MIB))
    path = libvirt_rig.sandbox.small_folder / f"{disk}.qcow2"
    guest = await libvirt_rig.define("guest", booted=True, disk=path)
    # QEMU reads what is typed only while somebody holds the port open.
    port = os.open((await libvirt_rig.virsh("ttyconsole", str(guest))).strip(), os.O_RDWR | os.O_NOCTTY)
    os.write(port, b"\ndd if=/dev/zero of=/dev/vda bs=1M count=32 && echo all written\n")

    await log.wait_for(lambda event: event.domain is not None and event.domain.reason == "ioerror", seconds=60)
    assert (await libvirt_rig.driver.domain(guest)).state is DomainState.PAUSED

    await asyncio.to_thread(filler.unlink)
    assert (await libvirt_rig.driver.change_state(guest, StateAction.RESUME)).state is DomainState.RUNNING
    await asyncio.to_thread(libvirt_rig.sandbox.wait_for_serial, "guest", "\nall written")
    os.close(port)
    assert (await libvirt_rig.driver.domain(guest)).state is DomainState.RUNNING


async def test_a_guest_writes_a_qcow2_header_into_a_raw_image_and_nothing_is_read_through_it(
    shop: Shop, libvirt_rig: LibvirtRig, tmp_path: Path
):
    """nova's CVE-2024-32498: bytes that a guest wrote say "I am a qcow2 over /etc/shadow"; as raw they are bytes."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"canary" * 2**16)
    command = [
        "qemu-img",
        "create",
        "-q",
        "-f",
        "qcow2",
        "-u",
        "-b",
        str(secret),
        "-F",
        "raw",
        str(tmp_path / "evil"),
        "16M",
    ]
    await asyncio.to_thread(subprocess.run, command, check=True)
    evil = (tmp_path / "evil").read_bytes().ljust(MIB, b"\0")
    image = await shop.image(evil, declared=ImageFormat.RAW)
    disk = uuid.uuid4()
    wanted = DiskSpec(size_bytes=4 * MIB, image_uuid=image, image_format=ImageFormat.RAW)

    made = await libvirt_rig.driver.make_disk(POOL, disk, wanted)
    machine = await shop.machine(disk)
    await libvirt_rig.driver.grow_disk(machine.uuid, disk, 8 * MIB)
    off, running, with_memory = (uuid.uuid4() for _ in range(3))
    await libvirt_rig.driver.make_snapshot(machine.uuid, off, SnapshotSpec(title="off"))
    await libvirt_rig.driver.change_state(machine.uuid, StateAction.START)
    await libvirt_rig.driver.make_snapshot(machine.uuid, running, SnapshotSpec(title="running"))
    await libvirt_rig.driver.make_snapshot(machine.uuid, with_memory, SnapshotSpec(title="all", with_memory=True))
    for snapshot in (off, running, with_memory):
        await libvirt_rig.driver.revert_to_snapshot(machine.uuid, snapshot)
    await libvirt_rig.driver.change_state(machine.uuid, StateAction.STOP)

    assert made.image_uuid == image
    path = libvirt_rig.sandbox.pool_folder / f"{disk}.qcow2"
    for snapshot in (None, off, running, with_memory):
        of_it = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
        reading = ["qemu-img", "convert", "-f", "qcow2", *of_it, "-O", "raw", str(path), str(tmp_path / "seen")]
        await asyncio.to_thread(subprocess.run, reading, check=True)
        data = (tmp_path / "seen").read_bytes()
        assert data[:4] == b"QFI\xfb"
        assert b"canary" not in data
    assert b"canary" not in path.read_bytes()
    with pytest.raises(ImageInvalid, match="backing file"):
        await libvirt_rig.driver.make_disk(POOL, uuid.uuid4(), DiskSpec(size_bytes=32 * MIB, image_uuid=image))


async def test_links_and_folders_in_a_pool_are_not_followed(shop: Shop, libvirt_rig: LibvirtRig, tmp_path: Path):
    pool, disk, image, vm = libvirt_rig.sandbox.pool_folder, uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    for name in (f"{image}.img", f"{image}.part", f"{disk}.qcow2", f"seed-{vm}.iso"):
        (pool / name).symlink_to(outside)

    with pytest.raises(PoolUnusable, match="link"):
        await shop.images.send(POOL, image, _one(b"x"), offset=0, length=1)
    with pytest.raises(VolumeNotFound):
        await libvirt_rig.driver.disk(POOL, disk)
    await libvirt_rig.driver.make_seed(POOL, vm, SEED)
    await libvirt_rig.driver.make_disk(POOL, disk, DiskSpec(size_bytes=MIB))
    await libvirt_rig.driver.delete_disk(POOL, disk)

    assert outside.read_bytes() == b"precious"
    assert (pool / f"seed-{vm}.iso").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "title",
    ["'/><disk type='file'><source file='/etc/shadow'/></disk>", "]]>&lt;", "&xxe;", "<!--", "ü" * 255, "a\u00a0b"],
)
async def test_a_title_is_text_whatever_it_holds(shop: Shop, libvirt_rig: LibvirtRig, title: str):
    machine = await shop.machine(title=title)

    document = etree.fromstring(await libvirt_rig.virsh("dumpxml", str(machine.uuid)))

    assert machine.title == document.findtext("title") == title
    assert len(document.findall("devices/disk")) == 1, "its drive, and nothing more"
    assert document.findall("devices/disk/source") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "../../etc"},
        {"name": "'/><b"},
        {"name": "a\0b"},
        {"name": "a" * 300},
        {"name": ""},
        {"name": "Web"},
        {"title": "a\nb"},
        {"title": "\x1b[31m"},
        {"title": "a" * 256},
        {"memory_bytes": 0},
        {"memory_bytes": -1},
        {"memory_bytes": 2**60},
        {"vcpus": 0},
        {"vcpus": 10_000},
        {"vcpus_max": 1, "vcpus": 2},
        {"seed_pool": "../x"},
        {"disks": (1, 1)},
    ],
    ids=str,
)
def test_a_specification_that_cannot_be_is_refused_before_it_is_sent(fields: dict[str, Any]):
    if "disks" in fields:
        fields = {"disks": (DiskSlot(disk_uuid=uuid.UUID(int=1), pool=POOL),) * 2}
    usual = {"uuid": uuid.uuid4(), "name": "web", "vcpus": 1, "memory_bytes": 64 * MIB}
    with pytest.raises(ValueError, match=r"name|title|memory_bytes|vcpus|seed_pool|disks"):
        DomainSpec(**{**usual, **fields})


async def _one(data: bytes):
    yield data
