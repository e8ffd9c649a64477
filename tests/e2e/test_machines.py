"""A machine's life in the browser, on real libvirt and QEMU: made, changed while it runs, kept in a snapshot, deleted by its name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.services.cloud_image import cloud_image_ensure

from .conftest import World

OPERATION_MS = 90_000


@pytest.mark.timeout(600)
def test_a_machines_life(world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]) -> None:
    page = browse("olivia@acme.example", viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "life-01")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.25")
    page.fill("#id_disk_gib", "1")
    for box in page.locator("input[name=nics]:checked").all():
        box.uncheck()
    expect(page.locator("[data-of=size]")).to_have_text("1 vCPU, 256 MiB, 1 GiB")
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
    power(world, address, "stop")  # without a system in it, the guest lets go of nothing
    expect(page.locator(".phead .st")).to_have_text("Off", timeout=OPERATION_MS)
    page.get_by_role("button", name="Detach…").click()
    page.get_by_role("dialog").get_by_role("button", name="Detach the disk").click()
    expect(page.get_by_text("It is kept in its project.")).to_be_visible(timeout=OPERATION_MS)
    page.get_by_role("link", name="All kept disks").click()
    expect(page.locator("#disks").get_by_text("life-01")).to_be_visible()
    picture(page, "kept-disks")
    page.goto(f"{address}hardware/")
    page.get_by_role("button", name="Attach the disk").click()
    expect(page.get_by_text("life-01 has the disk again.")).to_be_visible(timeout=OPERATION_MS)
    power(world, address, "start")
    expect(page.locator(".phead .st")).to_have_text("Running", timeout=OPERATION_MS)
    expect(page.get_by_text("it takes up to 2 vCPUs and 256 MiB at once")).to_be_visible()
    page.fill("#vcpus", "2")
    page.fill("#memory", "0.5")
    page.get_by_role("button", name="Change the size").click()
    expect(
        page.get_by_text("The running guest has 2 vCPUs and 256 MiB. It gets 2 and 512 MiB at its next start")
    ).to_be_visible(timeout=OPERATION_MS)
    picture(page, "vm-hardware")
    power(world, address, "stop")  # a memory with vCPUs that were plugged in could not be brought back
    expect(page.locator(".phead .st")).to_have_text("Off", timeout=OPERATION_MS)
    power(world, address, "start")
    expect(page.locator(".phead .st")).to_have_text("Running", timeout=OPERATION_MS)

    page.goto(f"{address}snapshots/")
    page.fill("#snapshot-name", "before the update")
    page.get_by_role("button", name="Make a snapshot").click()
    expect(page.get_by_text("The snapshot of life-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    page.get_by_role("button", name="Go back…").click()
    page.locator("#vm-snapshots").evaluate("part => part.replaceWith(part.cloneNode(true))")  # as news from the host do
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    expect(page.get_by_text("life-01 is as it was at the snapshot.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator("#vm-snapshots").get_by_text("now here")).to_be_visible()
    picture(page, "vm-snapshots")

    page.goto(f"{address}settings/")
    page.fill("#name", "life-02")
    page.get_by_label("Start it whenever its host starts").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The settings of life-02 are saved.")).to_be_visible(timeout=OPERATION_MS)
    vm_id = address.rstrip("/").rsplit("/", 1)[-1]
    assert world.sandbox.virsh("desc", "--title", vm_id).strip() == "life-02"
    assert "Autostart:      enable" in world.sandbox.virsh("dominfo", vm_id)
    page.select_option("#boot-1", label="CD drive")
    page.select_option("#boot-2", label="Disk 1")
    page.get_by_role("button", name="Change the boot order").click()
    expect(page.get_by_text("life-02 boots so from its next start on.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator("#boot-1")).to_have_value("cdrom")
    picture(page, "vm-settings")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    sure = dialog.get_by_role("button", name="Delete life-02")
    expect(sure).to_be_disabled()
    dialog.get_by_role("textbox").fill("life-02")
    sure.click()
    token = world.house.token()
    deadline = time.monotonic() + OPERATION_MS / 1000
    while world.house.api("GET", f"/vms/{vm_id}", token=token).status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert vm_id not in world.sandbox.virsh("list", "--all", "--uuid")
    assert world.sandbox.virsh("vol-list", "default").count(".qcow2") == 0


@pytest.mark.timeout(600)
def test_rescue_reinstallation_and_copies(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    token, there = world.house.token(), volumes(world)
    iso = upload(world, "Rescue disc", data=bytes(2**20), kind="iso", format="raw")
    page = browse("olivia@acme.example", viewport={"width": 1316, "height": 1400})
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "ill-01")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.25")
    page.fill("#id_disk_gib", "1")
    page.get_by_role("button", name="Create ill-01").click()
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    address = page.url
    vm_id = address.rstrip("/").rsplit("/", 1)[-1]
    expect(page.get_by_text("ill-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    before = world.house.api("GET", f"/vms/{vm_id}/disks", token=token).json()["results"][0]["id"]
    macs = world.sandbox.virsh("domiflist", vm_id)

    page.goto(f"{address}settings/")
    page.select_option("#rescue-image", label="Rescue disc")
    page.get_by_role("button", name="Rescue…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it and start").click()
    expect(page.get_by_text("ill-01 runs the rescue system, with its disks attached.")).to_be_visible(
        timeout=OPERATION_MS
    )
    assert f"{iso}.img" in world.sandbox.virsh("domblklist", vm_id)
    picture(page, "vm-rescue")
    page.get_by_role("button", name="End the rescue…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it and start").click()
    expect(page.get_by_text("ill-01 runs its own system again.")).to_be_visible(timeout=OPERATION_MS)
    assert f"{iso}.img" not in world.sandbox.virsh("domblklist", vm_id)

    the_disc_is_changed_beside_the_screen(world, page, vm_id, iso, picture)
    page.goto(f"{address}settings/")
    page.select_option("#reinstall-image", label="Rescue disc (ISO)")
    page.fill("#reinstall-keys", "")
    page.get_by_role("button", name="Reinstall…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("ill-01")
    dialog.get_by_role("button", name="Reinstall ill-01").click()
    expect(page.get_by_text("ill-01 is made anew.")).to_be_visible(timeout=OPERATION_MS)
    assert before not in world.sandbox.virsh("domblklist", vm_id)
    assert before not in world.sandbox.virsh("vol-list", "default")
    assert re.findall(r"52:54\S+", world.sandbox.virsh("domiflist", vm_id)) == re.findall(r"52:54\S+", macs)

    power(world, address, "stop")
    expect(page.locator(".phead .st")).to_have_text("Off", timeout=OPERATION_MS)
    picture(page, "vm-systems")
    page.fill("#template-name", "Ill no more")
    page.get_by_role("button", name="Make an image").click()
    expect(page.get_by_text("The image of ill-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    page.fill("#clone-name", "ill-02")
    page.get_by_role("button", name="Copy the machine").click()
    expect(page.get_by_text("ill-02 is there.")).to_be_visible(timeout=OPERATION_MS)
    power(world, page.url, "start")
    expect(page.locator(".phead .st")).to_have_text("Running", timeout=OPERATION_MS)
    for each in (vm_id, page.url.rstrip("/").rsplit("/", 1)[-1]):
        address = world.house.api("DELETE", f"/vms/{each}", token=token).json()["operation"]
        ended(world, address)
    assert sorted(volumes(world)) == sorted([*there, "img", "img"])


def the_disc_is_changed_beside_the_screen(
    world: World, page: Page, vm_id: str, iso: str, picture: Callable[[Page, str], None]
) -> None:
    """By the menu in the console's bar."""
    page.goto(f"{world.house.url}/vms/{vm_id}/console/")
    menu, said = page.locator("#disc-menu"), page.locator("#progress")
    menu.locator("summary").click()
    disc = menu.get_by_role("button", name="Rescue disc")
    expect(disc).to_have_attribute("aria-pressed", "false")
    expect(menu.get_by_role("button", name="Eject")).to_be_hidden()
    disc.click()
    expect(said).to_have_text("Rescue disc is in the drive.", timeout=OPERATION_MS)
    assert f"{iso}.img" in world.sandbox.virsh("domblklist", vm_id)
    menu.locator("summary").click()
    expect(disc).to_have_attribute("aria-pressed", "true")
    picture(page, "console-disc")
    menu.get_by_role("button", name="Eject").click()
    expect(said).to_have_text("The drive is empty.", timeout=OPERATION_MS)
    assert f"{iso}.img" not in world.sandbox.virsh("domblklist", vm_id)


def ended(world: World, address: str) -> dict[str, Any]:
    """The operation at that address, once it is over and did what it was to do."""
    answer = over(world, address)
    assert answer["state"] == "succeeded", (answer["kind"], answer["phase"], answer["error"])
    return answer


def over(world: World, address: str) -> dict[str, Any]:
    """The operation at that address, once it is over."""
    return world.house.over(address, token=world.house.token(), seconds=OPERATION_MS / 1000)


def volumes(world: World) -> list[str]:
    """What kind of files of Eve's are in the pool."""
    return re.findall(r"^ *\S+\.(qcow2|img|part|iso) ", world.sandbox.virsh("vol-list", "default"), re.MULTILINE)


def power(world: World, address: str, action: str) -> None:
    """Asks for a power action, as a program does."""
    path = f"/vms/{address.rstrip('/').rsplit('/', 1)[-1]}/state"
    answer = world.house.api("PATCH", path, token=world.house.token(), json={"action": action})
    assert answer.status_code == 202, answer.text


def upload(world: World, name: str, *, data: bytes = b"", **fields: Any) -> str:
    """Sends an image, the cloud image unless there is `data`, as a program does; its id."""
    token = world.house.token()
    data = data or cloud_image_ensure().read_bytes()
    site = world.house.api("GET", "/sites", token=token).json()["results"][0]["id"]
    for each in world.house.api("GET", "/sites", token=token).json()["results"]:
        site = each["id"] if each["name"] == "here" else site
    announced = world.house.api(
        "POST", "/images", token=token, json={"name": name, "site": site, "size_bytes": len(data), **fields}
    )
    assert announced.status_code == 201, announced.text
    image = str(announced.json()["image"]["id"])
    path, sent = f"/images/{image}", 0
    piece = world.house.api("GET", f"{path}/data", token=token).json()["piece_bytes"]
    while sent < len(data):
        answer = world.house.api("PUT", f"{path}/data?offset={sent}", token=token, data=data[sent : sent + piece])
        assert answer.status_code == 200, answer.text
        sent = answer.json()["received_bytes"]
    world.house.api("POST", f"{path}/data", token=token)
    deadline = time.monotonic() + 120
    while (state := world.house.api("GET", path, token=token).json()["state"]) != "ready":
        assert state == "coming"
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return image
