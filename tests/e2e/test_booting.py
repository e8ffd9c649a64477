"""What a machine really boots from, told by the boot sectors themselves: a disc, its disk, a rescue disc; and the disc in its drive."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.services.discs import boot_disc, boot_sector

from .conftest import World
from .screen import wait_for_screen
from .test_machines import OPERATION_MS, ended, power, upload

BOOT_SECONDS = 60
LINE = re.compile(r"booted from (\S*); disk (\S*); drive (\S*) *\.(.*)")
MIB = 2**20
WINDOW = {"width": 1316, "height": 1000}


@pytest.mark.timeout(300)
def test_a_machine_made_from_an_iso_boots_it(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    """Its new disk is empty and comes first: the firmware goes on to the disc."""
    upload(world, "Setup disc", data=boot_disc("SETUP"), kind="iso", format="raw")
    page = browse("olivia@acme.example", viewport=WINDOW)
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "disc-01")
    page.locator("label.opt", has_text="Setup disc").click()
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.125")
    page.fill("#id_disk_gib", "1")
    page.get_by_role("button", name="Create disc-01").click()
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    vm_id = page.url.rstrip("/").rpartition("/")[2]
    expect(page.get_by_text("disc-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    says(world, vm_id, "SETUP", disk="", drive="SETUP")
    page.get_by_role("link", name="Console").first.click()
    wait_for_screen(page)
    picture(page, "vm-boots-a-disc")
    deleted(world, vm_id)


@pytest.mark.timeout(600)
def test_the_order_the_drive_and_a_rescue(world: World, browse: Callable[..., Page]) -> None:
    token = world.house.token("olivia@acme.example")
    system = upload(world, "Own system", data=boot_sector("SYSTEM").ljust(MIB, b"\0"), format="raw")
    for name in ("first", "second"):
        upload(world, f"The {name} disc", data=boot_disc(name.upper()), kind="iso", format="raw")
    wanted = {"name": "order-01", "vcpus": 1, "memory_bytes": 128 * MIB, "image": system, "project": world.acme}
    made = world.house.api("POST", "/vms", token=token, json={**wanted, "nics": []})
    assert made.status_code == 202, made.text
    vm_id = made.json()["id"]
    ended(world, made.json()["operation"])
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="none")

    page = browse("olivia@acme.example", viewport=WINDOW)
    page.goto(f"{world.house.url}/vms/{vm_id}/console/")
    wait_for_screen(page)
    from_the_bar(page, "The first disc", "The first disc is in the drive.")
    restarted(world, page, vm_id, ["CD drive", "Disk 1"])
    says(world, vm_id, "FIRST", disk="SYSTEM", drive="FIRST")
    restarted(world, page, vm_id, ["Disk 1", "CD drive"])
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="FIRST")
    page.goto(f"{world.house.url}/vms/{vm_id}/console/")
    wait_for_screen(page)
    from_the_bar(page, "The second disc", "The second disc is in the drive.")
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="SECOND")
    from_the_bar(page, "Eject", "The drive is empty.")
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="none")
    from_the_bar(page, "The first disc", "The first disc is in the drive.")
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="FIRST")

    page.goto(f"{world.house.url}/vms/{vm_id}/settings/")
    page.select_option("#rescue-image", label="The second disc")
    page.get_by_role("button", name="Rescue…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it and start").click()
    expect(page.get_by_text("runs the rescue system, with its disks attached.")).to_be_visible(timeout=OPERATION_MS)
    says(world, vm_id, "SECOND", disk="SYSTEM", drive="SECOND")
    page.get_by_role("button", name="End the rescue…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it and start").click()
    expect(page.get_by_text("runs its own system again.")).to_be_visible(timeout=OPERATION_MS)
    says(world, vm_id, "SYSTEM", disk="SYSTEM", drive="FIRST")
    deleted(world, vm_id)


def says(world: World, vm_id: str, system: str, *, disk: str, drive: str) -> None:
    """Waits until what runs there says that it is `system`, and sees that disk, and that disc in the drive."""
    with heard_from(world, vm_id) as wait:
        wait(lambda lines: lines[-1][:3] == (system, disk, drive))


@contextmanager
def heard_from(world: World, vm_id: str) -> Iterator[Callable[[Callable[[list[tuple[str, ...]]], bool]], None]]:
    """Waits until the lines of what runs there (tests/services/discs.py) are as they should: of each what it booted from, the disk, the disc
    in the drive, and what was typed. QEMU keeps none for whoever listens later."""
    line = os.open(world.sandbox.virsh("ttyconsole", vm_id).strip(), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard = ""

    def wait(is_so: Callable[[list[tuple[str, ...]]], bool]) -> None:
        nonlocal heard
        deadline = time.monotonic() + BOOT_SECONDS
        while not ((lines := LINE.findall(heard)) and is_so(lines)):
            assert time.monotonic() < deadline, heard[-300:]
            if select.select([line], [], [], 1)[0]:
                heard += os.read(line, 4096).decode(errors="replace")

    try:
        yield wait
    finally:
        os.close(line)


def restarted(world: World, page: Page, vm_id: str, order: list[str]) -> None:
    """Off and on again, with another boot order. A drive that is not in it is hidden from the firmware."""
    page.goto(f"{world.house.url}/vms/{vm_id}/settings/")
    for number, device in enumerate(order, 1):
        page.select_option(f"#boot-{number}", label=device)
    page.get_by_role("button", name="Change the boot order").click()
    expect(page.get_by_text("boots so from its next start on.")).to_be_visible(timeout=OPERATION_MS)
    for action, state in (("stop", "off"), ("start", "running")):
        power(world, vm_id, action)
        world.house.wait_state(vm_id, state, world.house.token())


def from_the_bar(page: Page, button: str, told: str) -> None:
    """Of the console's menu of discs."""
    menu = page.locator("#disc-menu")
    menu.locator("summary").click()
    menu.get_by_role("button", name=button).click()
    expect(page.locator("#progress")).to_have_text(told, timeout=OPERATION_MS)


def deleted(world: World, vm_id: str) -> None:
    """With its disks."""
    ended(world, world.house.api("DELETE", f"/vms/{vm_id}", token=world.house.token()).json()["operation"])
