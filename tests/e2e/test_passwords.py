"""A password that is changed, and signing out everywhere: whoever is signed in elsewhere is out at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import World, type_sign_in
from .house import PASSWORD

PERSON = """
from accounts.services import password_set, user_create
user = user_create(email=%(email)r, name="Paula Password")
password_set(user=user, password=%(password)r, by=None)
"""
NEW = "another horse, another staple 8"


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Callable[[], Page]]:
    """``fresh()``: a page of a browser of its own."""
    contexts: list[BrowserContext] = []

    def page() -> Page:
        contexts.append(browser.new_context())
        return contexts[-1].new_page()

    yield page
    for context in contexts:
        context.close()


def two_browsers(world: World, fresh: Callable[[], Page], email: str) -> tuple[Page, Page]:
    """The profile of somebody new, in two browsers."""
    world.house.shell(PERSON % {"email": email, "password": PASSWORD})
    pages = fresh(), fresh()
    for page in pages:
        type_sign_in(page, world.house, email)
        page.goto(f"{world.house.url}/profile/")
        expect(page.locator("#live")).to_have_attribute("data-open", "")
    return pages


def test_a_changed_password_ends_what_is_open_elsewhere(world: World, fresh: Callable[[], Page]) -> None:
    here, there = two_browsers(world, fresh, "paula@pass.example")
    token = world.house.token("paula@pass.example")
    change(here, "not this one")
    expect(here.get_by_text("That is not your present password.")).to_be_visible()
    change(here, PASSWORD)
    expect(here.get_by_text("Your password is changed")).to_be_visible()
    there.wait_for_url("**/login/?next=/profile/")  # by itself
    assert world.house.api("GET", "/me", token=token).status_code == 401
    assert world.house.token("paula@pass.example", NEW)


def change(page: Page, present: str) -> None:
    """Asks for the new password."""
    page.get_by_label("Present password").fill(present)
    page.get_by_label("New password").fill(NEW)
    page.get_by_label("The same again").fill(NEW)
    page.get_by_role("button", name="Change password").click()


def test_signing_out_everywhere(world: World, fresh: Callable[[], Page]) -> None:
    here, there = two_browsers(world, fresh, "pia@pass.example")
    token = world.house.token("pia@pass.example")
    here.get_by_role("button", name="Sign out everywhere…").click()
    here.locator("#confirm [data-yes]").click()
    here.wait_for_url("**/login/**")
    there.wait_for_url("**/login/?next=/profile/")  # by itself
    assert world.house.api("GET", "/me", token=token).status_code == 401
