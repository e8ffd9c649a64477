"""A machine that is not made, on real libvirt and QEMU: its open page ends in words, why and what to do, and so do the bell and the line of activity."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World, open_live
from .test_faults import MIB, OLIVIA, OPERATION_SECONDS, host_there, network_there, volumes
from .test_machines import upload
from .test_no_space import IMAGE_MIB, asked, filled, freed, names

OPERATION_MS = OPERATION_SECONDS * 1000
VM_PAGE = re.compile(r"/vms/[0-9a-f-]{36}/$")
OTTO = "otto@otto.example"


def ask(world: World, page: Page, name: str, *, image: str = "") -> None:
    """Fills the wizard in, sends it, and waits for the machine's page."""
    page.goto(f"{world.house.url}/vms/new/?project={world.acme}")
    page.fill("#id_name", name)
    if image:
        page.locator("label.opt", has_text=image).click()
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.125")
    page.fill("#id_disk_gib", "1")
    page.get_by_role("button", name=f"Create {name}").click()
    page.wait_for_url(VM_PAGE)


def unmade(world: World, page: Page, name: str, why: str) -> None:
    """The page that was open says it by itself, nobody else is told, and nothing is left."""
    expect(page.get_by_role("heading", name=f"{name} was not made")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator("#vm-gone")).to_contain_text(why)
    expect(page.locator("#vm-gone")).to_contain_text("Nothing was left over")
    vm_id = page.url.rstrip("/").rpartition("/")[2]
    for email in (OLIVIA, OTTO):
        assert world.house.api("GET", f"/vms/{vm_id}", token=world.house.token(email)).status_code == 404
    assert vm_id not in world.sandbox.virsh("list", "--all", "--uuid")


@pytest.mark.timeout(400)
def test_its_image_has_vanished(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    image = upload(world, "Vanishing", data=os.urandom(MIB), format="raw")
    host_there(world)
    (file,) = world.sandbox.pool_folder.glob(f"{image}*")
    file.unlink()
    page = browse(OLIVIA, viewport={"width": 1316, "height": 914})
    ask(world, page, "bereft-01", image="Vanishing")
    unmade(world, page, "bereft-01", "Vanishing")
    address = page.url
    picture(page, "vm-not-made")

    stranger = browse(OTTO)
    stranger.goto(address)
    expect(stranger.get_by_role("heading", name="There is no such page")).to_be_visible()

    page.goto(f"{world.house.url}/activity/")
    page.get_by_text("could not make").get_by_role("link", name="bereft-01").click()
    page.wait_for_url(address)
    page.locator("#bell").click()
    page.get_by_role("link", name=re.compile("Making bereft-01 failed")).first.click()
    page.wait_for_url(address)
    page.get_by_role("link", name="Make it again").click()
    expect(page.locator("#id_name")).to_have_value("bereft-01")
    expect(page.locator("#id_memory_gib")).to_have_value("0.125")
    expect(page.get_by_text("The image that it was to be made from is not there any more.")).to_be_visible()
    page.get_by_role("button", name="Create bereft-01").click()
    expect(page.get_by_text("Choose an image, or an empty disk.")).to_be_visible()
    picture(page, "vm-made-again")


@pytest.mark.timeout(400)
def test_its_maker_cancels(world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]) -> None:
    network_there(world)
    page = browse(OLIVIA, viewport={"width": 1316, "height": 914})
    beside = page.context.new_page()
    open_live(beside, f"{world.house.url}/activity/operations/")
    row = beside.locator("#operations tr", has_text="cancelled-01")
    with world.sandbox.stopped("libvirtd"):
        ask(world, page, "cancelled-01")
        expect(row).to_contain_text("Running")
        page.locator(".op").get_by_role("button", name="Cancel").click()
        expect(page.locator(".op")).to_contain_text("It stops at the end of this step.")
    unmade(world, page, "cancelled-01", "It was cancelled before it was done.")
    picture(page, "vm-cancelled")
    expect(row).to_contain_text("It was cancelled before it was done.")
    picture(beside, "operations-own")


@pytest.mark.timeout(400)
def test_its_pool_fills_up(world: World, browse: Callable[..., Page]) -> None:
    token = world.house.token(OLIVIA)
    image = upload(world, "Sixteen more", data=os.urandom(IMAGE_MIB * MIB), format="raw")
    host_there(world)
    page = browse(OLIVIA)
    disk = {"size_bytes": IMAGE_MIB * MIB, "pool": "small"}
    body = {"name": "full-01", "vcpus": 1, "memory_bytes": 64 * MIB, "image": image, "disks": [disk], "nics": []}
    with filled(world, but_bytes=IMAGE_MIB // 2 * MIB):
        made = asked(world, token, "/vms", project=world.acme, **body)
        page.goto(f"{world.house.url}/vms/{made['id']}/")
        expect(page.locator(".op")).to_be_visible()
    unmade(world, page, "full-01", "has no room for it")
    assert names(world.sandbox.small_folder) == {"filler"}
    freed(world)


@pytest.mark.timeout(400)
def test_its_host_goes_away(world: World, browse: Callable[..., Page]) -> None:
    network_there(world)
    page = browse(OLIVIA)
    with world.sandbox.stopped("libvirtd"):
        ask(world, page, "away-01")
        expect(page.locator(".op")).to_be_visible()
        world.house.stop_agent(signal.SIGKILL)
        expect(page.locator(".op")).to_contain_text("Taking back what was begun.", timeout=OPERATION_MS)
    world.house.start_agent()
    unmade(world, page, "away-01", "does not answer")
    assert volumes(world) == []
