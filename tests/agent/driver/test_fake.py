"""What the made-up hypervisor offers beside the contract."""

from __future__ import annotations

import asyncio
import time

import pytest
from eve_agent.driver.fake import FakeDriver
from eve_agent.errors import ActionRefused, LibvirtAway, LibvirtTimeout, NoDisplay
from eve_agent.wire import codec
from eve_agent.wire.console import ConsoleKind
from eve_agent.wire.domain import Domain, DomainState, StateAction

from tests.agent.driver.rig import EventLog, receive


async def started(**options: object) -> FakeDriver:
    driver = FakeDriver(**options)  # type: ignore[arg-type]
    await driver.start()
    return driver


async def test_it_is_away_until_it_is_started():
    driver = FakeDriver()
    assert not driver.is_up
    with pytest.raises(LibvirtAway):
        await driver.domains()


async def test_the_same_guests_again_on_a_host_of_the_same_name():
    first, again, other = [await started(host_name=name) for name in ("a", "a", "b")]

    ids = [{domain.uuid for domain in await driver.domains()} for driver in (first, again, other)]

    assert ids[0] == ids[1]
    assert not ids[0] & ids[2]


async def test_five_hundred_guests_are_listed_at_once():
    driver = await started(domains=500)
    began = time.monotonic()

    domains = await driver.domains()
    assert codec.decode_list(Domain, codec.encode(domains)) == domains

    assert len({domain.uuid for domain in domains}) == len({domain.nics[0].mac for domain in domains}) == 500
    assert time.monotonic() - began < 1


async def test_without_a_screen_a_console_says_so():
    driver = await started()
    guest = (await driver.domains())[0].uuid

    with pytest.raises(NoDisplay, match="--fake-console"):
        await driver.open_console(guest, ConsoleKind.VNC)


async def test_a_screen_over_ipv6():
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RFB 003.008\n")
        writer.close()

    server = await asyncio.start_server(greet, "::1", 0)
    driver = await started(console_address=server.sockets[0].getsockname()[:2])
    with await driver.open_console((await driver.domains())[0].uuid, ConsoleKind.VNC) as connection:
        assert await receive(connection, 12) == b"RFB 003.008\n"
    server.close()


async def test_a_screen_that_is_not_there():
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    server.close()
    await server.wait_closed()
    driver = await started(console_address=address)

    with pytest.raises(ActionRefused, match="cannot be reached"):
        await driver.open_console((await driver.domains())[0].uuid, ConsoleKind.VNC)


async def test_faults_on_order():
    driver = await started(domains=1)
    driver.fail_next(LibvirtTimeout("slow"), ActionRefused("no"))

    with pytest.raises(LibvirtTimeout):
        await driver.domains()
    with pytest.raises(ActionRefused):
        await driver.domains()
    assert len(await driver.domains()) == 1
    driver.latency_seconds = 0.05
    began = time.monotonic()
    await driver.domains()
    assert time.monotonic() - began >= 0.05


async def test_what_happens_while_it_is_away_is_not_told():
    driver = await started(domains=1)
    (guest,) = await driver.domains()
    log = EventLog(driver)
    driver.go_away()
    log.events.clear()

    driver.change(guest.uuid, name="renamed")

    assert log.events == []
    driver.come_back()
    assert (await driver.domain(guest.uuid)).name == "renamed"


async def test_a_guest_that_ignores_its_power_button():
    driver = await started(domains=1, shutdown_seconds=None)
    (guest,) = await driver.domains()

    await driver.change_state(guest.uuid, StateAction.SHUTDOWN)

    await asyncio.sleep(0.1)
    assert (await driver.domain(guest.uuid)).state is DomainState.RUNNING


async def test_closing_takes_back_what_was_to_happen():
    driver = await started(domains=1, shutdown_seconds=0.05)
    (guest,) = await driver.domains()
    await driver.change_state(guest.uuid, StateAction.SHUTDOWN)
    await driver.close()
    await asyncio.sleep(0.1)

    await driver.start()
    assert (await driver.domain(guest.uuid)).state is DomainState.RUNNING
