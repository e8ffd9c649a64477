"""Without a mouse: from the dashboard through the form of a new machine to its console; menus and dialogs give the focus back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .house import ADMIN, House

FOCUSED = """
() => {
    const at = document.activeElement;
    const label = at.labels?.[0]?.textContent ?? "";
    return [at.getAttribute("aria-label") ?? "", label, at.textContent ?? ""].map((text) => text.trim().replace(/\\s+/g, " ")).find(Boolean) ?? "";
}
"""
OUTLINE = "() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' || style.boxShadow !== 'none'; }"


def tab_to(page: Page, words: str, *, most: int = 90) -> None:
    """Presses Tab until what has the focus is called so, and can be seen to have it."""
    passed = []
    for _ in range(most):
        page.keyboard.press("Tab")
        passed.append(str(page.evaluate(FOCUSED))[:60])
        if passed[-1].startswith(words):
            assert page.evaluate(OUTLINE), f"the focus on {words} cannot be seen"
            return
    raise AssertionError(f"{words} was not reached: {passed}")


@pytest.mark.parametrize("look", ["light", "phone"])
def test_from_the_dashboard_to_a_new_machines_console(
    made_up_home: House, open_as: Callable[..., Page], look: str
) -> None:
    page = open_as(ADMIN, look)
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "New VM")
    page.keyboard.press("Enter")
    page.wait_for_url("**/vms/new/**")
    tab_to(page, "Name")
    page.keyboard.type(f"keys-{look}")
    tab_to(page, "Create")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"keys-{look}", level=1)).to_be_visible()
    expect(page.locator("[id^=vm-] .st.lg", has_text="Running").first).to_be_visible(timeout=30_000)
    page.locator("main").focus()
    tab_to(page, "Console")
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/")
    tab_to(page, "Back to keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"keys-{look}", level=1)).to_be_visible()


def test_menus_and_dialogs_give_the_focus_back(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN)
    code = (
        "from accounts.models import User; from vms.models import DiscoveredDomain; from vms.services import vm_adopt\n"
        "found = DiscoveredDomain.objects.order_by('name').first()\n"
        "print(vm_adopt(discovered=found, project=User.objects.get().personal_project, user=None).pk)"
    )
    vm_id = made_up_home.shell(code).strip().splitlines()[-1]
    page.goto(f"{made_up_home.url}/vms/{vm_id}/")
    page.locator("main").focus()
    tab_to(page, "More power actions")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(FOCUSED) == "Stop…"
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_be_visible()
    assert page.evaluate(FOCUSED) == "Keep it running"
    page.keyboard.press("Escape")
    expect(page.locator("#confirm")).to_be_hidden()
    assert page.evaluate(FOCUSED) == "More power actions"

    # Done after all: the state is told, and the focus is where one goes on.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(FOCUSED) == "Stop fake-0001"
    page.keyboard.press("Enter")
    expect(page.locator("#announce")).to_have_text("fake-0001: Off", timeout=15_000)
    assert page.evaluate("() => document.activeElement !== document.body")


def test_who_wants_little_motion_gets_little(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN, reduced_motion="reduce")
    page.goto(f"{made_up_home.url}/vms/")
    page.evaluate(
        "() => { const spin = document.createElement('i'); spin.className = 'spin'; document.querySelector('main').append(spin); }"
    )
    lasts = page.evaluate("() => getComputedStyle(document.querySelector('main > .spin')).animationIterationCount")
    assert lasts == "1"
