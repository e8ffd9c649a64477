"""The guest's clipboard on the console's page: what was copied there arrives as text, whatever it is, and only where the keyboard is too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import LOOKS, PEOPLE, send_sign_in
from .copying import CopyingDisplay, cut_text, extended
from .house import PASSWORD, House, house

OLIVIA, VERA = "olivia@acme.example", "vera@acme.example"
MIB = 1024 * 1024
SHOWN = 262_144
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def display() -> Iterator[CopyingDisplay]:
    """The screen of every guest."""
    shown = CopyingDisplay()
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, display: CopyingDisplay) -> Iterator[House]:
    """Eve with an agent of a made-up hypervisor whose guests copy."""
    with house(tmp_path_factory.mktemp("copying"), fake_console=display.address) as home:
        yield home


@pytest.fixture(scope="module")
def vm_id(home: House) -> str:
    """A machine of Acme's."""
    acme = json.loads(home.shell(PEOPLE % {"password": PASSWORD}).strip().splitlines()[-1])["acme"]
    listed = home.api("GET", "/discovered-domains", token=home.token()).json()
    domain = str(listed["results"][0]["uuid"])
    home.manage("vm_adopt", domain, "--project", acme)
    return domain


@pytest.fixture
def console(browser: Browser, home: House, vm_id: str) -> Iterator[Opened]:
    """``console(OLIVIA)``: the page of the machine's screen, connected; faults of its scripts are in `faults`."""
    contexts = []

    def opened(email: str, look: str = "light") -> Page:
        context = browser.new_context(**LOOKS[look], permissions=["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        send_sign_in(page, home, email)
        page.goto(f"{home.url}/vms/{vm_id}/console/")
        expect(page.locator("body")).to_have_attribute("data-phase", "connected")
        return page

    yield opened
    for context in contexts:
        context.close()


def frames_come(page: Page, display: CopyingDisplay) -> bool:
    """Whether the screen goes on."""
    before = display.frames
    page.wait_for_timeout(1000)
    return display.frames > before + 2


def test_what_was_copied_in_the_guest_is_copied_on(
    console: Opened,
    display: CopyingDisplay,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page, text = console(OLIVIA), "naïve\tשלום 🐧\n<b>second line</b>"
    page.click('#bar [data-dialog="clipboard"]')
    none = page.locator("#clipboard [data-none]")
    expect(none).to_contain_text("Nothing that was copied")
    picture(page, "clipboard-none")
    page.click("#clipboard .btn[data-close-dialog]")
    display.copies(text.replace("\n", "\r\n").encode())
    expect(page.locator("#progress")).to_contain_text("Text was copied in")
    expect(page.locator('#bar [data-dialog="clipboard"]')).to_have_attribute("data-news", "")
    picture(page, "clipboard-news")
    page.click('#bar [data-dialog="clipboard"]')
    expect(page.locator("#clipboard-copied")).to_have_value(text)
    expect(none).to_be_hidden()
    assert accessibility_faults(page) == []
    picture(page, "clipboard")
    page.click("[data-copy-on]")
    expect(page.locator("#clipboard")).to_be_hidden()
    expect(page.locator("#progress")).to_contain_text("Copied to this computer")
    assert page.evaluate("navigator.clipboard.readText()") == text
    expect(page.locator('#bar [data-dialog="clipboard"]')).not_to_have_attribute("data-news", "")


def test_what_is_given_comes_to_the_guest(
    console: Opened, display: CopyingDisplay, picture: Callable[[Page, str], None]
) -> None:
    page = console(OLIVIA, "phone")
    picture(page, "clipboard-phone-bar")
    page.tap('.vkeys [data-dialog="clipboard"]')
    page.fill("#clipboard-given", "für den Gast\n")
    picture(page, "clipboard-phone")
    page.tap("#clipboard button[type=submit]")
    expect(page.locator("#progress")).to_contain_text("paste it there")
    page.wait_for_timeout(500)
    assert display.got[-1] == "für den Gast\r\n".encode() + b"\0"
    page.tap('.vkeys [data-dialog="clipboard"]')
    expect(page.locator("#clipboard-given")).to_have_value("")


def test_a_hostile_guest_copies(console: Opened, display: CopyingDisplay) -> None:
    page = console(OLIVIA)
    page.evaluate("() => { window.alert = () => document.body.setAttribute('data-harm', 'done') }")
    copied = page.locator("#clipboard-copied")
    display.says(cut_text(b"<script>alert(1)</script><img src=x onerror=alert(1)>\0\x1b[2Jend"))
    expect(copied).to_have_value("<script>alert(1)</script><img src=x onerror=alert(1)>[2Jend")
    assert page.locator("#clipboard :is(script, img)").count() == 0
    display.says(cut_text(b"8" * (8 * MIB)))
    expect(copied).to_have_value("8" * SHOWN)
    expect(page.locator("[data-cut]")).not_to_have_attribute("hidden", "")
    display.copies(b"\0" * MIB + b"zeros")  # a small message that unfolds
    display.copies(b"not\xffutf-8")
    display.says(extended(1 << 28 | 1, b"no zlib"))
    for number in range(300):
        display.copies(b"%d" % number)
    expect(copied).to_have_value("299")
    assert frames_come(page, display), "the screen goes on"
    expect(page.locator("body")).not_to_have_attribute("data-harm", "done")


def test_who_only_looks_is_shown_nothing_of_it(console: Opened, display: CopyingDisplay) -> None:
    viewer = console(VERA)
    expect(viewer.locator('[data-dialog="clipboard"], #clipboard')).to_have_count(0)
    asked = display.asked
    display.copies(b"a password")
    assert frames_come(viewer, display)
    assert display.asked == asked, "nobody asked for it"
    owner = console(OLIVIA)
    owner.click('[data-do="view-only"]')
    expect(owner.locator("#progress")).to_contain_text("view only")
    display.copies(b"another password")
    assert frames_come(owner, display)
    expect(owner.locator("#clipboard-copied")).to_have_value("")
    assert display.asked == asked
