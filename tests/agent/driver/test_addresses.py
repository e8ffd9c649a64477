"""The addresses of a guest that has no agent: real networks and bridges, a real DHCP client in the guest, the kernel's own table."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from eve_agent.wire import codec
from eve_agent.wire.guest import AddressSource, GuestInfo

from tests.agent.driver.making import MAC, nic
from tests.agent.driver.rig import LibvirtRig, do
from tests.services.libvirt import LibvirtSandbox

SECONDS = 60.0
SOURCES = str(Path("agent/src").resolve())
BRIDGE = "evebr1"
OTHER_MAC = "52:54:00:12:34:99"
OTHER_BRIDGE = "evebr2"
EXPECTED = {"192.0.2.7", "2001:db8::7"}
ASK = """
import asyncio, json, sys, uuid
sys.path.insert(0, sys.argv[1])
from eve_agent.driver.libvirt import LibvirtDriver
from eve_agent.wire import codec
async def main():
    driver = LibvirtDriver(sys.argv[2])
    await driver.start()
    print(json.dumps(codec.to_plain(await driver.guest_info(uuid.UUID(sys.argv[3])))))
    await driver.close()
asyncio.run(main())
"""


@pytest.fixture
def bridge(libvirt_sandbox: LibvirtSandbox) -> Iterator[LibvirtSandbox]:
    """The sandbox with a bridge that libvirt knows nothing of: no leases, a host's address of each version.

    In another one somebody has the same card's address.
    """

    def ip(*arguments: str) -> None:
        libvirt_sandbox.run_beside(["ip", *arguments])

    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", "192.0.2.1/24", "dev", BRIDGE)
    ip("address", "add", "2001:db8::1/64", "dev", BRIDGE, "nodad")
    ip("link", "set", BRIDGE, "up")
    ip("link", "add", OTHER_BRIDGE, "up", "type", "bridge")
    ip("neighbour", "add", "192.0.2.66", "lladdr", MAC, "dev", OTHER_BRIDGE)
    yield libvirt_sandbox
    for each in (BRIDGE, OTHER_BRIDGE):
        ip("link", "delete", each)


async def told_beside(rig: LibvirtRig, guest: uuid.UUID) -> GuestInfo:
    """What an agent tells that runs where libvirt does: the tables of neighbours are a network's own."""
    command = [sys.executable, "-c", ASK, SOURCES, rig.sandbox.uri, str(guest)]
    return codec.from_plain(GuestInfo, json.loads(await asyncio.to_thread(rig.sandbox.run_beside, command)))


async def test_it_is_known_by_its_lease(libvirt_rig: LibvirtRig):
    await libvirt_rig.make_network()
    guest = await libvirt_rig.define("guest", running=False, nics=())
    await libvirt_rig.driver.attach_nic(guest, nic())
    await libvirt_rig.virsh("start", str(guest))

    async with asyncio.timeout(SECONDS):
        while not (told := await libvirt_rig.driver.guest_info(guest)).addresses:  # noqa: ASYNC110  (it tells nobody)
            await asyncio.sleep(0.2)

    assert not told.has_agent
    (found,) = told.addresses
    assert (found.mac, found.prefix, found.source) == (MAC, 24, AddressSource.LEASE)
    assert found.address.startswith("192.168.222.")


@pytest.mark.timeout(200)
async def test_a_lease_does_not_hide_an_address_that_it_gave_itself(libvirt_rig: LibvirtRig):
    await libvirt_rig.make_network()
    guest = await libvirt_rig.define("guest", running=False, nics=())
    await libvirt_rig.driver.attach_nic(guest, nic())
    await libvirt_rig.virsh("start", str(guest))
    async with asyncio.timeout(SECONDS):
        while not (leased := (await libvirt_rig.driver.guest_info(guest)).addresses):  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.2)

    command = (  # its DHCP client takes away what was there before
        b"until ip address add 192.168.222.200/24 dev eth0; ping -c 1 -w 2 -I 192.168.222.200 192.168.222.1; "
        b"do sleep 1; done; echo se''en\n"
    )
    await do(libvirt_rig, guest, command, until=b"seen")

    told = await told_beside(libvirt_rig, guest)
    assert told.addresses[: len(leased)] == leased
    (found,) = told.addresses[len(leased) :]
    assert (found.address, found.mac, found.source) == ("192.168.222.200", MAC, AddressSource.ARP)


@pytest.mark.timeout(200)
async def test_in_a_bridge_of_the_hosts_it_is_known_by_both_versions_of_its_address(
    libvirt_rig: LibvirtRig, bridge: LibvirtSandbox
):
    guest = await bridged(libvirt_rig, "guest", MAC)
    other = await bridged(libvirt_rig, "other", OTHER_MAC)
    command = (
        b"ip address add 192.0.2.7/24 dev eth0; ip -6 address add 2001:db8::7/64 dev eth0; "
        b"(while :; do ping -c 1 -w 2 192.0.2.1; ping6 -c 1 -w 2 2001:db8::1; sleep 1; done) >/dev/null 2>&1 & echo se''en\n"
    )
    await do(libvirt_rig, guest, command, until=b"seen")

    async with asyncio.timeout(SECONDS):  # one that is busy may miss what the host asks now and then
        while not addresses_of(told := await told_beside(libvirt_rig, guest)) >= EXPECTED:
            assert not told.has_agent
    assert {(found.mac, found.source) for found in told.addresses} == {(MAC, AddressSource.ARP)}
    assert {address for address in addresses_of(told) if not address.startswith("fe80:")} == EXPECTED
    assert (await told_beside(libvirt_rig, other)).addresses == ()


def addresses_of(told: GuestInfo) -> set[str]:
    """The addresses alone."""
    return {found.address for found in told.addresses}


async def bridged(rig: LibvirtRig, name: str, mac: str) -> uuid.UUID:
    """A running guest with a card in the bridge."""
    guest = await rig.define(name, running=False, nics=())
    card = ("--type", "bridge", "--source", BRIDGE, "--mac", mac, "--model", "virtio", "--config")
    await rig.virsh("attach-interface", str(guest), *card)
    await rig.virsh("start", str(guest))
    return guest
