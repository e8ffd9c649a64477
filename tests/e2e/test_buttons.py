"""Buttons of a machine, an image and a found domain that no other test presses, and what comes of them on the host."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .test_faults import MAC, made, network_there, remove
from .test_journeys import power
from .test_machines import OPERATION_MS

OLIVIA, HERA = "olivia@acme.example", "hera@eve.example"
GIB = 2**30


@pytest.mark.timeout(300)
def test_grow_and_add_the_card(world: World, browse: Callable[..., Page]) -> None:
    token = world.house.token(OLIVIA)
    vm_id = made(world, token, "pressed-01", is_started=False)
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/vms/{vm_id}/hardware/")
    disks = page.get_by_role("region", name="Disks")
    disks.get_by_label("New size in GiB").fill("1")
    disks.get_by_role("button", name="Grow").click()
    expect(disks.get_by_text("1 GiB", exact=True)).to_be_visible(timeout=OPERATION_MS)
    assert re.search(rf"^Capacity: +{GIB}$", world.sandbox.virsh("domblkinfo", vm_id, "vda"), re.MULTILINE)

    cards = page.get_by_role("region", name="Network cards")
    network_there(world)
    expect(cards.locator("code")).to_have_count(1)
    cards.get_by_label("Another card in").select_option(label="default")
    cards.get_by_role("button", name="Add the card").click()
    expect(cards.locator("code")).to_have_count(2, timeout=OPERATION_MS)
    assert set(cards.locator("code").all_inner_texts()) == set(MAC.findall(world.sandbox.virsh("domiflist", vm_id)))
    remove(world, token, vm_id)


@pytest.mark.timeout(300)
def test_reboot_and_reset(world: World, browse: Callable[..., Page]) -> None:
    """The first asks the guest, which says goodbye; the second does not."""
    name, goodbye = "pressed-02", "reboot: "
    vm_id = world.sandbox.start_demo(name)
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    expect(page.locator(".phead .st")).to_have_text("Running")
    power(page, "reboot")
    world.sandbox.wait_for_serial(name, goodbye)
    prompts = booted_after(world, name, goodbye)
    power(page, "reset")
    page.locator("#confirm [data-yes]").click()
    world.house.wait_until(lambda: world.sandbox.serial_text(name).count(f"{name}:~#") > prompts, "a prompt")
    assert world.sandbox.serial_text(name).count(goodbye) == 1


def booted_after(world: World, name: str, mark: str) -> int:
    """How many prompts the guest has shown, once there is one after that mark."""
    prompt = f"{name}:~#"
    world.house.wait_until(lambda: prompt in world.sandbox.serial_text(name).rpartition(mark)[2], "a prompt")
    return world.sandbox.serial_text(name).count(prompt)


@pytest.mark.timeout(300)
def test_fetch_an_image(world: World, browse: Callable[..., Page]) -> None:
    """From an address of the host's own network, which is refused, in the page's words."""
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/images/new/?how=address")
    page.get_by_label("Address", exact=True).fill(f"{world.house.url}/static/eve/logo.svg")
    page.get_by_label("Name", exact=True).fill("From within")
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_role("heading", name="From within")).to_be_visible()
    expect(page.locator("#image-state")).to_contain_text("127.0.0.1", timeout=OPERATION_MS)


@pytest.mark.timeout(300)
def test_adopt_them(world: World, browse: Callable[..., Page]) -> None:
    names = ("pressed-03", "pressed-04")
    ids = [world.sandbox.define_demo(name) for name in names]
    page = browse(HERA)
    page.goto(f"{world.house.url}/manage/drift/unknown/")
    adopt = page.get_by_role("button", name="Adopt them…")
    for name in names:
        page.get_by_role("row", name=re.compile(name)).get_by_role("checkbox").check()
    expect(page.locator("#bulk [data-count]")).to_have_text("2 chosen")
    adopt.click()
    expect(page.get_by_role("heading", name="Adopt 2 domains")).to_be_visible()
    page.get_by_role("button", name="Adopt into Acme").click()
    expect(page.get_by_text("belong to project Acme now")).to_be_visible()
    token = world.house.token(OLIVIA)
    for vm_id in ids:
        assert world.house.api("GET", f"/vms/{vm_id}", token=token).json()["project"]["id"] == world.acme
    page.goto(f"{world.house.url}/manage/drift/")
    expect(page.get_by_role("row", name=re.compile("pressed-0[34]"))).to_have_count(0)
    for vm_id in ids:
        world.sandbox.virsh("undefine", vm_id)
