"""Buttons that no other test presses, and what comes of them on the host."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .test_faults import MAC, made, network_there, remove
from .test_machines import OPERATION_MS

OLIVIA = "olivia@acme.example"
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
def test_fetch_an_image(world: World, browse: Callable[..., Page]) -> None:
    """From an address of the host's own network, which is refused, in the page's words."""
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/images/new/?how=address")
    page.get_by_label("Address", exact=True).fill(f"{world.house.url}/static/eve/logo.svg")
    page.get_by_label("Name", exact=True).fill("From within")
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_role("heading", name="From within")).to_be_visible()
    expect(page.locator("#image-state")).to_contain_text("127.0.0.1", timeout=OPERATION_MS)
