"""Consoles under a thumb: a phone's bar and rows of keys, and fingers on the screen."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .fingers import FRAMES, OLIVIA, PHONE, Fingers, box_of, touched
from .screen import wait_for_screen
from .test_pages import WIDER

__all__ = ["touched"]

Browse = Callable[..., Page]
OSCAR = "oscar@acme.example"
TABLET = {**PHONE, "viewport": {"width": 1024, "height": 768}}


@pytest.fixture
def made_by_eve(world: World) -> None:
    """As if Eve had made the guest, which gives it a CD drive."""
    world.house.shell(f"from vms.models import Vm; Vm.objects.filter(pk='{world.vm_id}').update(is_made_by_eve=True)")


@pytest.mark.usefixtures("made_by_eve")
@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_reaches_the_whole_bar(world: World, browse: Browse, width: int) -> None:
    page = browse(OLIVIA, **{**PHONE, "viewport": {"width": width, "height": 780}})
    page.goto(world.console_url)
    wait_for_screen(page)
    assert page.evaluate(WIDER) <= 0
    rows = {round(box["y"]) for each in page.locator("#bar > :visible").all() if (box := each.bounding_box())}
    assert len([y for y in rows if y > 50]) >= 1
    assert max(rows) < 100, "two rows, no third"
    with page.expect_download() as saving:
        page.tap("#picture-menu summary")
        page.tap('#picture-menu [data-do="screenshot"]')
    assert saving.value.suggested_filename.endswith(".png")
    page.tap("#disc-menu summary")
    expect(page.locator("#disc-menu .menu-pop")).to_be_visible()
    isos = page.locator("#discs [data-disc], #disc-menu [data-note]:has-text('ISO')")
    expect(isos.first).to_be_visible()  # those of the site, or that there is none
    page.tap("#disc-menu summary")
    page.tap("#quality-menu summary")
    expect(page.locator("#bar > [data-latency]")).to_be_hidden()  # there is no room
    expect(page.locator("#quality-menu [data-latency-words]")).to_have_text(re.compile(r"^\d+ ms to Eve and back"))
    page.tap('[data-quality="saver"]')
    expect(page.locator('[data-quality="saver"]')).to_have_attribute("aria-pressed", "true")
    page.tap('[data-do="view-only"]')
    expect(page.locator("#progress")).to_contain_text("view only")


def test_a_phone_types_what_its_keyboard_lacks_at_the_serial_line(world: World, browse: Browse) -> None:
    page = browse(OSCAR, **PHONE)
    page.goto(f"{world.console_url}serial/")
    expect(page.locator("body")).to_have_attribute("data-phase", "connected", timeout=20_000)
    assert page.evaluate(WIDER) <= 0
    lines, held = page.locator(".xterm-rows"), page.locator('.vkeys [data-hold="Control"]')
    page.tap('.vkeys [data-do="keyboard"]')
    expect(page.locator('.vkeys [data-do="keyboard"]')).to_have_attribute("aria-pressed", "true")
    page.keyboard.type("echo up-$((20+1)); cat")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text("up-21")  # a program echoes what was typed ahead of it after what comes later
    page.keyboard.type("line-in-cat")
    expect(lines).to_contain_text("line-in-cat")  # a finger on a page that still draws would rest too long for a tap
    page.tap('.vkeys [data-press="Control+c"]')
    expect(lines).to_contain_text("^C")
    page.keyboard.type("echo out-$((40+2))x")
    expect(lines).to_contain_text("+2))x")
    page.tap('.vkeys [data-press="Left"]')
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text(re.compile(r"out-42(?!x)"), timeout=10_000)
    page.keyboard.type("echo up-$((30+1)); sleep 100")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text("up-31")
    page.tap('.vkeys [data-hold="Control"]')
    expect(held).to_have_attribute("aria-pressed", "true")
    page.keyboard.type("c")
    expect(held).to_have_attribute("aria-pressed", "false")
    page.keyboard.type("echo awake-$((40+3))")
    page.keyboard.press("Enter")
    expect(lines).to_contain_text("awake-43", timeout=10_000)
    with page.expect_download() as saving:
        page.tap('[data-do="save-text"]')
    assert re.fullmatch(rf"{world.vm_name} [0-9-]{{10}} [0-9.]{{8}}\.txt", saving.value.suggested_filename)
    assert "awake-43" in saving.value.path().read_text()
    page.tap('#bar [data-dialog="help"]')
    expect(page.locator("#help a")).to_have_attribute("href", re.compile("/doctor/$"))


def luminance(colour: str) -> float:
    """The relative luminance of a computed ``rgb(…)`` (WCAG 2)."""
    shares = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_whatever_colours_a_guest_writes_at_the_serial_line_can_be_read(world: World, browse: Browse) -> None:
    page = browse(OSCAR, **PHONE)
    page.goto(f"{world.console_url}serial/")
    expect(page.locator("body")).to_have_attribute("data-phase", "connected", timeout=20_000)
    page.tap("#line")
    page.keyboard.type("printf '\\033[34mdark-%s\\033[0m\\n' blue")
    page.keyboard.press("Enter")
    written = page.locator(".xterm-rows span", has_text=re.compile("^dark-blue$"))
    expect(written).to_be_visible()
    text = written.evaluate("(span) => getComputedStyle(span).color")
    ground = page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
    assert (luminance(text) + 0.05) / (luminance(ground) + 0.05) >= 4.5, (text, ground)


def test_a_tablet_has_a_keyboard_button(world: World, browse: Browse) -> None:
    page = browse(OLIVIA, **TABLET)
    page.goto(world.console_url)
    wait_for_screen(page)
    keys, button = page.locator(".vkeys"), page.locator('#bar [data-do="keyboard"]')
    expect(keys).to_be_hidden()
    button.tap()
    expect(keys).to_be_visible()
    page.keyboard.type("echo by-a-finger >/dev/ttyS0")
    page.keyboard.press("Enter")
    world.guest_wrote("by-a-finger")
    button.tap()
    expect(keys).to_be_hidden()


WORDS = (
    *("Power", "CD drive", "Keyboard", "Ctrl-Alt-Del", "Keys", "Type text", "Clipboard", "Fit", "Balanced", "Pictures"),
    *("Full screen", "watching", "View only", "Help"),
)


@pytest.mark.usefixtures("made_by_eve")
@pytest.mark.parametrize("width", [744, 820, 1024, 1180])
def test_a_tablet_has_words_where_it_has_no_tooltips(
    world: World, browse: Browse, picture: Callable[[Page, str], None], width: int
) -> None:
    page = browse(OLIVIA, **{**PHONE, "viewport": {"width": width, "height": 1100}})
    page.goto(world.console_url)
    wait_for_screen(page)
    assert page.evaluate(WIDER) <= 0
    for word in WORDS:
        assert box_of(page, f"#bar .tw:text-is('{word}')")["width"] > 8, word
    assert box_of(page, "#bar")["height"] < 100, "two rows, no third"
    name = page.locator("#bar .cname-text")
    assert name.evaluate("name => name.scrollWidth <= name.clientWidth"), "the machine's name is seen whole"
    picture(page, f"console-tablet-{width}")
    page.set_viewport_size({"width": 844, "height": 390})
    assert box_of(page, "#bar")["height"] < 50, "a phone on its side has no height for two"


# ------------------------------------------------------------------------------------------------ fingers on the screen


def test_a_pinch_makes_the_picture_larger_and_two_fingers_move_it(
    touched: Fingers, picture: Callable[[Page, str], None]
) -> None:
    page, fitting, scale = touched.page, box_of(touched.page), touched.page.locator('[data-do="scale"]')
    x, y = fitting["x"] + fitting["width"] / 2, fitting["y"] + fitting["height"] / 2
    touched.move([(x - 30, y), (x + 30, y)], [(x - 150, y), (x + 150, y)])
    larger = box_of(page)
    assert larger["width"] > fitting["width"] * 1.5
    assert abs(larger["height"] / larger["width"] - fitting["height"] / fitting["width"]) < 0.01
    assert abs(larger["x"] + larger["width"] / 2 - x) < 12, "what was between the fingers is there still"
    expect(scale).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(WIDER) <= 0
    picture(page, "console-phone-pinched")

    touched.move([(x - 40, y), (x + 40, y)], [(x - 140, y), (x - 60, y)])
    moved = box_of(page)
    assert abs(moved["width"] - larger["width"]) < 1
    assert larger["x"] - moved["x"] > 30
    for _again in range(2):
        touched.move([(x - 140, y), (x - 60, y)], [(x + 60, y), (x + 140, y)])
    assert abs(box_of(page)["x"] - fitting["x"]) < 2, "not past its edge"
    assert not any(touched.presses()), "the guest saw no button and no wheel"
    assert touched.keys() == [], "and no key"

    page.tap("#screen canvas", position={"x": 20, "y": 20})
    touched.wait_for(0, 1)  # one finger clicks
    touched.move([(x - 150, y), (x + 150, y)], [(x - 30, y), (x + 30, y)])
    touched.move([(x - 150, y), (x + 150, y)], [(x - 30, y), (x + 30, y)])
    assert abs(box_of(page)["width"] - fitting["width"]) < 2
    expect(scale).to_have_attribute("aria-pressed", "true")
    scale.tap()
    page.evaluate(FRAMES)
    own = page.locator("#screen canvas").evaluate("canvas => canvas.width")
    assert abs(own - box_of(page)["width"]) < 1, "1:1"
    scale.tap()
    page.evaluate(FRAMES)
    assert abs(box_of(page)["width"] - fitting["width"]) < 1


def test_a_click_lands_where_the_finger_is_however_large_the_picture(touched: Fingers) -> None:
    page, box = touched.page, box_of(touched.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touched.move([(x - 30, y), (x + 30, y)], [(x - 150, y), (x + 150, y)])
    touched.sent.clear()
    larger = box_of(page)
    page.touchscreen.tap(x, y)
    seen = touched.wait_for(1, 0)
    width = page.locator("#screen canvas").evaluate("canvas => canvas.width")
    wanted = (x - larger["x"]) * width / larger["width"], (y - larger["y"]) * width / larger["width"]
    assert all(abs(at - to) <= 2 for at, to in zip(seen, wanted, strict=True)), (seen, wanted)


def test_two_fingers_scroll_in_the_guest_while_all_of_it_is_seen(touched: Fingers) -> None:
    box = box_of(touched.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touched.move([(x - 30, y - 60), (x + 30, y - 60)], [(x - 30, y + 100), (x + 30, y + 100)])
    assert 8 in touched.presses(), "the wheel, up"
    assert abs(box_of(touched.page)["width"] - box["width"]) < 1


def test_a_finger_that_stays_is_a_right_click(touched: Fingers) -> None:
    box = box_of(touched.page)
    touched.touch("touchStart", [(box["x"] + 50, box["y"] + 50)])
    touched.wait_for(4)
    touched.touch("touchEnd", [])
    touched.wait_for(0)  # let go


def test_a_tap_on_the_screen_leaves_the_keyboard_up(world: World, touched: Fingers) -> None:
    page, button = touched.page, touched.page.locator('.vkeys [data-do="keyboard"]')
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.tap("#screen canvas", position={"x": 30, "y": 30})
    page.evaluate(FRAMES)
    expect(button).to_have_attribute("aria-pressed", "true")
    page.keyboard.type("echo still-up >/dev/ttyS0")
    page.keyboard.press("Enter")
    world.guest_wrote("still-up")
    page.tap('.vkeys [data-hold="Control"]')
    page.keyboard.type("c")
    expect(page.locator('.vkeys [data-hold="Control"]')).to_have_attribute("aria-pressed", "false")
    button.tap()
    expect(button).to_have_attribute("aria-pressed", "false")
    page.tap("#screen canvas", position={"x": 30, "y": 30})
    assert page.evaluate("document.activeElement.tagName") == "CANVAS"
