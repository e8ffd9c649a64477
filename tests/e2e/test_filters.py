"""What narrows and orders a list: beside its search where there is room, on a phone folded away until it is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from .house import ADMIN, House

Open = Callable[..., Page]
ONE_ROW = 60
"""Pixels that a row of buttons for a thumb is high, at most."""


def height_of(page: Page, selector: str) -> float:
    """How high one element is drawn."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["height"]


def test_a_phone_folds_all_but_the_search_behind_one_button(
    open_as: Open,
    made_up_home: House,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[..., list[str]],
) -> None:
    page = open_as(ADMIN, "phone")
    page.goto(f"{made_up_home.url}/manage/audit/")
    button, outcome = page.get_by_role("button", name="Filter"), page.locator("select[name=outcome]")
    expect(page.locator("main input[name=q]")).to_be_visible()
    expect(outcome).to_be_hidden()
    assert height_of(page, ".tools") < ONE_ROW
    button.tap()
    expect(outcome).to_be_visible()
    picture(page, "filters-phone")
    assert accessibility_faults(page) == []
    page.keyboard.press("Escape")
    expect(outcome).to_be_hidden()
    button.tap()
    outcome.select_option("success")
    page.fill("input[name=from]", "2020-01-31")
    page.get_by_role("button", name="Show").tap()
    expect(page).to_have_url(re.compile(r"outcome=success&from=2020-01-31"))
    expect(button).to_have_accessible_name("Filter chosen: 2")
    expect(page.locator("#listed tbody tr").first).to_be_visible()


def test_a_phone_orders_the_machines(open_as: Open, made_up_home: House) -> None:
    page = open_as(ADMIN, "phone")
    page.goto(f"{made_up_home.url}/manage/vms/")
    page.tap(".order summary")
    page.get_by_role("link", name="By name").tap()
    expect(page).to_have_url(re.compile("sort=name"))
    expect(page.locator(".order summary")).to_have_accessible_name("Order: By name")


def test_where_there_is_room_all_of_it_stands_beside_the_search(open_as: Open, made_up_home: House) -> None:
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/manage/audit/")
    expect(page.get_by_role("button", name="Filter", exact=True)).to_be_hidden()
    for name in ("outcome", "from", "to", "sort"):
        expect(page.locator(f".tools [name={name}]")).to_be_visible()
    assert height_of(page, ".tools") < ONE_ROW
