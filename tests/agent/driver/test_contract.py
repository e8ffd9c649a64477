"""What every driver promises, on the fake and on real libvirt and QEMU."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import uuid

import pytest
from eve_agent.errors import (
    ActionRefused,
    ConsoleBusy,
    DisplayUnsupported,
    DomainNotFound,
    DomainOff,
    LibvirtAway,
    NoDisplay,
)
from eve_agent.wire import codec
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, DomainState, GraphicsKind, StateAction
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.host import HostFacts
from eve_agent.wire.version import CONTRACT_VERSION

from tests.agent.driver.rig import EventLog, Rig, receive_until, rfb_handshake, shut_down, until

VERSION = re.compile(r"\d+\.\d+\.\d+")


async def test_facts(rig: Rig):
    facts = await rig.driver.host_facts()

    assert facts.host_name
    assert VERSION.fullmatch(facts.libvirt_version)
    assert VERSION.fullmatch(facts.hypervisor_version)
    assert facts.contract_version == CONTRACT_VERSION
    assert facts.cpu.architecture
    assert facts.cpu.threads_total >= 1
    assert 0 < facts.memory_free_bytes <= facts.memory_bytes
    assert sum(node.memory_bytes for node in facts.numa_nodes) <= facts.memory_bytes
    assert sum(len(node.cpu_ids) for node in facts.numa_nodes) == facts.cpu.threads_total
    assert abs(facts.time - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)
    assert codec.decode(HostFacts, codec.encode(facts)) == facts


async def test_list_has_all_by_name_and_the_same_as_one_by_one(rig: Rig):
    made = [await rig.make(name, running=running) for name, running in (("b", True), ("c", False), ("a", False))]

    listed = await rig.driver.domains()

    assert [domain.name for domain in listed] == ["a", "b", "c"]
    assert {domain.uuid for domain in listed} == set(made)
    for domain in listed:
        assert await rig.driver.domain(domain.uuid) == domain
        assert codec.decode(Domain, codec.encode(domain)) == domain
    assert [domain.state for domain in listed] == [DomainState.OFF, DomainState.RUNNING, DomainState.OFF]


async def test_what_is_not_there_is_not_found(rig: Rig):
    nobody = uuid.uuid4()

    with pytest.raises(DomainNotFound):
        await rig.driver.domain(nobody)
    with pytest.raises(DomainNotFound):
        await rig.driver.open_console(nobody, ConsoleKind.VNC)
    with pytest.raises(DomainNotFound):
        await rig.driver.screenshot(nobody)
    with pytest.raises(DomainNotFound):
        await rig.driver.press_keys(nobody, (30,), 10)
    for action in StateAction:
        with pytest.raises(DomainNotFound):
            await rig.driver.change_state(nobody, action)


async def test_start_and_stop_twice(rig: Rig):
    guest = await rig.make("guest", running=False)

    for _ in range(2):
        started = await rig.driver.change_state(guest, StateAction.START)
        assert (started.state, started.reason) == (DomainState.RUNNING, "booted")
    for _ in range(2):
        stopped = await rig.driver.change_state(guest, StateAction.STOP)
        assert (stopped.state, stopped.reason) == (DomainState.OFF, "destroyed")


async def test_suspend_and_resume_twice(rig: Rig):
    guest = await rig.make("guest")

    for _ in range(2):
        paused = await rig.driver.change_state(guest, StateAction.SUSPEND)
        assert (paused.state, paused.reason) == (DomainState.PAUSED, "user")
    assert (await rig.driver.change_state(guest, StateAction.START)).state is DomainState.PAUSED
    for _ in range(2):
        resumed = await rig.driver.change_state(guest, StateAction.RESUME)
        assert (resumed.state, resumed.reason) == (DomainState.RUNNING, "unpaused")


@pytest.mark.parametrize(
    "action",
    [StateAction.SHUTDOWN, StateAction.REBOOT, StateAction.RESET, StateAction.SUSPEND, StateAction.RESUME],
)
async def test_what_is_off_cannot(rig: Rig, action: StateAction):
    guest = await rig.make("guest", running=False)

    with pytest.raises(DomainOff, match="guest"):
        await rig.driver.change_state(guest, action)
    assert (await rig.driver.domain(guest)).state is DomainState.OFF


async def test_keys_are_pressed_where_somebody_gets_them(rig: Rig):
    off, guest = await rig.make("off", running=False), await rig.make("guest")

    await rig.driver.press_keys(guest, (42, 30), 10)
    with pytest.raises(DomainOff, match="off"):
        await rig.driver.press_keys(off, (30,), 10)
    await rig.driver.change_state(guest, StateAction.SUSPEND)
    with pytest.raises(ActionRefused, match="resume"):
        await rig.driver.press_keys(guest, (30,), 10)


async def test_parallel_starts_and_stops_all_succeed(rig: Rig):
    guest = await rig.make("guest", running=False)

    started = await asyncio.gather(*(rig.driver.change_state(guest, StateAction.START) for _ in range(20)))
    assert {domain.state for domain in started} == {DomainState.RUNNING}
    stopped = await asyncio.gather(*(rig.driver.change_state(guest, StateAction.STOP) for _ in range(20)))
    assert {domain.state for domain in stopped} == {DomainState.OFF}


async def test_shutdown_is_asked_and_then_happens(rig: Rig, log: EventLog):
    guest = await rig.make("guest", booted=True)

    event = await shut_down(rig.driver, log, guest)

    assert event.domain is not None
    assert event.domain.reason == "shutdown"


@pytest.mark.parametrize("action", [StateAction.REBOOT, StateAction.RESET])
async def test_reboot_and_reset_leave_it_running(rig: Rig, action: StateAction):
    guest = await rig.make("guest")

    assert (await rig.driver.change_state(guest, action)).state is DomainState.RUNNING


async def test_a_transient_guest_that_is_stopped_is_off_and_gone(rig: Rig, log: EventLog):
    guest = await rig.make("guest")
    await rig.undefine(guest)
    await log.wait_for(lambda event: event.domain is not None and not event.domain.is_persistent)

    stopped = await rig.driver.change_state(guest, StateAction.STOP)

    assert (stopped.uuid, stopped.state, stopped.is_persistent) == (guest, DomainState.OFF, False)
    await log.wait_for_kind(EventKind.DOMAIN_REMOVED, guest)
    with pytest.raises(DomainNotFound):
        await rig.driver.domain(guest)


@pytest.mark.parametrize("display", ["vnc", "spice-and-vnc"])
async def test_console_speaks_rfb_without_a_password(rig: Rig, display: str):
    guest = await rig.make("guest", display)

    with await rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        assert not connection.getblocking()
        assert await rfb_handshake(connection) == b"\x01"


async def test_two_viewers_at_once(rig: Rig):
    guest = await rig.make("guest")

    with (
        await rig.driver.open_console(guest, ConsoleKind.VNC) as first,
        await rig.driver.open_console(guest, ConsoleKind.VNC) as second,
    ):
        await rfb_handshake(first)
        await rfb_handshake(second)


async def test_console_says_why_it_cannot(rig: Rig):
    off = await rig.make("off", running=False)
    headless = await rig.make("headless", "headless")
    spice = await rig.make("spice", "spice")

    with pytest.raises(DomainOff, match="off"):
        await rig.driver.open_console(off, ConsoleKind.VNC)
    with pytest.raises(NoDisplay, match="headless"):
        await rig.driver.open_console(headless, ConsoleKind.VNC)
    with pytest.raises(DisplayUnsupported, match="spice"):
        await rig.driver.open_console(spice, ConsoleKind.VNC)
    with pytest.raises(DomainOff, match="off"):
        await rig.driver.open_console(off, ConsoleKind.SERIAL)


async def test_a_serial_line_goes_both_ways(rig: Rig):
    guest = await rig.make("guest", booted=True)
    loop = asyncio.get_running_loop()

    with await rig.driver.open_console(guest, ConsoleKind.SERIAL) as line:
        await loop.sock_sendall(line, b"echo said-$((40+2))\r")
        await receive_until(line, b"said-")


async def test_one_holds_a_serial_line_until_it_is_taken(rig: Rig):
    guest = await rig.make("guest", booted=True)
    loop = asyncio.get_running_loop()

    with await rig.driver.open_console(guest, ConsoleKind.SERIAL) as first:
        with pytest.raises(ConsoleBusy, match="guest"):
            await rig.driver.open_console(guest, ConsoleKind.SERIAL)
        await loop.sock_sendall(first, b"echo still-mine\r")
        await receive_until(first, b"still-mine")
        with await rig.driver.open_console(guest, ConsoleKind.SERIAL, is_forced=True) as second:
            await receive_until(first, b"")
            await loop.sock_sendall(second, b"echo mine-now\r")
            await receive_until(second, b"mine-now")
    await asyncio.sleep(0.5)
    with await rig.driver.open_console(guest, ConsoleKind.SERIAL) as third:  # who leaves lets go of it
        await loop.sock_sendall(third, b"\r")
        await receive_until(third, b"\n")


async def test_a_serial_line_ends_with_its_guest(rig: Rig):
    guest = await rig.make("guest")

    with await rig.driver.open_console(guest, ConsoleKind.SERIAL) as line:
        await rig.driver.change_state(guest, StateAction.STOP)
        await receive_until(line, b"")


async def test_graphics_are_told_with_their_index(rig: Rig):
    guest = await rig.make("guest", "spice-and-vnc")

    graphics = (await rig.driver.domain(guest)).graphics

    assert [(device.kind, device.index) for device in graphics] == [(GraphicsKind.SPICE, 0), (GraphicsKind.VNC, 1)]
    assert not any(device.is_exposed for device in graphics)


async def test_screenshot(rig: Rig):
    guest = await rig.make("guest")

    picture = await rig.driver.screenshot(guest)

    magic = {"image/png": b"\x89PNG", "image/x-portable-pixmap": b"P6"}[picture.content_type]
    assert picture.data.startswith(magic)
    await rig.driver.change_state(guest, StateAction.STOP)
    with pytest.raises(DomainOff):
        await rig.driver.screenshot(guest)


async def test_changes_behind_its_back_are_told_within_a_second(rig: Rig, log: EventLog):
    guest = await rig.make("guest")
    started = await log.wait_for_state(guest, DomainState.RUNNING)
    assert started.kind is EventKind.DOMAIN_CHANGED
    assert started.domain_uuid == guest

    await rig.stop(guest)
    await log.wait_for_state(guest, DomainState.OFF, seconds=1)

    await rig.undefine(guest)
    removed = await log.wait_for_kind(EventKind.DOMAIN_REMOVED, guest, seconds=1)
    assert removed.domain is None


async def test_who_unsubscribed_hears_nothing_and_a_bad_listener_harms_nobody(rig: Rig):
    def fail(event: Event) -> None:
        raise RuntimeError("a listener's own fault")

    silent = EventLog(rig.driver)
    rig.driver.subscribe(fail)
    heard = EventLog(rig.driver)
    silent.unsubscribe()
    silent.unsubscribe()

    guest = await rig.make("guest")

    await heard.wait_for_state(guest, DomainState.RUNNING)
    assert silent.events == []


async def test_away_and_back(rig: Rig, log: EventLog):
    guest = await rig.make("guest")
    connection = await rig.driver.open_console(guest, ConsoleKind.VNC)
    log.events.clear()

    await rig.go_away()

    await log.wait_for_kind(EventKind.LIBVIRT_DOWN)
    assert not rig.driver.is_up
    with pytest.raises(LibvirtAway):
        await rig.driver.domains()
    with pytest.raises(LibvirtAway):
        await rig.driver.change_state(guest, StateAction.STOP)
    with pytest.raises(LibvirtAway):
        await rig.driver.open_console(guest, ConsoleKind.VNC)
    with connection:
        assert await rfb_handshake(connection) == b"\x01"
        await rig.come_back()
        await log.wait_for_kind(EventKind.LIBVIRT_UP, seconds=10)
        await until(lambda: rig.driver.is_up)
        assert (await rig.driver.domain(guest)).state is DomainState.RUNNING
    log.events.clear()
    # Just after its return libvirt may still be finding its guests again, and refuse what it then does itself.
    assert (await rig.driver.change_state(guest, StateAction.STOP)).state is DomainState.OFF
    await log.wait_for_state(guest, DomainState.OFF, seconds=1)


async def test_an_open_console_outlives_the_driver(rig: Rig):
    guest = await rig.make("guest")
    with await rig.driver.open_console(guest, ConsoleKind.VNC) as connection:
        await rig.driver.close()
        await rig.driver.close()

        await rfb_handshake(connection)
        assert not rig.driver.is_up
        with pytest.raises(LibvirtAway):
            await rig.driver.domain(guest)
