"""A machine's life in the browser, on real libvirt and QEMU: made, changed while it runs, kept in a snapshot, deleted by its name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import World

OPERATION_MS = 90_000


def test_a_machines_life(world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]) -> None:
    page = browse("olivia@acme.example", viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "life-01")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.25")
    page.fill("#id_disk_gib", "1")
    for box in page.locator("input[name=nics]:checked").all():
        box.uncheck()
    expect(page.locator("[data-of=size]")).to_have_text("1 vCPU, 0.3 GiB, 1 GiB")
    picture(page, "vm-new")
    page.get_by_role("button", name="Create life-01").click()
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    address = page.url
    expect(page.get_by_text("life-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator(".phead .st")).to_have_text("Running")

    page.goto(f"{address}hardware/")
    page.fill("#disk-size", "2")
    page.get_by_role("button", name="Add the disk").click()
    expect(page.get_by_text("life-01 has another disk.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator("#vm-hardware").get_by_text("2 GiB", exact=True)).to_be_visible()
    page.fill("#vcpus", "2")
    page.get_by_role("button", name="Change the size").click()
    expect(page.get_by_text("It gets 2 and 256 MiB at its next start")).to_be_visible(timeout=OPERATION_MS)
    picture(page, "vm-hardware")

    page.goto(f"{address}snapshots/")
    page.fill("#snapshot-name", "before the update")
    page.get_by_role("button", name="Make a snapshot").click()
    expect(page.get_by_text("The snapshot of life-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    page.get_by_role("button", name="Go back…").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    expect(page.get_by_text("life-01 is as it was at the snapshot.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator("#vm-snapshots").get_by_text("now here")).to_be_visible()
    picture(page, "vm-snapshots")

    page.goto(address)
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    sure = dialog.get_by_role("button", name="Delete life-01")
    expect(sure).to_be_disabled()
    dialog.get_by_role("textbox").fill("life-01")
    sure.click()
    vm_id = address.rstrip("/").rsplit("/", 1)[-1]
    token = world.house.token()
    deadline = time.monotonic() + OPERATION_MS / 1000
    while world.house.api("GET", f"/vms/{vm_id}", token=token).status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert vm_id not in world.sandbox.virsh("list", "--all", "--uuid")
    assert world.sandbox.virsh("vol-list", "default").count(".qcow2") == 0
