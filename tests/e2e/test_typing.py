"""Type text where nothing of a guest's system is there to help: at its firmware, and with another keyboard than us."""

from __future__ import annotations

import time
from contextlib import suppress

from .conftest import World

OSCAR = "oscar@acme.example"
PATCH = "printf '\\{low:o}\\013' | dd of=m bs=1 seek={place} conv=notrunc"
"""Gives a key of a keymap, as ``dumpkmap`` writes it, another letter: 7 bytes of magic, 256 of flags, then 2 for each key of the plain table."""
GERMAN = {21: "z", 44: "y", 40: "ä"}
"""Keys by their code in Linux: where a us keyboard has y, z and '."""


def typed(world: World, vm_id: str, text: str, *, layout: str = "us") -> None:
    """Has the host type that, and waits until it has."""
    address, token = f"/vms/{vm_id}/console/typing", world.house.token(OSCAR)
    answer = world.house.api("POST", address, token=token, json={"text": text, "layout": layout})
    assert answer.status_code == 202, answer.text
    while world.house.api("GET", address, token=token).json()["state"] == "running":
        time.sleep(0.2)


def test_a_firmware_does_as_it_is_told(world: World) -> None:
    """UEFI's own shell, before any system: what is typed there switches the machine off."""
    name = "acme-firmware"
    vm_id = world.sandbox.define_demo(name, machine="q35", firmware="uefi", memory_mib=256, nics=())
    xml = world.sandbox.virsh("dumpxml", name, "--inactive")
    start, end = xml.index("<kernel>"), xml.index("</cmdline>") + len("</cmdline>")
    world.sandbox.define(xml[:start] + xml[end:])
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    world.sandbox.virsh("start", name)
    token = world.house.token(OSCAR)
    world.house.wait_state(vm_id, "running", token)
    deadline = time.monotonic() + 120
    while world.house.vm_state(vm_id, token) != "off":  # the firmware takes a while to its shell
        assert time.monotonic() < deadline, "the firmware's shell did not switch the machine off"
        typed(world, vm_id, "\nreset -s\n")
        with suppress(AssertionError):
            world.house.wait_state(vm_id, "off", token, seconds=8)


def test_a_german_keyboard_in_a_guest_that_has_one(world: World) -> None:
    name = "acme-german"
    vm_id = world.sandbox.start_demo(name)
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    typed(world, vm_id, "cd /dev; busybox dumpkmap > /m; cd /\n")
    for code, letter in GERMAN.items():
        typed(world, vm_id, PATCH.format(low=ord(letter), place=7 + 256 + 2 * code) + "\n")
    typed(world, vm_id, "busybox loadkmap < /m; cd /dev; echo loaded > ttyS0\n")
    world.sandbox.wait_for_serial(name, "loaded", seconds=60)
    typed(world, vm_id, "echo zyä > ttyS0\n", layout="de")
    world.sandbox.wait_for_serial(name, "zyä", seconds=30)
