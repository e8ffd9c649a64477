"""A password in the browser: changed, forgotten and set anew by mail; and signing out everywhere. Each time whoever is elsewhere is out at once."""

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
    hear_late(here)
    change(here, PASSWORD)
    expect(here.get_by_text("Your password is changed")).to_be_visible()
    there.wait_for_url("**/login/?next=/profile/")  # by itself
    assert world.house.api("GET", "/me", token=token).status_code == 401
    assert world.house.token("paula@pass.example", NEW)


def hear_late(page: Page) -> None:
    """Answers take so long that Eve has told the page's websocket meanwhile that its session is over."""
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 1500, "downloadThroughput": -1, "uploadThroughput": -1},
    )


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


def test_a_forgotten_password_is_set_anew_by_mail(world: World, fresh: Callable[[], Page]) -> None:
    email = "petra@pass.example"
    world.house.shell(PERSON % {"email": email, "password": PASSWORD})
    page = fresh()
    page.goto(f"{world.house.url}/login/")
    page.get_by_role("link", name="Forgotten your password").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", name="Check your mail")).to_be_visible()
    words = world.mails.wait_for(email).get_content().split()
    link = next(word for word in words if "/password/set/" in word)
    page.goto(link)
    page.fill("#id_password", NEW)
    page.fill("#id_again", NEW)
    page.get_by_role("button", name="Set password").click()
    assert world.house.token(email, NEW)
    page.goto(link)
    expect(page.get_by_role("button", name="Ask for a new link")).to_be_visible()  # it opens once
