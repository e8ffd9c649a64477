"""The time line of a screen in an open page: real guests that start, panic, and are stopped by their watchdog."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from .conftest import World
from .screen import type_line, wait_for_screen
from .test_faults import MIB, OLIVIA, make, over, remove, until

Browse = Callable[..., Page]
Picture = Callable[[Page, str], None]

OSCAR, VERA, OTTO = "oscar@acme.example", "vera@acme.example", "otto@otto.example"
NAME = "acme-shots"
REAL_PANIC = "echo c > /proc/sysrq-trigger"
BITE = (
    "mount -t sysfs s /sys; cd $(dirname $(grep -l 0x25ab /sys/bus/pci/devices/*/device)); "
    r"printf '\004\000' | dd of=config bs=2 seek=48; printf '\002' | dd of=config bs=1 seek=104"
)
"""Sets the i6300ESB's clock to a microsecond and lets it run: it bites within seconds, and nobody feeds it."""
PANIC = "o /b 0x505 1"
"""QEMU's monitor writes what a kernel that panics writes to the port of the ISA panic device."""


@pytest.fixture(scope="module")
def guest(world: World) -> str:
    """A guest of Acme's with a panic device and a watchdog, kept as it is when it panics; off."""
    vm_id = world.sandbox.define_demo(NAME)
    xml = world.sandbox.virsh("dumpxml", NAME, "--inactive")
    xml = xml.replace("<on_crash>destroy", "<on_crash>preserve")
    xml = re.sub("<watchdog.*?(/>|</watchdog>)", "", xml, flags=re.DOTALL)
    xml = xml.replace("</devices>", "<panic model='isa'/><watchdog model='i6300esb' action='pause'/></devices>")
    world.sandbox.define(xml)
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    return vm_id


def act(world: World, guest: str, action: str, *, then: str) -> None:
    """Oscar does that to the guest, and waits until it is so."""
    token = world.house.token(OSCAR)
    answer = world.house.api("PATCH", f"/vms/{guest}/state", token=token, json={"action": action})
    assert answer.status_code == 202, answer.text
    world.house.wait_state(guest, then, token, seconds=60)


def is_drawn(picture: Locator) -> bool:
    """Whether the picture was loaded and has a size."""
    return bool(picture.evaluate("image => image.decode().then(() => image.naturalWidth > 100)"))


def test_a_start_and_a_crash_appear_by_themselves(
    world: World, guest: str, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]]
) -> None:
    looker = browse(VERA)
    looker.goto(f"{world.house.url}/vms/{guest}/screenshots/")
    expect(looker.locator("#vm-time-line")).to_contain_text("No pictures yet")
    picture(looker, "vm-time-line-empty")
    act(world, guest, "start", then="running")
    started = looker.locator(".shots li", has_text="after a start")
    expect(started).to_have_count(1, timeout=90_000)
    assert is_drawn(started.locator("img"))

    world.sandbox.virsh("qemu-monitor-command", NAME, "--hmp", PANIC)
    expect(looker.locator(".shots li", has_text="crash")).to_have_count(1, timeout=60_000)
    world.house.wait_state(guest, "crashed", world.house.token(OSCAR))
    assert accessibility_faults(looker) == []
    picture(looker, "vm-time-line")

    act(world, guest, "stop", then="off")
    looker.goto(f"{world.house.url}/")
    card = looker.locator(f"#vm-{guest} .thumb.past")
    expect(card).to_contain_text("Off.")
    assert is_drawn(card.locator("img"))
    picture(looker, "dashboard-last-picture")


def test_what_hung_when_its_watchdog_bit_is_kept(world: World, guest: str, browse: Browse) -> None:
    looker = browse(VERA)
    looker.goto(f"{world.house.url}/vms/{guest}/screenshots/")
    act(world, guest, "start", then="running")
    world.sandbox.wait_for_serial(NAME, ":~#", seconds=90)
    address, token = f"/vms/{guest}/console/typing", world.house.token(OSCAR)
    answer = world.house.api("POST", address, token=token, json={"text": f"{BITE}\n"})
    assert answer.ok, answer.text
    bitten = looker.locator(".shots li", has_text="watchdog")
    expect(bitten).to_have_count(1, timeout=90_000)
    assert is_drawn(bitten.locator("img"))
    act(world, guest, "stop", then="off")


def test_operators_keep_look_at_download_and_delete_pictures(
    world: World, browse: Browse, picture: Picture, accessibility_faults: Callable[[Page], list[str]]
) -> None:
    page, looker, stranger = browse(OSCAR), browse(VERA), browse(OTTO)
    time_line = f"{world.vm_url}screenshots/"
    looker.goto(time_line)
    page.goto(world.console_url)
    wait_for_screen(page)
    type_line(page, "clear; echo kept-for-later")
    page.click("#picture-menu summary")
    picture(page, "console-picture-menu")
    page.click('#picture-menu [data-do="keep-picture"]')
    expect(page.locator("#progress")).to_contain_text("is on the machine's time line", timeout=20_000)
    by_hand = looker.locator(".shots li", has_text="kept by hand")
    expect(by_hand).to_have_count(1, timeout=20_000)
    expect(by_hand).to_contain_text("Oscar Operator")

    by_hand.locator("a").click()
    expect(looker.locator(".shot-whole img")).to_be_visible()
    expect(looker.get_by_role("button", name="Delete…")).to_have_count(0)
    with looker.expect_download() as saving:
        looker.get_by_role("link", name="Download").click()
    assert saving.value.suggested_filename.startswith(world.vm_name)
    with Image.open(saving.value.path()) as saved:
        assert saved.format == "PNG"
    assert accessibility_faults(looker) == []
    picture(looker, "vm-time-line-one")
    answer = stranger.goto(looker.url)
    assert answer is not None
    assert answer.status == 404

    page.goto(looker.url)
    page.get_by_role("button", name="Delete…").click()
    page.locator("#confirm [data-yes]").click()
    expect(page.get_by_text("The picture is deleted.")).to_be_visible()
    page.get_by_role("button", name="Take a picture now").click()
    expect(page.get_by_text("The picture is on the time line.")).to_be_visible()
    expect(page.locator(".shots li", has_text="kept by hand")).to_have_count(1)


@pytest.mark.timeout(300)
def test_a_machine_that_eve_made_panics_is_seen_told_and_started_again(world: World, browse: Browse) -> None:
    token = world.house.token(OLIVIA)
    asked = make(world, token, "panicky", start=False, memory_bytes=192 * MIB)
    assert over(world, token, asked["operation"])["state"] == "succeeded"
    vm_id = str(asked["id"])
    world.sandbox.give_system(vm_id)
    started = world.house.api("PATCH", f"/vms/{vm_id}/state", token=token, json={"action": "start"})
    assert over(world, token, started.json()["operation"])["state"] == "succeeded"

    def has_crashed() -> bool:
        """Types it again until there is a shell to read it."""
        world.house.api("POST", f"/vms/{vm_id}/console/typing", token=token, json={"text": f"{REAL_PANIC}\n"})
        with contextlib.suppress(AssertionError):
            world.house.wait_state(vm_id, "crashed", token, seconds=5)
            return True
        return False

    until(has_crashed)
    page = browse(OLIVIA)
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    expect(page.locator("main")).to_contain_text("The guest has crashed.")
    page.goto(f"{world.house.url}/vms/{vm_id}/screenshots/")
    crashed = page.locator(".shots li", has_text="crash")
    expect(crashed).to_have_count(1, timeout=60_000)
    assert is_drawn(crashed.locator("img"))
    until(lambda: "panicky" in world.house.api("GET", "/notifications?kind=vm_crashed", token=token).text)

    again = world.house.api("PATCH", f"/vms/{vm_id}/state", token=token, json={"action": "start"})
    assert over(world, token, again.json()["operation"])["state"] == "succeeded"
    world.house.wait_state(vm_id, "running", token, seconds=60)
    until(has_crashed)
    remove(world, token, vm_id)
