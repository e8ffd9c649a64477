"""A guest that crashed: its screen is there to be read as long as its QEMU is, and is said to be gone with it."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import World
from .screen import wait_for_screen

NAME = "acme-crash"


def test_its_screen_stays_as_long_as_its_qemu(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    vm_id = world.sandbox.define_demo(NAME)
    kept = world.sandbox.virsh("dumpxml", NAME, "--inactive")
    kept = kept.replace("<on_crash>destroy</on_crash>", "<on_crash>preserve</on_crash>")
    world.sandbox.define(kept.replace("</devices>", "<panic model='isa'/></devices>"))
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    world.sandbox.virsh("start", NAME)
    world.sandbox.wait_for_serial(NAME, ":~#")
    page, doctor = browse("olivia@acme.example"), browse("olivia@acme.example")
    console = f"{world.house.url}/vms/{vm_id}/console/"
    page.goto(console)
    wait_for_screen(page)

    world.sandbox.virsh("qemu-monitor-command", NAME, "--hmp", "o /b 0x505 1")  # what a kernel does that panics
    expect(page.locator("#state")).to_contain_text("Crashed", timeout=10_000)
    expect(page.locator("#progress")).to_contain_text("how it left its screen")
    picture(page, "console-crashed-kept")
    page.reload()
    wait_for_screen(page)
    expect(page.locator("#progress")).to_contain_text("how it left its screen")
    doctor.goto(f"{world.house.url}/vms/{vm_id}/doctor/")
    expect(doctor.locator('[data-hop="screen"]')).to_have_attribute("data-outcome", "ok", timeout=60_000)
    expect(doctor.locator(".finding")).to_have_count(0)

    world.sandbox.signal(f"qemu/{NAME}", signal.SIGKILL)
    card = page.locator("#card")
    expect(card).to_contain_text("has crashed", timeout=20_000)
    expect(card).to_contain_text("there is no screen")
    expect(card.locator('[data-do="start"]')).to_be_visible()
    page.reload()
    expect(card).to_contain_text("there is no screen", timeout=10_000)
    doctor.reload()
    expect(doctor.locator("#doctor")).to_have_attribute("data-state", re.compile("over|quiet"), timeout=60_000)
    expect(doctor.locator(".finding")).to_have_attribute("data-code", "vm_crashed")

    card.locator('[data-do="start"]').click()
    wait_for_screen(page, seconds=60)
