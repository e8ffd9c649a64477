"""The main job: a console in the browser, end to end."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from .conftest import World
from .screen import lit_pixels, type_line, wait_for_lit, wait_for_screen

Browse = Callable[..., Page]
Picture = Callable[[Page, str], None]

OLIVIA, OSCAR, VERA = "olivia@acme.example", "oscar@acme.example", "vera@acme.example"
OTTO, THEO, HERA = "otto@otto.example", "theo@eve.example", "hera@eve.example"


def test_what_is_typed_runs_in_the_guest(world: World, browse: Browse, picture: Picture) -> None:
    page = browse(OLIVIA)
    page.goto(world.vm_url)
    link = page.locator('a[href$="/console/"]:visible').first
    link.evaluate("link => link.removeAttribute('target')")
    link.click()
    wait_for_screen(page)
    type_line(page, "echo typed-in-the-browser > /dev/ttyS0")
    world.guest_wrote("typed-in-the-browser")
    full = lit_pixels(page)
    type_line(page, "clear")
    wait_for_lit(page, lambda lit: 50 < lit < full / 3)
    cleared = lit_pixels(page)
    type_line(page, "ls /bin")
    wait_for_lit(page, lambda lit: lit > cleared * 3)
    picture(page, "console")


def test_a_picture_of_the_screen_is_saved(world: World, browse: Browse) -> None:
    page = browse(VERA, viewport={"width": 760, "height": 400})
    page.goto(world.console_url)
    wait_for_screen(page)
    page.click("#picture-menu summary")
    with page.expect_download() as saving:
        page.click('#bar [data-do="screenshot"]')
    assert re.fullmatch(rf"{world.vm_name} [0-9-]{{10}} [0-9.]{{8}}\.png", saving.value.suggested_filename)
    with Image.open(saving.value.path()) as saved:
        size = page.locator("#screen canvas").evaluate("canvas => [canvas.width, canvas.height]")
        assert (saved.format, list(saved.size)) == ("PNG", size), "whole, however small the window"
    expect(page.locator("#progress")).to_contain_text("is saved")
    expect(page.locator("#disc-menu")).to_have_count(0)
    world.house.stop_agent()
    expect(page.locator("#state")).to_contain_text("Unknown", timeout=20_000)
    page.click("#picture-menu summary")
    page.click('#bar [data-do="screenshot"]')
    expect(page.locator("#progress")).to_contain_text("does not answer", timeout=20_000)
    world.house.start_agent()


def test_a_second_viewer_watches_and_cannot_type(world: World, browse: Browse) -> None:
    owner, viewer = browse(OLIVIA), browse(VERA)
    owner.goto(world.console_url)
    wait_for_screen(owner)
    viewer.goto(world.console_url)
    wait_for_screen(viewer)
    type_line(viewer, "echo a-viewer-typed > /dev/ttyS0")
    type_line(owner, "echo the-owner-typed > /dev/ttyS0")
    world.guest_wrote("the-owner-typed")
    with pytest.raises(Exception, match="a-viewer-typed"):
        world.guest_wrote("a-viewer-typed", seconds=2)
    expect(viewer.locator("#power-menu")).to_have_count(0)
    wait_for_screen(owner)


@pytest.mark.parametrize("email", [OTTO, THEO])
def test_what_is_not_theirs_is_not_there(world: World, browse: Browse, email: str) -> None:
    page = browse(email)
    for url in (world.vm_url, world.console_url):
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == 404
    page.goto(f"{world.house.url}/vms/")
    expect(page.get_by_text(world.vm_name)).to_have_count(0)
    token = world.house.token(email)
    assert world.house.api("GET", "/vms", token=token).json()["results"] == []
    assert world.house.api("GET", "/hypervisors", token=token).status_code in (200, 404)
    assert world.vm_name not in world.house.api("GET", "/hypervisors", token=token).text


def test_power_from_the_console_page(world: World, browse: Browse, picture: Picture) -> None:
    page = browse(OSCAR)
    token = world.house.token(OSCAR)
    page.goto(world.console_url)
    wait_for_screen(page)
    type_line(page, "echo before-the-power-cycle > /dev/ttyS0")
    world.guest_wrote("before-the-power-cycle")
    page.click("#power-menu summary")
    page.click('[data-power="stop"]')
    page.locator("#confirm [data-yes]").click()
    expect(page.locator('#card [data-do="start"]')).to_be_visible(timeout=15_000)
    expect(page.locator("#card")).to_contain_text(
        re.compile("Oscar.* stopped it (just now|[0-9]+ seconds ago)"), timeout=5_000
    )
    picture(page, "console-off")
    world.house.wait_state(world.vm_id, "off", token)
    page.locator('#card [data-do="start"]').click()
    wait_for_screen(page, seconds=60)
    world.house.wait_state(world.vm_id, "running", token)
    world.guest_wrote_since("before-the-power-cycle", f"{world.vm_name}:~#", seconds=60)
    type_line(page, "echo after-the-power-cycle > /dev/ttyS0")
    world.guest_wrote("after-the-power-cycle", seconds=60)


def test_a_start_from_the_serial_line(world: World, browse: Browse) -> None:
    page, token = browse(OSCAR), world.house.token(OSCAR)
    world.house.api("PATCH", f"/vms/{world.vm_id}/state", token=token, json={"action": "stop"})
    world.house.wait_state(world.vm_id, "off", token)
    page.goto(f"{world.console_url}serial/")
    expect(page.locator("#card")).to_contain_text("serial line opens here", timeout=15_000)
    page.locator('#card [data-do="start"]').click()
    expect(page.locator("body")).to_have_attribute("data-phase", "connected", timeout=60_000)
    world.house.wait_state(world.vm_id, "running", token)
    world.guest_wrote(":~#", seconds=60)


def test_ctrl_alt_del_reaches_the_guest(world: World, browse: Browse) -> None:
    viewer, page = browse(VERA), browse(OSCAR)
    viewer.goto(world.console_url)
    wait_for_screen(viewer)
    expect(viewer.locator('[data-do="ctrl-alt-del"], [data-press]')).to_have_count(0)
    page.goto(world.console_url)
    wait_for_screen(page)
    type_line(page, "echo before-ctrl-alt-del > /dev/ttyS0")
    world.guest_wrote("before-ctrl-alt-del")
    page.click('#bar [data-do="ctrl-alt-del"]')
    world.guest_wrote("reboot: Restarting system")  # the guest's init does what its ctrlaltdel line says
    world.guest_wrote_since("before-ctrl-alt-del", f"{world.vm_name}:~#", seconds=60)
    wait_for_screen(page)


def test_who_is_watching(
    world: World, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]]
) -> None:
    owner, operator, staff, onlooker = browse(OLIVIA), browse(OSCAR), browse(HERA), browse(OLIVIA)
    owner.goto(world.console_url)
    wait_for_screen(owner)
    staff.goto(f"{world.house.url}/manage/consoles/")
    expect(staff.locator("#consoles tbody tr")).to_have_count(1)
    onlooker.goto(world.vm_url)
    expect(onlooker.locator("#vm-viewers li")).to_have_count(1)

    operator.goto(world.console_url)
    wait_for_screen(operator)
    since = time.monotonic()
    expect(owner.locator("#progress")).to_contain_text("Oscar Operator is watching", timeout=3_000)
    expect(owner.locator("[data-viewer-count]")).to_have_text("2", timeout=1_000)
    expect(staff.locator("#consoles tbody tr")).to_have_count(2, timeout=3_000)
    expect(onlooker.locator("#vm-viewers li")).to_have_count(2, timeout=3_000)
    assert time.monotonic() - since < 5
    picture(staff, "manage-consoles")
    picture(onlooker, "vm-viewers")
    assert accessibility_faults(staff) == []
    assert accessibility_faults(onlooker) == []

    owner.click("#viewers-menu summary")
    oscars = owner.locator("#viewers li", has_text="Oscar")
    oscars.locator('[data-viewer="take"]').click()
    expect(operator.locator("#progress")).to_contain_text("look only", timeout=3_000)
    expect(operator.locator('[data-do="view-only"]')).to_have_attribute("aria-checked", "true")
    picture(owner, "console-viewers")
    assert accessibility_faults(owner) == []
    type_line(operator, "echo oscar-looks-only > /dev/ttyS0")
    owner.click("#viewers-menu summary")
    owner.click("#viewers-menu summary")
    oscars.locator('[data-viewer="give"]').click()
    expect(operator.locator("#progress")).to_contain_text("You have the keyboard", timeout=3_000)
    expect(owner.locator('[data-do="view-only"]')).to_have_attribute("aria-checked", "true", timeout=3_000)
    type_line(operator, "echo oscar-has-the-keyboard > /dev/ttyS0")
    world.guest_wrote("oscar-has-the-keyboard")
    with pytest.raises(Exception, match="oscar-looks-only"):
        world.guest_wrote("oscar-looks-only", seconds=1)

    staff.locator("#consoles tbody tr", has_text="Oscar").locator("button").click()
    staff.locator("#confirm [data-yes]").click()
    expect(operator.locator("#card")).to_contain_text("ended", timeout=5_000)
    expect(onlooker.locator("#vm-viewers li")).to_have_count(1, timeout=3_000)
    expect(owner.locator("[data-viewer-count]")).to_have_text("1", timeout=3_000)


def test_the_serial_console(
    world: World, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]]
) -> None:
    owner, operator, viewer = browse(OLIVIA), browse(OSCAR), browse(VERA)
    violations: list[str] = []
    owner.on("console", lambda message: violations.append(message.text) if "Content Security" in message.text else None)
    owner.goto(world.console_url)
    owner.click(".kinds a:not([aria-current])")
    lines = ".xterm-rows"
    expect(owner.locator("body")).to_have_attribute("data-phase", "connected", timeout=20_000)
    owner.keyboard.type("echo owner-$((40+2))")
    owner.keyboard.press("Enter")
    expect(owner.locator(lines)).to_contain_text("owner-42", timeout=10_000)
    owner.click("[data-do=size]")
    owner.keyboard.type("stty size")
    owner.keyboard.press("Enter")
    rows = owner.locator(f"{lines} > div").count()
    answers = re.compile(rf"stty rows {rows} cols (\d+).*stty size\s*{rows} \1(?!\d)")
    expect(owner.locator(lines)).to_contain_text(answers, timeout=10_000)
    picture(owner, "console-serial")
    assert accessibility_faults(owner) == []
    assert violations == []

    viewer.goto(f"{world.console_url}serial/")
    expect(viewer.locator("#card")).to_contain_text("Somebody else has the serial console", timeout=10_000)
    expect(viewer.locator('[data-do="force"]')).to_have_count(0)
    operator.goto(f"{world.console_url}serial/")
    expect(operator.locator("#card")).to_contain_text("Somebody else has the serial console", timeout=10_000)
    expect(operator.locator("#card-body p:visible")).to_have_count(1)  # it is said once
    picture(operator, "console-serial-busy")
    operator.click('[data-do="force"]')
    expect(owner.locator("#card")).to_contain_text("took the serial console over", timeout=5_000)
    expect(operator.locator("body")).to_have_attribute("data-phase", "connected", timeout=20_000)
    operator.keyboard.type("echo operator-$((40+3))")
    operator.keyboard.press("Enter")
    expect(operator.locator(lines)).to_contain_text("operator-43", timeout=10_000)

    world.house.stop_agent()
    expect(operator.locator("#card")).to_be_visible(timeout=10_000)
    world.house.start_agent()
    expect(operator.locator("body")).to_have_attribute("data-phase", "connected", timeout=45_000)
    expect(operator.locator(lines)).to_contain_text("connected again", timeout=10_000)
    expect(operator.locator(lines)).to_contain_text("operator-43")
    world.house.api("DELETE", f"/consoles/{sessions_of(world, OSCAR)[0]}", token=world.house.token(HERA))
    expect(operator.locator("#card")).to_contain_text("ended", timeout=5_000)
    expect(operator.locator(lines)).not_to_contain_text("operator-43")


def sessions_of(world: World, email: str) -> list[str]:
    """The open ones."""
    answer = world.house.api("GET", "/consoles", token=world.house.token(email), params={"open": "true"})
    return [row["session"] for row in answer.json()["results"] if row["user"] == email]


@pytest.mark.parametrize("mode", ["view", "control"])
def test_a_guest_without_an_account(
    world: World,
    browse: Browse,
    browser: Browser,
    picture: Picture,
    accessibility_faults: Callable[[Page], list[str]],
    mode: str,
) -> None:
    owner = browse(OLIVIA)
    owner.goto(f"{world.vm_url}links/")
    owner.fill("#link-label", "Zoë of the supplier")
    owner.select_option("#link-mode", mode)
    owner.click("aside button[type=submit]")
    address = owner.locator("#made-link").inner_text()
    picture(owner, "vm-guest-links")
    assert accessibility_faults(owner) == []

    asked: list[str] = []
    visitor = browser.new_context().new_page()
    visitor.on("request", lambda request: asked.append(f"{request.url} {request.headers.get('referer', '')}"))
    visitor.goto(address)
    assert visitor.evaluate("location.hash") == "", "the secret is out of the address bar"
    picture(visitor, f"guest-door-{mode}")
    assert accessibility_faults(visitor) == []
    visitor.fill("#guest-name", "Zoë Guest")
    visitor.click("#door button[type=submit]")
    wait_for_screen(visitor)
    assert not [line for line in asked if address.partition("#")[2] in line]
    assert world.vm_id not in visitor.url
    picture(visitor, f"guest-console-{mode}")
    assert accessibility_faults(visitor) == []

    owner.goto(world.console_url)
    wait_for_screen(owner)
    expect(owner.locator("[data-viewer-count]")).to_have_text("2")
    owner.click("#viewers-menu summary")
    expect(owner.locator("#viewers li", has_text="Zoë Guest")).to_contain_text("guest")
    mark = f"typed-by-a-guest-{mode}"
    visitor.evaluate("document.querySelector('#screen canvas').focus()")
    type_line(visitor, f"echo {mark} > /dev/ttyS0")
    if mode == "control":
        world.guest_wrote(mark)
        owner.locator("#viewers li", has_text="Zoë Guest").locator('[data-viewer="take"]').click()
        expect(visitor.locator("#progress")).to_contain_text("look only", timeout=10_000)
        expect(visitor.locator('#bar [data-do="ctrl-alt-del"]')).to_be_disabled()
    else:
        with pytest.raises(Exception, match=mark):
            world.guest_wrote(mark, seconds=2)

    owner.goto(f"{world.vm_url}links/")
    owner.locator("tbody tr", has_text="Zoë").first.locator("button").click()
    owner.locator("#confirm [data-yes]").click()
    expect(visitor.locator("#card")).to_contain_text("Your invitation has ended", timeout=5_000)
    expect(visitor.locator("#card-body p:visible")).to_have_count(1)
    picture(visitor, f"guest-ended-{mode}")
    assert visitor.goto(visitor.url).status == 404
    visitor.goto(address)
    visitor.fill("#guest-name", "Zoë Guest")
    visitor.click("#door button[type=submit]")
    expect(visitor.get_by_text("This link opens nothing")).to_be_visible()
    visitor.context.close()


@pytest.mark.parametrize("way", ["host", "screen"])
def test_a_text_is_typed(
    world: World, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]], way: str
) -> None:
    page = browse(OSCAR)
    page.goto(world.console_url)
    wait_for_screen(page)
    page.click('#bar [data-dialog="type-text"]')
    page.fill("#type-words", f"echo 'Typed_{way}: {{[(|\\~#$%&*\"^)]}}' > /dev/ttyS0\n")
    page.check(f'input[name="way"][value="{way}"]')
    assert accessibility_faults(page) == []
    picture(page, "console-type-text")
    page.click("#type-text [data-begin]")
    expect(page.locator("#typing-bar")).to_be_visible()
    expect(page.locator("#type-text")).to_be_hidden()
    world.guest_wrote(f'Typed_{way}: {{[(|\\~#$%&*"^)]}}')
    expect(page.locator("#typing-bar")).to_be_hidden()
    expect(page.locator("#progress")).to_contain_text("are typed")

    page.click('#bar [data-dialog="type-text"]')
    page.fill("#type-words", "#" + "a" * 4000)
    page.click("#type-text [data-begin]")
    expect(page.locator("#typing-bar")).to_contain_text("of 4001")
    picture(page, "console-typing")
    page.click("#typing-bar [data-stop]")
    expect(page.locator("#progress")).to_contain_text("Stopped after")
    world.sandbox.virsh("send-key", world.vm_id, "--codeset", "linux", "KEY_LEFTCTRL", "KEY_C")

    page.click('#bar [data-dialog="type-text"]')
    page.fill("#type-words", "naïve")
    page.click("#type-text [data-begin]")
    expect(page.locator("#type-error")).to_contain_text("does not have: ï")
    page.select_option("#type-layout", "fr")
    page.keyboard.press("Escape")
    page.reload()
    assert page.locator("#type-layout").input_value() == "us", "the keyboard that was used last"


SLOW_LINE = """
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
        if (data === "ping") setTimeout(() => send.call(this, data), 400);
        else send.call(this, data);
    };
"""


def test_the_bar_tells_how_far_away_eve_is(
    world: World, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]]
) -> None:
    page = browse(OLIVIA, viewport={"width": 1440, "height": 1000})
    page.goto(world.console_url)
    wait_for_screen(page)
    line = page.locator("#bar > [data-latency]")
    words = line.locator("[data-latency-words]")
    expect(words).to_have_text(re.compile(r"^\d+ ms$"))
    expect(line).to_have_accessible_name(re.compile(r"^\d+ ms to Eve and back\. Test the way$"))
    expect(line).to_have_attribute("href", f"/vms/{world.vm_id}/doctor/")
    expect(line).to_have_attribute("data-bars", re.compile("[34]"))
    assert accessibility_faults(page) == []
    picture(page, "console-line")

    page.add_init_script(SLOW_LINE)
    page.reload()
    wait_for_screen(page)
    expect(words).to_have_text(re.compile(r"^Slow line, [4-9]\d\d ms$"))
    expect(line).to_have_attribute("data-bars", "1")
    assert accessibility_faults(page) == []
    picture(page, "console-line-slow")
    world.house.stop_eve()
    expect(line).to_be_hidden()  # what is not known is not told
    world.house.start_eve()
    expect(line).to_be_visible(timeout=20_000)


def test_the_screen_fits_the_window_or_is_shown_one_to_one(world: World, browse: Browse) -> None:
    page = browse(OLIVIA, viewport={"width": 600, "height": 400})
    page.goto(world.console_url)
    wait_for_screen(page)
    canvas, button = page.locator("#screen canvas"), page.locator('[data-do="scale"]')

    def widths() -> tuple[float, float]:
        """Of the guest's screen, and as it is shown."""
        box = canvas.bounding_box()
        assert box is not None
        return float(canvas.evaluate("canvas => canvas.width")), box["width"]

    own, shown = widths()
    assert own > 600 >= shown > 300, "scaled down to the window"
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    own, shown = widths()
    assert shown == own
    reach = "stage => { stage.scrollLeft = 1e6; return stage.scrollLeft }"
    assert max(page.locator("#stage").evaluate(reach), page.locator("#screen > div").evaluate(reach)) > 0, (
        "the rest can be reached"
    )
    page.reload()
    wait_for_screen(page)
    assert widths() == (own, own), "the choice is remembered"
    button.click()
    page.set_viewport_size({"width": 500, "height": 700})
    deadline = time.monotonic() + 10
    while widths()[1] > 500:
        assert time.monotonic() < deadline, widths()
        page.wait_for_timeout(50)


def test_the_way_out_of_the_screen_is_no_letter_of_a_keyboard_with_altgr(world: World, browse: Browse) -> None:
    page = browse(OLIVIA)
    page.goto(world.console_url)
    wait_for_screen(page)
    has_focus = "document.activeElement.tagName"
    page.locator("#screen canvas").click()
    page.evaluate(
        """() => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {
            key: "Shift", code: "ShiftLeft", ctrlKey: true, altKey: true, shiftKey: true, modifierAltGraph: true, bubbles: true,
        }))"""
    )
    assert page.evaluate(has_focus) == "CANVAS", "as Windows tells of AltGr with Shift"
    page.keyboard.press("Control+Alt+Shift")
    expect(page.locator("#progress")).to_contain_text("keyboard is this page's again")
    assert page.evaluate(has_focus) != "CANVAS"


def test_full_screen(world: World, browse: Browse) -> None:
    page = browse(OLIVIA)
    page.goto(world.console_url)
    wait_for_screen(page)
    button = page.locator('[data-do="full-screen"]')
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.fullscreenElement.contains(document.querySelector('#screen canvas'))")
    type_line(page, "echo in-full-screen > /dev/ttyS0")
    world.guest_wrote("in-full-screen")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("document.fullscreenElement === null")
    wait_for_screen(page)


def test_a_logout_in_one_tab_ends_the_console_in_the_other(world: World, browse: Browse, picture: Picture) -> None:
    page = browse(OLIVIA)
    page.goto(world.console_url)
    wait_for_screen(page)
    other = page.context.new_page()
    other.goto(world.house.url)
    other.evaluate("document.querySelector('form[action=\"/logout/\"]').submit()")
    started = time.monotonic()
    expect(page.locator("#card")).to_be_visible(timeout=5_000)
    assert time.monotonic() - started < 5
    expect(page.locator("#card")).to_contain_text("ended", ignore_case=True)
    picture(page, "console-ended")


def test_the_console_survives_libvirtd(world: World, browse: Browse) -> None:
    page = browse(OLIVIA)
    page.goto(world.console_url)
    wait_for_screen(page)
    world.sandbox.kill()
    try:
        type_line(page, "echo without-libvirtd > /dev/ttyS0")
        world.guest_wrote("without-libvirtd")
        expect(page.locator("#card")).to_be_hidden()
    finally:
        world.sandbox.start()
    token = world.house.token(OLIVIA)
    world.house.manage("hypervisor_wait", "hv1", "--seconds", "30")
    world.house.wait_state(world.vm_id, "running", token)


@pytest.mark.parametrize("what", ["eve", "eve killed", "agent"])
def test_the_console_comes_back_after_a_restart(world: World, browse: Browse, what: str) -> None:
    page = browse(OLIVIA)
    page.goto(world.console_url)
    wait_for_screen(page)
    if what == "agent":
        world.house.stop_agent()
        world.house.start_agent()
    else:
        world.house.stop_eve(signal.SIGKILL if what == "eve killed" else signal.SIGTERM)
        expect(page.locator("#card")).to_be_visible(timeout=10_000)
        world.house.start_eve()
    expect(page.locator("#card")).to_be_hidden(timeout=45_000)
    wait_for_screen(page)
    mark = f"back-after-{what.replace(' ', '-')}"
    type_line(page, f"echo {mark} > /dev/ttyS0")
    world.guest_wrote(mark)


def test_virsh_shows_in_the_open_page(world: World, browse: Browse) -> None:
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/")
    expect(page.get_by_text("Running", exact=False).first).to_be_visible()
    world.sandbox.virsh("suspend", world.vm_id)
    try:
        expect(page.get_by_text("Paused", exact=False).first).to_be_visible(timeout=3_000)
    finally:
        world.sandbox.virsh("resume", world.vm_id)
    expect(page.get_by_text("Paused")).to_have_count(0, timeout=3_000)
