"""A page whose live connection is cut: it says so quietly, keeps what it shows, and catches up by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World, open_live


@pytest.mark.parametrize("where", ["vm", "list"])
def test_a_page_catches_up_after_eve_was_away(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None], where: str
) -> None:
    page = browse("olivia@acme.example")
    open_live(page, world.vm_url if where == "vm" else f"{world.house.url}/vms/")
    shown = (
        page.locator("main tr", has=page.locator(f"a[href*='{world.vm_id}']"))
        if where == "list"
        else page.locator("main")
    )
    state, banner = shown.locator(".st").first, page.locator('#toasts [data-id="live"]')
    expect(state).to_contain_text("Running")
    page.evaluate("document.body.dataset.marked = 'yes'")
    world.house.stop_eve(signal.SIGKILL)
    try:
        expect(banner).to_contain_text("Not live since", timeout=15_000)
        expect(state).to_contain_text("Running")
        picture(page, f"live-lost-{where}")
        assert page.locator("#toasts > *").count() == 1, "one banner, however often it tries"
        world.sandbox.virsh("suspend", world.vm_id)
    finally:
        world.house.start_eve()
    try:
        expect(banner).to_contain_text("Live again", timeout=30_000)
        expect(state).to_contain_text("Paused", timeout=20_000)
        assert page.get_attribute("body", "data-marked") == "yes", "it was not loaded anew"
    finally:
        world.sandbox.virsh("resume", world.vm_id)
    expect(state).to_contain_text("Running", timeout=10_000)
