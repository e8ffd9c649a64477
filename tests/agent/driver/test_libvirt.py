"""What only real libvirt and QEMU can show."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
import uuid
from pathlib import Path

import pytest
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.driver.xml import DomainParts, DomainStatus, MalformedXml, read_domain
from eve_agent.errors import ActionRefused, AgentError, LibvirtAway, LibvirtTimeout, NoDisplay
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import DomainState, GraphicsKind, StateAction
from eve_agent.wire.events import EventKind
from lxml import etree

from deploy.local.demo_guest import DISK_BYTES
from deploy.local.domain_xml import Graphics, Nic
from tests.agent.driver.rig import EventLog, LibvirtRig, receive, receive_until, rfb_handshake, shut_down, until
from tests.services.libvirt import LibvirtSandbox


def descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.fixture
async def hasty(libvirt_sandbox: LibvirtSandbox):
    """A rig whose calls have one second."""
    rig = LibvirtRig(libvirt_sandbox, call_timeout_seconds=1.0, change_timeout_seconds=3.0)
    await rig.driver.start()
    yield rig
    await rig.driver.close()
    await asyncio.to_thread(libvirt_sandbox.remove_all)


ASK_FOR_SECURITY = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as display:
    display.recv(12, socket.MSG_WAITALL)
    display.sendall(b"RFB 003.008\\n")
    sys.stdout.buffer.write(display.recv(2, socket.MSG_WAITALL))
"""


async def test_the_password_of_a_display_is_not_asked_for(libvirt_rig: LibvirtRig):
    guest = await libvirt_rig.define(
        "guest", graphics=(Graphics(kind="spice"), Graphics(listen="tcp", password="secret"))
    )
    port = int((await libvirt_rig.virsh("vncdisplay", str(guest))).rpartition(":")[2]) + 5900
    command = [sys.executable, "-c", ASK_FOR_SECURITY, str(port)]
    types = await asyncio.to_thread(libvirt_rig.sandbox.run_beside, command)
    assert types == b"\x01\x02", "over TCP the display does ask for a password"

    with await libvirt_rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        assert await rfb_handshake(connection) == b"\x01"


async def test_looking_changes_nothing(libvirt_rig: LibvirtRig):
    guest, off = await libvirt_rig.make("guest"), await libvirt_rig.make("off", running=False)

    async def all_that_virsh_tells() -> list[str]:
        asked: list[tuple[str, ...]] = [("net-list", "--all"), ("pool-list", "--all"), ("list", "--all")]
        for each in (guest, off):
            asked += [("dumpxml", str(each)), ("dumpxml", str(each), "--inactive"), ("domstate", str(each), "--reason")]
        return [await libvirt_rig.virsh(*words) for words in asked]

    before = await all_that_virsh_tells()
    await libvirt_rig.driver.host_facts()
    await libvirt_rig.driver.stats()
    await libvirt_rig.driver.pools()
    for domain in await libvirt_rig.driver.domains():
        await libvirt_rig.driver.domain(domain.uuid)
        await libvirt_rig.driver.snapshots(domain.uuid)
    await libvirt_rig.driver.screenshot(guest)
    with await libvirt_rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        await rfb_handshake(connection)
        assert await all_that_virsh_tells() == before
    assert await all_that_virsh_tells() == before


@pytest.mark.parametrize(
    ("graphics", "listen", "is_exposed"),
    [
        (Graphics(), "", False),
        (Graphics(listen="socket"), "", False),
        (Graphics(listen="tcp", address="127.0.0.1"), "127.0.0.1", False),
        (Graphics(listen="tcp", address="::1"), "::1", False),
        (Graphics(listen="tcp", address="0.0.0.0"), "0.0.0.0", True),
        (Graphics(listen="tcp", address="::"), "::", True),
    ],
    ids=["none", "socket", "loopback", "loopback6", "any", "any6"],
)
async def test_an_exposed_display_is_named(libvirt_rig: LibvirtRig, graphics: Graphics, listen: str, is_exposed: bool):
    guest = await libvirt_rig.define("guest", graphics=(graphics,))

    (device,) = (await libvirt_rig.driver.domain(guest)).graphics

    assert (device.kind, device.listen, device.is_exposed) == (GraphicsKind.VNC, listen, is_exposed)
    with await libvirt_rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        await rfb_handshake(connection)


async def test_a_uefi_guest_with_two_nics_and_a_disk(libvirt_rig: LibvirtRig):
    nics = (Nic(mac="52:54:00:00:00:01"), Nic(mac="52:54:00:00:00:02"))
    disk = libvirt_rig.sandbox.disk_path("guest")
    guest = await libvirt_rig.define(
        "guest", running=False, machine="q35", firmware="uefi", memory_mib=256, vcpus=2, nics=nics, disk=disk
    )

    off = await libvirt_rig.driver.domain(guest)
    on = await libvirt_rig.driver.change_state(guest, StateAction.START)

    for domain in (off, on):
        assert domain.firmware == "uefi"
        assert (domain.vcpus, domain.vcpus_max) == (2, 2)
        assert (domain.memory_bytes, domain.memory_max_bytes) == (256 * 2**20, 256 * 2**20)
        assert [(nic.mac, nic.kind, nic.model) for nic in domain.nics] == [
            ("52:54:00:00:00:01", "user", "virtio"),
            ("52:54:00:00:00:02", "user", "virtio"),
        ]
        (found,) = domain.disks
        assert (found.target, found.bus, found.format, found.source) == ("vda", "virtio", "qcow2", str(disk))
        assert found.capacity_bytes == 64 * 2**20
        assert domain.has_serial
    listed = await libvirt_rig.driver.domains()
    assert listed == (on,)
    with await libvirt_rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        await rfb_handshake(connection)


async def test_networks_and_pools_are_among_the_facts(libvirt_rig: LibvirtRig, tmp_path: Path):
    network = etree.Element("network")
    etree.SubElement(network, "name").text = "lan"
    etree.SubElement(network, "bridge", name="eve-test-br")
    (tmp_path / "network.xml").write_bytes(etree.tostring(network))
    await libvirt_rig.virsh("net-define", str(tmp_path / "network.xml"))
    await libvirt_rig.virsh("pool-define-as", "shelf", "dir", "--target", str(libvirt_rig.sandbox.root.path / "disks"))
    try:
        facts = await libvirt_rig.driver.host_facts()
        assert ("lan", False, "eve-test-br") in [(item.name, item.is_active, item.bridge) for item in facts.networks]
        pools = {item.name: item for item in facts.pools}
        assert (pools["shelf"].kind, pools["shelf"].is_active) == ("dir", False)

        await libvirt_rig.virsh("pool-start", "shelf")
        pools = {item.name: item for item in (await libvirt_rig.driver.host_facts()).pools}
        assert pools["shelf"].is_active
        assert 0 < pools["shelf"].available_bytes <= pools["shelf"].capacity_bytes
        assert pools["shelf"].filesystem == pools["default"].filesystem != pools["small"].filesystem
    finally:
        await libvirt_rig.virsh("net-undefine", "lan")
        await libvirt_rig.virsh("pool-destroy", "shelf")
        await libvirt_rig.virsh("pool-undefine", "shelf")


async def test_a_guest_without_a_video_device_has_no_picture(libvirt_rig: LibvirtRig, tmp_path: Path):
    guest = await libvirt_rig.make("guest", "headless", running=False)
    document = etree.fromstring(await libvirt_rig.virsh("dumpxml", str(guest)))
    (devices,) = document.findall("devices")
    (video,) = devices.findall("video")
    devices.remove(video)
    (tmp_path / "guest.xml").write_bytes(etree.tostring(document))
    await libvirt_rig.virsh("define", str(tmp_path / "guest.xml"))
    await libvirt_rig.driver.change_state(guest, StateAction.START)

    with pytest.raises(NoDisplay, match="video"):
        await libvirt_rig.driver.screenshot(guest)


async def test_a_picture_beyond_the_limit_is_refused(libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eve_agent.driver.libvirt.session.SCREENSHOT_LIMIT_BYTES", 100)
    guest = await libvirt_rig.make("guest")

    with pytest.raises(ActionRefused, match="larger"):
        await libvirt_rig.driver.screenshot(guest)
    monkeypatch.undo()
    assert len((await libvirt_rig.driver.screenshot(guest)).data) > 100


async def test_libvirts_words_come_through(libvirt_rig: LibvirtRig):
    disk = libvirt_rig.sandbox.disk_path("lost")
    guest = await libvirt_rig.define("guest", running=False, disk=disk)
    disk.unlink()

    # Not known, or measured before it was lost.
    assert (await libvirt_rig.driver.domain(guest)).disks[0].capacity_bytes in {0, DISK_BYTES}
    with pytest.raises(ActionRefused, match=r"libvirt refused: .*lost\.qcow2.*No such file"):
        await libvirt_rig.driver.change_state(guest, StateAction.START)


async def test_guests_that_vanish_while_they_are_listed_are_left_out(libvirt_rig: LibvirtRig):
    stays = await libvirt_rig.make("stays", running=False)
    template = await libvirt_rig.virsh("dumpxml", str(stays))
    stop = threading.Event()

    def come_and_go() -> None:
        folder = libvirt_rig.sandbox.root.path
        for number in range(3):
            document = etree.fromstring(template)
            for element in (document.find("name"), document.find("uuid")):
                assert element is not None
                element.text = f"guest-{number}" if element.tag == "name" else str(uuid.uuid4())
            (folder / f"{number}.xml").write_bytes(etree.tostring(document))
        while not stop.is_set():
            for number in range(3):
                libvirt_rig.sandbox.virsh(
                    f"define {folder}/{number}.xml; dominfo guest-{number}; undefine guest-{number}"
                )

    churn = asyncio.create_task(asyncio.to_thread(come_and_go))
    seen: set[str] = set()
    lists = 0
    try:
        async with asyncio.timeout(60):
            while lists < 300 or len(seen) < 2:  # until a guest was once seen while it was there
                names = {domain.name for domain in await libvirt_rig.driver.domains()}
                assert "stays" in names
                seen |= names
                lists += 1
    finally:
        stop.set()
        await churn


async def test_a_guest_whose_description_is_unreadable_hides_nobody(
    libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch
):
    odd = await libvirt_rig.make("odd")
    await libvirt_rig.make("plain", running=False)

    def read(text: str, status: DomainStatus) -> DomainParts:
        if "<name>odd</name>" in text:
            raise MalformedXml("no XML: too deep")
        return read_domain(text, status)

    monkeypatch.setattr("eve_agent.driver.libvirt.calls.read_domain", read)
    found = {domain.name: domain for domain in await libvirt_rig.driver.domains()}

    assert set(found) == {"odd", "plain"}
    assert (found["odd"].uuid, found["odd"].state, found["odd"].is_outline) == (odd, DomainState.RUNNING, True)
    assert (found["plain"].vcpus, found["plain"].is_outline) == (1, False)
    with pytest.raises(AgentError, match="too deep"):
        await libvirt_rig.driver.domain(odd)


async def test_ten_deaths_of_libvirtd_cost_nothing(libvirt_rig: LibvirtRig):
    guest = await libvirt_rig.make("guest")
    log = EventLog(libvirt_rig.driver)
    connection = await libvirt_rig.driver.open_console(guest, ConsoleKind.VNC)

    async def used() -> tuple[int, int]:
        """Descriptors and threads, once every thread has its connection."""
        found = await asyncio.gather(*(libvirt_rig.driver.domain(guest) for _ in range(20)))
        assert {domain.state for domain in found} == {DomainState.RUNNING}
        theirs = [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]  # the rig's
        return descriptors(), len(theirs)

    before = await used()
    for _ in range(10):
        log.events.clear()
        await libvirt_rig.go_away()
        await log.wait_for_kind(EventKind.LIBVIRT_DOWN)
        await libvirt_rig.come_back()
        assert await until(lambda: libvirt_rig.driver.is_up) < 5
        await used()

    async with asyncio.timeout(10):  # a thread that has just read something may be about to end
        while any(now > then for now, then in zip(await used(), before, strict=True)):  # noqa: ASYNC110  (a condition of the world outside)
            await asyncio.sleep(0.1)
    with connection:
        await rfb_handshake(connection)


async def test_a_guest_that_died_while_libvirtd_was_away_is_told_of(libvirt_rig: LibvirtRig):
    guest = await libvirt_rig.make("guest")
    log = EventLog(libvirt_rig.driver)
    await log.wait_for_state(guest, DomainState.RUNNING)
    await libvirt_rig.go_away()
    await log.wait_for_kind(EventKind.LIBVIRT_DOWN)
    libvirt_rig.sandbox.signal("qemu/guest", signal.SIGKILL)
    log.events.clear()

    await libvirt_rig.come_back()

    await log.wait_for_kind(EventKind.LIBVIRT_UP)
    # Whoever lists now may be told that it runs; what it is in the end has to be said.
    told = await libvirt_rig.driver.domain(guest)
    if told.state is not DomainState.OFF:
        await log.wait_for_state(guest, DomainState.OFF, seconds=15)


@pytest.fixture
def quick_keepalive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hung libvirtd is given up after 4 seconds, not 20."""
    monkeypatch.setattr("eve_agent.driver.libvirt.binding.KEEPALIVE_SECONDS", 1)


@pytest.mark.usefixtures("quick_keepalive")
async def test_a_hung_libvirtd_is_noticed_and_outlived(hasty: LibvirtRig):
    guest = await hasty.make("guest")
    log = EventLog(hasty.driver)
    with await hasty.driver.open_console(guest, ConsoleKind.VNC) as connection:
        with hasty.sandbox.stopped("libvirtd"):
            with pytest.raises(LibvirtTimeout):
                await hasty.driver.domain(guest)
            before = threading.active_count()
            for _ in range(40):
                with pytest.raises((LibvirtTimeout, LibvirtAway)):
                    await hasty.driver.domain(guest)
            assert threading.active_count() <= before + 2
            await rfb_handshake(connection)
            await log.wait_for_kind(EventKind.LIBVIRT_DOWN, seconds=10)
            with pytest.raises(LibvirtAway):
                await hasty.driver.domains()
        await until(lambda: hasty.driver.is_up, seconds=10)
        assert (await hasty.driver.domain(guest)).state is DomainState.RUNNING


async def test_a_hung_qemu_costs_its_own_guest_only(hasty: LibvirtRig):
    sick = await hasty.make("sick")
    sound = await hasty.make("sound")
    await hasty.driver.domain(sick)
    before = descriptors()

    with hasty.sandbox.stopped("qemu/sick"):
        for _ in range(5):
            with pytest.raises(LibvirtTimeout):
                await hasty.driver.open_console(sick, ConsoleKind.VNC)
            with pytest.raises(LibvirtTimeout):
                await hasty.driver.screenshot(sick)
        assert (await hasty.driver.domain(sick)).state is DomainState.RUNNING
        assert {domain.name for domain in await hasty.driver.domains()} == {"sick", "sound"}
        with await hasty.driver.open_console(sound, ConsoleKind.VNC) as connection:
            await rfb_handshake(connection)
        assert hasty.driver.is_up

    # The calls that nobody waits for any more return, and what they bring is put away.
    await until(lambda: descriptors() <= before)
    with await hasty.driver.open_console(sick, ConsoleKind.VNC) as connection:
        assert await receive(connection, 12) == b"RFB 003.008\n"


async def test_a_qemu_that_hangs_before_a_list_is_told_as_it_was_seen_last(hasty: LibvirtRig):
    sick = await hasty.make("sick")
    await hasty.make("sound")
    before = await hasty.driver.domain(sick)

    with hasty.sandbox.stopped("qemu/sick"):
        for _ in range(3):
            found = {domain.name: domain for domain in await hasty.driver.domains()}
            assert found.keys() == {"sick", "sound"}
            assert found["sick"] == before
        assert await hasty.driver.domain(sick) == before


async def test_a_qemu_that_hung_before_the_agent_began_is_told_in_outline(libvirt_sandbox: LibvirtSandbox):
    before = LibvirtRig(libvirt_sandbox)
    sick = await before.make("sick")
    await before.make("sound")
    fresh = LibvirtRig(libvirt_sandbox, call_timeout_seconds=3.0, change_timeout_seconds=3.0)
    try:
        with libvirt_sandbox.stopped("qemu/sick"):
            await fresh.driver.start()
            for _ in range(3):
                found = {domain.name: domain for domain in await fresh.driver.domains()}
                assert found.keys() == {"sick", "sound"}
                assert (found["sick"].uuid, found["sick"].state) == (sick, DomainState.RUNNING)
                assert found["sound"].vcpus == 1
            assert (await fresh.driver.domain(sick)).state is DomainState.RUNNING
        async with asyncio.timeout(10):
            while (await fresh.driver.domain(sick)).is_outline:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    finally:
        await fresh.driver.close()
        await asyncio.to_thread(libvirt_sandbox.remove_all)


async def test_a_hung_qemu_can_have_its_plug_pulled(hasty: LibvirtRig):
    sick = await hasty.make("sick")

    with hasty.sandbox.stopped("qemu/sick"), pytest.raises(LibvirtTimeout):
        await hasty.driver.change_state(sick, StateAction.SUSPEND)
    hasty.sandbox.signal("qemu/sick", signal.SIGSTOP)
    for _ in range(3):
        with contextlib.suppress(LibvirtTimeout):
            await hasty.driver.change_state(sick, StateAction.STOP)
            break
        await asyncio.sleep(10)

    assert (await hasty.driver.domain(sick)).state is DomainState.OFF


async def test_without_an_agent_in_the_guest_the_power_button_is_pressed(libvirt_rig: LibvirtRig, tmp_path: Path):
    guest = await libvirt_rig.define("guest", running=False)
    channel = etree.Element("channel", type="unix")
    etree.SubElement(channel, "target", type="virtio", name="org.qemu.guest_agent.0")
    (tmp_path / "channel.xml").write_bytes(etree.tostring(channel))
    await libvirt_rig.virsh("attach-device", str(guest), str(tmp_path / "channel.xml"), "--config")
    log = EventLog(libvirt_rig.driver)
    await libvirt_rig.virsh("start", str(guest))
    await asyncio.to_thread(libvirt_rig.sandbox.wait_for_serial, "guest", ":~#")

    event = await shut_down(libvirt_rig.driver, log, guest)

    assert event.domain is not None
    assert event.domain.reason == "shutdown"


async def test_libvirt_that_is_not_there_is_no_error_at_the_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    driver = LibvirtDriver(f"qemu:///system?socket={tmp_path}/none")
    await driver.start()
    try:
        assert not driver.is_up
        with pytest.raises(LibvirtAway, match="No such file"):
            await driver.host_facts()
    finally:
        await driver.close()
    assert "libvirt: " not in capfd.readouterr().err, "libvirt printed by itself"


async def test_a_serial_line_under_load_loses_nothing(libvirt_rig: LibvirtRig):
    guest = await libvirt_rig.make("guest", booted=True)
    loop = asyncio.get_running_loop()

    with await libvirt_rig.driver.open_console(guest, ConsoleKind.SERIAL) as line:
        await loop.sock_sendall(
            line, b"i=0; while [ $i -lt 3000 ]; do echo line-$i; i=$((i+1)); done; echo the-$((1+0))nd\r"
        )
        await asyncio.sleep(2)  # nobody reads: the bridge waits, and so does the guest
        data = await receive_until(line, b"the-1nd\r\n")
    numbers = [int(number) for number in re.findall(rb"line-(\d+)\r\n", data)]
    assert numbers == list(range(3000))
