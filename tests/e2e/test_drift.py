"""Somebody changes machines of Eve's with virsh: staff see it, have it restored, or agree; on real libvirt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .test_faults import MAC, MIB, OLIVIA, differences, made, over, remove, until, volumes

SEEN_MS = 120_000
"""Not all that virsh does is announced: a host is listed every minute."""
STAFF = "hera@eve.example"


def listed(world: World, vm_id: str) -> dict[str, Any] | None:
    """What the API tells of it."""
    found = world.house.api("GET", "/drift", token=world.house.token(STAFF)).json()["results"]
    return next((entry for entry in found if entry["id"] == vm_id), None)


def card_of(world: World, token: str, vm_id: str) -> str:
    """The MAC address of its card; it gets one once Eve has heard of the network."""
    path, cards = f"/vms/{vm_id}/nics", MAC.findall(world.sandbox.virsh("domiflist", vm_id))
    if not cards:
        until(lambda: world.house.api("POST", path, token=token, json={"network": "default"}).status_code == 202)
        until(lambda: MAC.findall(world.sandbox.virsh("domiflist", vm_id)))
    (mac,) = MAC.findall(world.sandbox.virsh("domiflist", vm_id))
    return mac


@pytest.mark.timeout(600)
def test_what_virsh_did_is_seen_and_restored(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    token, virsh = world.house.token(OLIVIA), world.sandbox.virsh
    vm_id = made(world, token, "drifted", is_started=False)
    asked = world.house.api("POST", f"/vms/{vm_id}/disks", token=token, json={"size_bytes": 8 * MIB}).json()
    assert over(world, token, asked["operation"])["state"] == "succeeded"
    mac = card_of(world, token, vm_id)
    page = browse(STAFF, viewport={"width": 1316, "height": 914})

    virsh("setvcpus", vm_id, "2", "--config")
    virsh("detach-disk", vm_id, "vdb", "--config")
    virsh("detach-interface", vm_id, "network", mac, "--config")
    until(lambda: len((listed(world, vm_id) or {"differences": []})["differences"]) == 2)
    page.goto(f"{world.house.url}/manage/drift/")
    row = page.locator("tr", has_text="drifted")
    expect(row).to_contain_text("2 vCPUs, 64 MiB")
    expect(row).to_contain_text("a disk of 8 MiB")
    expect(row).to_contain_text(mac)
    picture(page, "manage-drift-changed")
    row.get_by_role("button", name="Restore…").click()
    page.get_by_role("dialog").get_by_role("button", name="Restore drifted").click()
    expect(page.get_by_text("drifted is being restored on its host.")).to_be_visible()
    until(lambda: listed(world, vm_id) is None and not differences(world, token, vm_id))
    assert virsh("vcpucount", vm_id, "--config", "--current").strip() == "1"

    virsh("undefine", vm_id)
    page.goto(f"{world.house.url}/manage/drift/")
    expect(row).to_be_visible(timeout=SEEN_MS)
    picture(page, "manage-drift-gone")
    row.get_by_role("button", name="Define it again").click()
    expect(page.get_by_text("drifted is being restored on its host.")).to_be_visible()
    world.house.wait_state(vm_id, "off", token, seconds=60)
    assert differences(world, token, vm_id) == []
    answer = world.house.api("PATCH", f"/vms/{vm_id}/state", token=token, json={"action": "start"})
    assert over(world, token, answer.json()["operation"])["state"] == "succeeded"
    assert virsh("domstate", vm_id).strip() == "running"

    virsh("destroy", vm_id)
    virsh("detach-disk", vm_id, "vdb", "--config")
    until(lambda: listed(world, vm_id) is not None)
    page.goto(f"{world.house.url}/manage/drift/")
    row.get_by_role("button", name="Accept what the host has").click()
    expect(page.get_by_text("What the host has of drifted is agreed now.")).to_be_visible()
    kept = world.house.api("GET", "/disks", token=token).json()["results"]
    assert [disk["size_bytes"] for disk in kept] == [8 * MIB]
    address = world.house.api("DELETE", f"/disks/{kept[0]['id']}", token=token).json()["operation"]
    assert over(world, token, address)["state"] == "succeeded"
    assert differences(world, token, vm_id) == []
    remove(world, token, vm_id)


@pytest.mark.timeout(300)
def test_without_its_disk_it_is_not_defined_again(world: World, browse: Callable[..., Page]) -> None:
    token, virsh = world.house.token(OLIVIA), world.sandbox.virsh
    vm_id = made(world, token, "bereft", is_started=False)
    (name,) = volumes(world)
    virsh("undefine", vm_id)
    virsh("vol-delete", name, "--pool", "default")
    world.house.wait_state(vm_id, "missing", token, seconds=90)
    page = browse(STAFF)
    page.goto(f"{world.house.url}/manage/drift/")
    row = page.locator("tr", has_text="bereft")
    row.get_by_role("button", name="Define it again").click()
    expect(row).to_contain_text(f"A disk of it is not in its pool any more: {name} (default).", timeout=SEEN_MS)
    assert vm_id not in virsh("list", "--all", "--uuid")
    row.get_by_role("button", name="Forget…").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget bereft").click()
    expect(page.get_by_text("bereft is no longer in Eve.")).to_be_visible()
    (kept,) = world.house.api("GET", "/disks", token=token).json()["results"]
    address = world.house.api("DELETE", f"/disks/{kept['id']}", token=token).json()["operation"]
    assert over(world, token, address)["state"] == "succeeded"
