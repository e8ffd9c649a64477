"""Deadlines, the circuit around a sick guest, the guest's agent, and reconnecting, on a hypervisor made of stubs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import uuid

import pytest
from eve_agent.driver.base import Screenshot
from eve_agent.driver.host import WatchListener
from eve_agent.driver.threaded import GUESTS_STUCK, ThreadedDriver
from eve_agent.errors import ActionRefused, AgentError, DomainNotFound, LibvirtAway, LibvirtTimeout
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.events import EventKind
from eve_agent.wire.host import HostFacts

from tests.agent.driver.rig import EventLog, until


class Stub:
    """A hypervisor whose every call can be made to hang or to fail."""

    def __init__(self) -> None:
        self.listener: WatchListener | None = None
        self.watches_open = 0
        self.refusal: Exception | None = None
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.hanging: set[tuple[str, uuid.UUID | None]] = set()
        self.gate = threading.Event()
        self.errors: dict[tuple[str, uuid.UUID | None], AgentError] = {}
        self.has_agent = False
        self.listed: tuple[Domain, ...] = ()
        self.calls: list[tuple[str, uuid.UUID | None]] = []
        self.displays: list[socket.socket] = []

    def open_watch(self, listener: WatchListener) -> StubWatch:
        self.open_gate.wait(10)
        if self.refusal is not None:
            raise self.refusal
        self.listener = listener
        self.watches_open += 1
        return StubWatch(self)

    def open_session(self) -> StubSession:
        return StubSession(self)

    def called(self, name: str, domain_uuid: uuid.UUID | None = None) -> None:
        self.calls.append((name, domain_uuid))
        if (name, domain_uuid) in self.hanging:
            self.gate.wait(10)
        if error := self.errors.get((name, domain_uuid)):
            raise error

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


class StubWatch:
    def __init__(self, stub: Stub) -> None:
        self._stub = stub

    def close(self) -> None:
        self._stub.watches_open -= 1


class StubSession:
    def __init__(self, stub: Stub) -> None:
        self._stub = stub

    def is_alive(self) -> bool:
        return True

    def close(self) -> None:
        return

    def facts(self) -> HostFacts:
        raise ActionRefused("not in this test")

    def domains(self) -> tuple[Domain, ...]:
        self._stub.called("domains")
        return self._stub.listed

    def domain(self, domain_uuid: uuid.UUID) -> Domain:
        self._stub.called("domain", domain_uuid)
        return Domain(uuid=domain_uuid, name="a", state=DomainState.RUNNING, vcpus=1, memory_bytes=1)

    def measure_disks(self, domain_uuid: uuid.UUID | None) -> None:
        self._stub.called("measure", domain_uuid)

    def change_state(self, domain_uuid: uuid.UUID, action: StateAction) -> Domain:
        self._stub.called(action.value, domain_uuid)
        return self.domain(domain_uuid)

    def ask_guest_agent(self, domain_uuid: uuid.UUID, action: StateAction) -> bool:
        self._stub.called("agent", domain_uuid)
        return self._stub.has_agent

    def open_display(self, domain_uuid: uuid.UUID) -> socket.socket:
        self._stub.called("display", domain_uuid)
        ours, theirs = socket.socketpair()
        self._stub.displays.append(theirs)
        return ours

    def screenshot(self, domain_uuid: uuid.UUID) -> Screenshot:
        self._stub.called("screenshot", domain_uuid)
        return Screenshot("image/png", b"")


SICK, SOUND = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture
async def stub():
    stub = Stub()
    yield stub
    stub.gate.set()
    stub.open_gate.set()
    for display in stub.displays:
        display.close()


@pytest.fixture
async def driver(stub: Stub):
    driver = ThreadedDriver(stub, call_timeout_seconds=0.1, change_timeout_seconds=0.2)
    await driver.start()
    yield driver
    await driver.close()


async def test_a_sick_guest_is_asked_once_and_others_are_served(stub: Stub, driver: ThreadedDriver):
    stub.hanging.add(("display", SICK))
    with pytest.raises(LibvirtTimeout, match=r"within 0\.1 seconds"):
        await driver.open_console(SICK, ConsoleKind.VNC)

    for _ in range(20):
        with pytest.raises(LibvirtTimeout, match="earlier"):
            await driver.open_console(SICK, ConsoleKind.VNC)
        with pytest.raises(LibvirtTimeout, match="earlier"):
            await driver.screenshot(SICK)
        with pytest.raises(LibvirtTimeout, match="earlier"):
            await driver.change_state(SICK, StateAction.SUSPEND)
        assert (await driver.domain(SICK)).uuid == SICK
    assert stub.count("display") == 1
    (await driver.open_console(SOUND, ConsoleKind.VNC)).close()
    await driver.change_state(SICK, StateAction.STOP)

    stub.hanging.clear()
    stub.gate.set()
    await until(lambda: len(stub.displays) == 2)
    late = stub.displays[1]
    late.settimeout(5)
    assert late.recv(1) == b"", "a display that came late was not closed"
    (await driver.open_console(SICK, ConsoleKind.VNC)).close()


async def test_a_crowd_at_a_sick_guest_costs_one_call(stub: Stub, driver: ThreadedDriver):
    stub.hanging.add(("screenshot", SICK))

    answers = await asyncio.gather(*(driver.screenshot(SICK) for _ in range(30)), return_exceptions=True)

    assert {type(answer) for answer in answers} == {LibvirtTimeout}
    assert stub.count("screenshot") == 1


async def test_many_sick_guests_do_not_use_up_the_daemon(stub: Stub, driver: ThreadedDriver):
    guests = [uuid.UUID(int=number) for number in range(10, 10 + 2 * GUESTS_STUCK)]
    stub.hanging.update(("screenshot", guest) for guest in guests)

    for guest in guests:
        with pytest.raises(LibvirtTimeout):
            await driver.screenshot(guest)

    assert stub.count("screenshot") == GUESTS_STUCK
    assert (await driver.domain(guests[-1])).uuid == guests[-1]
    assert await driver.domains() == ()


async def test_disks_that_cannot_be_measured_cost_a_read_nothing_but_time(stub: Stub, driver: ThreadedDriver):
    await until(lambda: stub.count("domains") == 1)
    stub.calls.clear()
    stub.hanging.add(("measure", None))
    stub.errors[("measure", SICK)] = ActionRefused("no sizes")

    for _ in range(3):
        assert await driver.domains() == ()
        assert (await driver.domain(SICK)).uuid == SICK
    assert stub.calls.count(("measure", None)) == 1


async def test_the_guests_agent_is_asked_first(stub: Stub, driver: ThreadedDriver):
    stub.has_agent = True
    for action in (StateAction.SHUTDOWN, StateAction.REBOOT):
        await driver.change_state(SOUND, action)
    assert stub.count("agent") == 2
    assert stub.count("shutdown") == stub.count("reboot") == 0

    await driver.change_state(SOUND, StateAction.RESET)
    assert stub.count("agent") == 2


async def test_without_an_agent_or_with_one_that_hangs_the_power_button_is_pressed(stub: Stub, driver: ThreadedDriver):
    await driver.change_state(SOUND, StateAction.SHUTDOWN)
    assert stub.count("shutdown") == 1

    stub.hanging.add(("agent", SICK))
    for presses in (2, 3):
        await driver.change_state(SICK, StateAction.SHUTDOWN)
        assert stub.count("shutdown") == presses


async def test_hanging_agents_have_two_places(stub: Stub, driver: ThreadedDriver):
    guests = [uuid.UUID(int=number) for number in range(10, 16)]
    stub.hanging.update(("agent", guest) for guest in guests)

    await asyncio.gather(*(driver.change_state(guest, StateAction.SHUTDOWN) for guest in guests))

    assert stub.count("agent") == 2
    assert stub.count("shutdown") == 6


async def test_an_unknown_guest_has_no_agent_either(stub: Stub, driver: ThreadedDriver):
    stub.errors[("agent", SICK)] = DomainNotFound("nobody")
    with pytest.raises(DomainNotFound):
        await driver.change_state(SICK, StateAction.SHUTDOWN)


async def test_a_lost_watch_is_told_and_opened_again(stub: Stub, driver: ThreadedDriver):
    log = EventLog(driver)
    assert stub.listener is not None
    stub.refusal = LibvirtAway("nobody listens")

    await asyncio.to_thread(stub.listener.connection_lost, "it died")

    await log.wait_for_kind(EventKind.LIBVIRT_DOWN)
    assert not driver.is_up
    await until(lambda: stub.watches_open == 0)
    with pytest.raises(LibvirtAway, match=r"it died|nobody listens"):
        await driver.domains()
    stub.refusal = None
    await log.wait_for_kind(EventKind.LIBVIRT_UP)
    assert driver.is_up
    assert stub.watches_open == 1


async def test_what_changes_silently_after_connecting_is_told(stub: Stub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eve_agent.driver.threaded.RECHECK_SECONDS", (0.0, 0.1, 0.1))
    gone = Domain(uuid=SICK, name="gone", state=DomainState.RUNNING, vcpus=1, memory_bytes=1)
    stub.listed = (gone,)
    stub.errors[("domain", SICK)] = DomainNotFound("nobody")
    driver = ThreadedDriver(stub, call_timeout_seconds=1)
    log = EventLog(driver)
    await driver.start()
    await until(lambda: stub.count("domains") == 1)
    stub.listed = ()

    await log.wait_for_kind(EventKind.DOMAIN_REMOVED, SICK)
    await driver.close()


async def test_a_change_of_ones_own_is_told_even_when_nobody_else_does(stub: Stub, driver: ThreadedDriver):
    log = EventLog(driver)
    await driver.change_state(SOUND, StateAction.RESET)
    await log.wait_for_kind(EventKind.DOMAIN_CHANGED, SOUND)


async def test_a_fault_while_connecting_does_not_end_the_trying(stub: Stub):
    stub.refusal = ZeroDivisionError("a bug")
    driver = ThreadedDriver(stub, call_timeout_seconds=0.1)
    await driver.start()
    try:
        with pytest.raises(LibvirtAway, match="ZeroDivisionError"):
            await driver.domains()
        stub.refusal = None
        await until(lambda: driver.is_up)
    finally:
        await driver.close()


async def test_a_daemon_that_hangs_at_the_door_gets_one_connection(stub: Stub):
    stub.open_gate.clear()
    driver = ThreadedDriver(stub, call_timeout_seconds=0.1)
    began = time.monotonic()
    await driver.start()
    assert time.monotonic() - began < 1
    threads = threading.active_count()
    await asyncio.sleep(0.5)
    assert threading.active_count() == threads
    with pytest.raises(LibvirtAway, match="not connected yet"):
        await driver.domains()

    await driver.close()
    stub.open_gate.set()
    await until(lambda: stub.listener is not None and stub.watches_open == 0)


async def test_a_burst_of_changes_is_one_event(stub: Stub, driver: ThreadedDriver):
    log = EventLog(driver)
    assert stub.listener is not None
    for _ in range(200):
        stub.listener.domain_changed(SOUND)

    await log.wait_for_kind(EventKind.DOMAIN_CHANGED, SOUND)
    await asyncio.sleep(0.3)
    assert len(log.events) <= 2


async def test_a_change_during_the_reading_is_told_too(stub: Stub, driver: ThreadedDriver):
    log = EventLog(driver)
    assert stub.listener is not None
    stub.hanging.add(("domain", SOUND))
    stub.listener.domain_changed(SOUND)
    await until(lambda: stub.count("domain") == 1)
    stub.listener.domain_changed(SOUND)
    await asyncio.sleep(0.02)
    stub.hanging.clear()
    stub.gate.set()

    await until(lambda: len(log.events) == 2)
    assert {event.kind for event in log.events} == {EventKind.DOMAIN_CHANGED}


async def test_a_change_that_cannot_be_read_in_time_is_told_later_and_delays_nobody(stub: Stub, driver: ThreadedDriver):
    log = EventLog(driver)
    assert stub.listener is not None
    stub.hanging.add(("domain", SICK))
    stub.listener.domain_changed(SICK)
    stub.listener.domain_changed(SOUND)

    await log.wait_for_kind(EventKind.DOMAIN_CHANGED, SOUND, seconds=1)
    await until(lambda: stub.calls.count(("domain", SICK)) == 1)
    await asyncio.sleep(0.2)
    stub.hanging.clear()
    stub.gate.set()
    await log.wait_for_kind(EventKind.DOMAIN_CHANGED, SICK)


async def test_changes_of_a_closed_driver_are_nobodys(stub: Stub):
    driver = ThreadedDriver(stub, call_timeout_seconds=0.1)
    await driver.start()
    log = EventLog(driver)
    listener = stub.listener
    assert listener is not None
    listener.domain_changed(SOUND)
    await driver.close()
    listener.domain_changed(SOUND)
    await asyncio.sleep(0.3)
    assert [event.kind for event in log.events] == []
    assert stub.watches_open == 0
