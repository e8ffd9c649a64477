"""The trackpad below a console's picture: fingers on it move the guest's pointer, as on a laptop."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .fingers import FRAMES, OLIVIA, PHONE, Fingers, Points, box_of, touched
from .screen import wait_for_screen
from .test_pages import WIDER

__all__ = ["touched"]

PAD, MARK = "#trackpad", ".pad-pointer"
TAP_MS = 60
AFTER_TAP_MS = 300
"""A tap's button stays down a moment, for what may follow."""


def middle(page: Page, selector: str = PAD) -> tuple[float, float]:
    box = box_of(page, selector)
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tap(fingers: Fingers, *points: tuple[float, float], then_ms: int = AFTER_TAP_MS) -> None:
    fingers.touch("touchStart", list(points))
    fingers.page.wait_for_timeout(TAP_MS)
    fingers.touch("touchEnd", [])
    fingers.page.wait_for_timeout(then_ms)


def stroke(fingers: Fingers, right: float, down: float) -> None:
    """One finger, from the trackpad's middle."""
    x, y = middle(fingers.page)
    fingers.move([(x, y)], [(x + right, y + down)])


def shown_at(page: Page) -> tuple[float, float]:
    """Where the pointer's mark is, in the guest's pixels."""
    picture, (x, y) = box_of(page), middle(page, MARK)
    scale = picture["width"] / page.locator("#screen canvas").evaluate("canvas => canvas.width")
    return (x - picture["x"]) / scale, (y - picture["y"]) / scale


def is_near(one: tuple[float, float], other: tuple[float, float], by: float = 2) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))


def test_a_finger_moves_the_pointer_from_where_it_is(
    touched: Fingers,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = touched.page
    expect(page.locator(PAD)).to_contain_text("One finger moves the pointer, tap to click")
    expect(page.locator(PAD)).to_contain_text("Hold for right click, pinch to zoom")
    screen, pad = box_of(page), box_of(page, PAD)
    assert pad["y"] >= screen["y"] + screen["height"], "below the picture, and not on it"
    stroke(touched, -80, 30)
    first = touched.pointers()
    assert {buttons for buttons, _x, _y in first} == {0}, "no button"
    assert all(after[1] <= before[1] and after[2] >= before[2] for before, after in pairwise(first)), first
    assert is_near(shown_at(page), first[-1][1:])
    stroke(touched, 60, 0)
    second = touched.pointers()
    assert first[-1][1] < second[-1][1] < first[-1][1] + 400, "from there, not from where the finger is"
    assert abs(second[-1][2] - first[-1][2]) <= 1
    assert page.evaluate(WIDER) <= 0
    picture(page, "console-phone-trackpad")
    assert accessibility_faults(page) == []
    for _again in range(6):
        stroke(touched, -170, -140)
    assert touched.pointers()[-1] == (0, 0, 0), "it stays on the screen"
    for _again in range(12):
        stroke(touched, 170, 140)
    width, height = page.locator("#screen canvas").evaluate("canvas => [canvas.width, canvas.height]")
    assert touched.pointers()[-1] == (0, width - 1, height - 1)
    assert touched.keys() == []


def test_a_slow_finger_moves_it_less_than_a_fast_one(touched: Fingers) -> None:
    x, y = middle(touched.page)
    stroke(touched, 0, 30)
    ways, before = [], touched.pointers()[-1]
    for steps in (40, 3):
        touched.move([(x, y)], [(x + 70, y)], steps=steps)
        after = touched.pointers()[-1]
        ways.append(after[1] - before[1])
        before = after
    assert ways[0] * 1.5 < ways[1], ways


def test_a_tap_clicks_where_the_pointer_is_and_two_click_twice(touched: Fingers) -> None:
    stroke(touched, 40, -40)
    pointer = touched.pointers()[-1][1:]
    box = box_of(touched.page, PAD)
    tap(touched, (box["x"] + 20, box["y"] + 20))
    seen = touched.pointers()
    assert {(x, y) for _buttons, x, y in seen} == {pointer}, "not where the finger is"
    assert presses(seen) == [1, 0]
    tap(touched, middle(touched.page), then_ms=60)
    tap(touched, middle(touched.page))
    assert presses(touched.pointers()) == [1, 0, 1, 0]


def presses(seen: list[tuple[int, int, int]]) -> list[int]:
    """The buttons, each time that they change."""
    buttons = [0, *(pressed for pressed, _x, _y in seen)]
    return [after for before, after in pairwise(buttons) if before != after]


def test_a_finger_that_stays_is_a_right_click_and_so_are_two(touched: Fingers) -> None:
    x, y = middle(touched.page)
    touched.touch("touchStart", [(x, y)])
    touched.wait_for(4, 0)
    touched.touch("touchMove", [(x + 30, y)])
    touched.touch("touchMove", [(x + 40, y)])
    touched.touch("touchEnd", [])
    touched.page.wait_for_timeout(AFTER_TAP_MS)
    assert set(touched.presses()) == {0}, "the finger moves on to the menu"
    tap(touched, (x - 40, y), (x + 40, y))
    assert presses(touched.pointers()) == [4, 0]


def test_a_tap_and_then_a_stroke_drags(touched: Fingers) -> None:
    tap(touched, middle(touched.page), then_ms=60)
    stroke(touched, 80, 30)
    seen = touched.pointers()
    assert presses(seen) == [1, 0]
    held = [x for buttons, x, _y in seen if buttons == 1]
    assert held[-1] > held[0] + 30
    stroke(touched, 20, 0)
    assert set(touched.presses()) == {0}


def test_two_fingers_scroll_where_the_pointer_is(touched: Fingers) -> None:
    fitting, (x, y) = box_of(touched.page), middle(touched.page)
    for downwards, wheel in ((90, 8), (-90, 16)):
        touched.move([(x - 30, y), (x + 30, y)], [(x - 30, y + downwards), (x + 30, y + downwards)])
        seen = touched.pointers()
        assert set(presses(seen)) == {wheel, 0}
        assert len({(x, y) for _buttons, x, y in seen}) == 1
    assert box_of(touched.page) == fitting


def test_a_pinch_makes_the_picture_larger_and_its_view_follows_the_pointer(
    touched: Fingers, picture: Callable[[Page, str], None]
) -> None:
    page, fitting = touched.page, box_of(touched.page)
    pinch(touched, 30, 130)
    larger = box_of(page)
    assert larger["width"] > fitting["width"] * 1.5
    assert not any(touched.presses()), "the guest saw no button and no wheel"
    assert box_of(page, PAD)["height"] >= 120, "the picture takes of the trackpad what it can spare"
    frame = box_of(page, ".frame")
    assert frame["y"] + frame["height"] < box_of(page, PAD)["y"]
    for right, down in ((-170, -140), (170, 140)):
        for _again in range(8):
            stroke(touched, right, down)
            mark = box_of(page, MARK)
            assert frame["x"] - 24 < mark["x"] < frame["x"] + frame["width"]
            assert frame["y"] - 24 < mark["y"] < frame["y"] + frame["height"]
        assert is_near(shown_at(page), touched.pointers()[-1][1:])
    assert abs(box_of(page)["x"] + larger["width"] - frame["width"]) < 3, "its right edge is seen"
    picture(page, "console-phone-trackpad-pinched")
    pinch(touched, 130, 30)
    pinch(touched, 130, 30)
    assert abs(box_of(page)["width"] - fitting["width"]) < 2


def pinch(fingers: Fingers, apart: float, then: float) -> None:
    x, y = middle(fingers.page)
    start: Points = [(x - apart, y), (x + apart, y)]
    fingers.move(start, [(x - then, y), (x + then, y)])


def test_a_finger_on_the_picture_clicks_there_and_takes_the_pointer_along(touched: Fingers) -> None:
    page, box = touched.page, box_of(touched.page)
    stroke(touched, 40, 20)
    touched.pointers()
    page.touchscreen.tap(box["x"] + 60, box["y"] + 50)
    place = touched.wait_for(1, 0)
    expect(page.locator(MARK)).to_have_count(0)
    tap(touched, middle(page))
    seen = touched.pointers()
    assert presses(seen) == [1, 0]
    assert is_near(seen[-1][1:], place)


def test_who_only_looks_has_no_trackpad(world: World, touched: Fingers, browse: Callable[..., Page]) -> None:
    page, pad = touched.page, touched.page.locator(PAD)
    stroke(touched, 20, 20)
    where = middle(page)
    page.tap('[data-do="view-only"]')
    expect(pad).to_be_hidden()
    expect(page.locator(MARK)).to_have_count(0)
    expect(page.locator("#progress")).to_contain_text("view only")
    touched.sent.clear()
    touched.move([where], [(where[0] + 50, where[1])])
    tap(touched, where)
    assert touched.pointers() == []
    page.tap('[data-do="view-only"]')
    expect(pad).to_be_visible()

    looking = browse("vera@acme.example", **PHONE)
    looking.goto(world.console_url)
    wait_for_screen(looking)
    expect(looking.locator(PAD)).to_have_count(0)


@pytest.mark.parametrize(
    "options",
    [
        {**PHONE, "viewport": {"width": 844, "height": 390}},
        {**PHONE, "viewport": {"width": 667, "height": 375}},
        {**PHONE, "viewport": {"width": 1024, "height": 768}},
        {"viewport": {"width": 600, "height": 900}},
    ],
    ids=["on-its-side", "small-on-its-side", "tablet-on-its-side", "mouse"],
)
def test_where_it_has_no_room_or_use_there_is_none(
    world: World, browse: Callable[..., Page], options: dict[str, object]
) -> None:
    page = browse(OLIVIA, **options)
    page.goto(world.console_url)
    wait_for_screen(page)
    page.evaluate(FRAMES)
    expect(page.locator(PAD)).to_be_hidden()
    frame, stage = box_of(page, ".frame"), box_of(page, "#stage")
    assert frame == stage, "the picture has all of it"
