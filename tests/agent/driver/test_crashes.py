"""Guests of machines that Eve made crash and hang, on real libvirt and QEMU: seen, kept as they were, and started again."""

from __future__ import annotations

import asyncio
import re

import pytest
from eve_agent.errors import ActionRefused, DomainNotFound
from eve_agent.wire.domain import Domain, DomainState, StateAction
from eve_agent.wire.spec import DomainDelete

from tests.agent.driver.making import MIB, Shop
from tests.agent.driver.rig import EventLog, FakeRig, LibvirtRig, do, prompt

PANIC = b"echo c > /proc/sysrq-trigger\n"
BITE = (
    rb"cd $(dirname $(grep -l 0x25ab /sys/bus/pci/devices/*/device)); "
    rb"printf '\004\000' | dd of=config bs=2 seek=48; printf '\002' | dd of=config bs=1 seek=104" + b"\n"
)
"""Sets the watchdog's clock to a microsecond and lets it run: it bites within seconds, and nobody feeds it."""


@pytest.fixture
def log(libvirt_rig: LibvirtRig) -> EventLog:
    return EventLog(libvirt_rig.driver)


@pytest.fixture
async def machine(libvirt_rig: LibvirtRig) -> Domain:
    """One that Eve made, with a system in it that boots in seconds; off."""
    made = await Shop(libvirt_rig.driver).machine(memory_bytes=192 * MIB)
    await asyncio.to_thread(libvirt_rig.sandbox.give_system, str(made.uuid))
    return made


async def power(rig: LibvirtRig | FakeRig, machine: Domain, action: StateAction) -> DomainState:
    return (await rig.driver.change_state(machine.uuid, action)).state


@pytest.mark.timeout(400)
async def test_what_panics_is_kept_as_it_was_until_somebody_starts_resets_or_stops_it(
    libvirt_rig: LibvirtRig, machine: Domain, log: EventLog
):
    rig = libvirt_rig
    assert await power(rig, machine, StateAction.START) is DomainState.RUNNING
    await do(rig, machine.uuid, PANIC, until=b"sysrq")
    told = await log.wait_for_state(machine.uuid, DomainState.CRASHED, seconds=30)
    assert told.domain is not None
    assert told.domain.reason == "panicked"
    assert (await rig.driver.screenshot(machine.uuid)).data
    for action in (StateAction.RESUME, StateAction.SHUTDOWN, StateAction.SUSPEND, StateAction.REBOOT):
        with pytest.raises(ActionRefused, match="start, reset or stop it"):
            await rig.driver.change_state(machine.uuid, action)

    assert await power(rig, machine, StateAction.RESET) is DomainState.RUNNING
    log.events.clear()
    await do(rig, machine.uuid, PANIC, until=b"sysrq")
    await log.wait_for_state(machine.uuid, DomainState.CRASHED, seconds=30)

    assert await power(rig, machine, StateAction.START) is DomainState.RUNNING
    assert await power(rig, machine, StateAction.START) is DomainState.RUNNING
    await crash(rig, machine, log)
    assert await power(rig, machine, StateAction.STOP) is DomainState.OFF
    assert await power(rig, machine, StateAction.START) is DomainState.RUNNING
    await crash(rig, machine, log)
    assert (await rig.driver.delete_domain(machine.uuid, DomainDelete())).was_there
    with pytest.raises(DomainNotFound):
        await rig.driver.domain(machine.uuid)


async def crash(rig: LibvirtRig, machine: Domain, log: EventLog) -> None:
    """As its kernel would, before it has one: writes to the port of the panic device."""
    log.events.clear()
    await rig.virsh("qemu-monitor-command", str(machine.uuid), "--hmp", "o /b 0x505 1")
    await log.wait_for_state(machine.uuid, DomainState.CRASHED, seconds=30)


def give_watchdog(rig: LibvirtRig, machine: Domain) -> None:
    """As staff would by ``virsh edit``."""
    text = rig.sandbox.virsh("dumpxml", str(machine.uuid), "--inactive")
    text = re.sub("<watchdog.*?(/>|</watchdog>)", "", text, flags=re.DOTALL)
    rig.sandbox.define(text.replace("</devices>", "<watchdog model='i6300esb' action='pause'/></devices>"))


@pytest.mark.timeout(300)
async def test_what_hangs_is_stopped_by_its_watchdog_and_runs_again_after_a_reset(
    libvirt_rig: LibvirtRig, machine: Domain, log: EventLog
):
    rig = libvirt_rig
    await asyncio.to_thread(give_watchdog, rig, machine)
    await power(rig, machine, StateAction.START)
    await do(rig, machine.uuid, BITE, until=b"records")
    told = await log.wait_for_state(machine.uuid, DomainState.PAUSED, seconds=60)
    assert told.domain is not None
    assert told.domain.reason == "watchdog"
    assert (await rig.driver.screenshot(machine.uuid)).data

    assert await power(rig, machine, StateAction.RESET) is DomainState.RUNNING
    with await prompt(rig, machine.uuid):
        assert await power(rig, machine, StateAction.STOP) is DomainState.OFF


@pytest.mark.parametrize(
    ("state", "reason"), [(DomainState.CRASHED, "panicked"), (DomainState.PAUSED, "crashed"), (DomainState.OFF, "")]
)
async def test_the_made_up_hypervisor_does_the_same(fake_rig: FakeRig, state: DomainState, reason: str):
    machine = fake_rig.driver.change(await fake_rig.make("web"), state=state, reason=reason)
    assert await power(fake_rig, machine, StateAction.START) is DomainState.RUNNING
    if state is not DomainState.OFF:
        fake_rig.driver.change(machine.uuid, state=state, reason=reason)
        with pytest.raises(ActionRefused):
            await fake_rig.driver.change_state(machine.uuid, StateAction.RESUME)
        assert await power(fake_rig, machine, StateAction.RESET) is DomainState.RUNNING
