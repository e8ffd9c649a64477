"""The address of a guest that has no agent, on a real network of libvirt with a real DHCP client in the guest."""

from __future__ import annotations

import asyncio

from eve_agent.wire.guest import AddressSource

from tests.agent.driver.making import MAC, nic
from tests.agent.driver.rig import LibvirtRig

SECONDS = 60.0


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
