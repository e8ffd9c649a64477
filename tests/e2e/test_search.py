"""The search of the top bar: by keys alone to what was found, in every look, and without scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import LOOKS, send_sign_in
from .house import ADMIN, House
from .test_pages import WIDER

GUESTS = """
from accounts.models import User
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
project = User.objects.get().personal_project
print(*(vm_adopt(discovered=each, project=project, user=None).pk for each in DiscoveredDomain.objects.order_by("name")))
"""


@pytest.fixture(scope="module")
def vm_ids(made_up_home: House) -> list[str]:
    """The guests of the host, by name."""
    return made_up_home.shell(GUESTS).strip().splitlines()[-1].split()


def test_keys_lead_to_what_was_found(
    made_up_home: House, open_as: Callable[..., Page], picture: Callable[[Page, str], None], vm_ids: list[str]
) -> None:
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/vms/")
    page.locator("main").focus()
    page.keyboard.press("/")
    box, found = page.get_by_role("searchbox", name="Search everything"), page.locator("#found")
    expect(box).to_be_focused()
    page.keyboard.type("fake-")
    expect(found.get_by_role("link", name="fake-0002")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("found")
    page.keyboard.press("Escape")
    expect(found).to_be_hidden()
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(found.get_by_role("link", name="fake-0002")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/vms/{vm_ids[0]}/")

    # A field keeps the key for itself; Enter in the box leads to the page; whoever goes elsewhere is not followed.
    page.locator("main").focus()
    page.keyboard.press("/")
    page.keyboard.type("a/b")
    expect(box).to_have_value("a/b")
    expect(found).to_contain_text("Nothing found")
    page.locator("h1").click()
    expect(found).to_be_hidden()
    box.fill("audit")
    box.press("Enter")
    page.wait_for_url("**/search/?q=audit")
    expect(page.locator("main").get_by_role("link", name="Audit")).to_be_visible()

    page.set_viewport_size({"width": 1000, "height": 800})  # where the box has no room, the key opens it
    expect(box).to_be_hidden()
    page.locator("main").focus()
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("fake-")
    expect(found.get_by_role("link", name="fake-0003")).to_be_visible()
    picture(page, "search-narrow")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.usefixtures("vm_ids")
def test_what_is_found_is_shown_in_every_look(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    page = open_as(ADMIN, look)
    page.goto(f"{made_up_home.url}/vms/")
    if look == "phone":
        page.get_by_role("button", name="Search everything").tap()
    box = page.get_by_role("searchbox", name="Search everything")
    box.press_sequentially("e")
    expect(page.locator("#found").get_by_role("link", name="fake-0001")).to_be_visible()
    assert page.evaluate(WIDER) <= 0
    picture(page, f"search-{look}")
    assert accessibility_faults(page) == []
    box.fill("no such thing")
    expect(page.locator("#found")).to_contain_text("Nothing found")
    picture(page, f"search-nothing-{look}")
    assert accessibility_faults(page) == []


@pytest.mark.usefixtures("vm_ids")
def test_it_works_without_scripts(made_up_home: House, browser: Browser, picture: Callable[[Page, str], None]) -> None:
    with browser.new_context(**LOOKS["phone"], java_script_enabled=False) as context:
        page = context.new_page()
        send_sign_in(page, made_up_home, ADMIN)
        page.get_by_role("button", name="Search everything").tap()
        page.get_by_role("searchbox", name="Search everything").fill("fake-0003")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search/?q=fake-0003")
        picture(page, "search-page-phone")
        page.locator("main").get_by_role("link", name="fake-0003").tap()
        expect(page.get_by_role("heading", name="fake-0003", level=1)).to_be_visible()
