"""A machine from a real cloud image, on real QEMU: its first boot, what grows under it, a copy of it, and a new system in its place."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from deploy.local.demo_guest import DemoGuestError

from .conftest import World
from .screen import wait_for_screen
from .test_machines import OPERATION_MS, ended, over, power, upload

BOOT_SECONDS = 500
"""Emulated, on a machine that has other things to do."""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7 olivia@desk"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0q6Z4h1k9x1o5i0m8Yc5uXG7yP0Qq3m5v4n2b1c0d9 olivia@lap"
GIB = 2**30


@pytest.mark.timeout(1800)
def test_a_cloud_image_boots_with_its_name_and_key(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    image = upload(world, "Debian 12")
    page = browse("olivia@acme.example", viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "cloud-01")
    page.locator("label.opt", has_text="Debian 12").click()
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.75")
    page.fill("#id_disk_gib", "3")
    page.fill("#id_another_key", KEY)
    page.get_by_role("button", name="Create cloud-01").click()
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    vm_id = page.url.rstrip("/").rsplit("/", 1)[-1]
    expect(page.get_by_text("cloud-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    told = in_guest(
        world, vm_id, "cloud-init status --wait >&2; hostname; cat /home/*/.ssh/authorized_keys; pgrep -a agetty"
    )
    assert told.startswith("cloud-01\n")
    assert KEY.split()[1] in told
    was = Identity.of(world, vm_id)
    assert "agetty -o -p -- \\u --noclear - linux" in told  # the prompt on the screen
    page.goto(f"{page.url}console/")
    wait_for_screen(page)
    picture(page, "vm-cloud-console")
    it_asks_who_one_is(page, "cloud-01")
    picture(page, "vm-cloud-prompt")
    the_guest_is_asked(world, page, vm_id)
    picture(page, "vm-guest")
    had = memory_bytes(world, vm_id)
    it_grows(world, page, vm_id)
    is_off(world, vm_id)
    copy = copied(world, vm_id, "cloud-02", is_started=True)
    make_anew(world, vm_id, image)  # both boot side by side
    it_is_another(world, copy, was)
    it_is_new(world, vm_id, was)
    assert memory_bytes(world, vm_id) > had + 240 * 2**20
    ended(world, world.house.api("DELETE", f"/vms/{vm_id}", token=world.house.token()).json()["operation"])


def it_asks_who_one_is(page: Page, name: str) -> None:
    """On the serial line, as it is read in the browser."""
    page.goto(f"{page.url}serial/")
    expect(page.locator("body")).to_have_attribute("data-phase", "connected")
    page.keyboard.press("Enter")
    expect(page.locator(".xterm-rows")).to_contain_text(f"{name} login:", timeout=OPERATION_MS)


def the_guest_is_asked(world: World, page: Page, vm_id: str) -> None:
    """What it tells of itself, its password, and its file systems."""
    token = world.house.token()
    page.goto(f"{world.house.url}/vms/{vm_id}/settings/")
    before = in_guest(world, vm_id, "getent shadow root")
    page.fill("#guest-password", "a quite new 1")
    page.get_by_role("button", name="Set the password").click()
    expect(page.get_by_text("The password of root is set in the guest.")).to_be_visible()
    assert in_guest(world, vm_id, "getent shadow root") != before
    page.get_by_role("button", name="Freeze the file systems").click()
    expect(page.get_by_text("It goes on by itself after 30 seconds.")).to_be_visible()
    page.get_by_role("button", name="Let them go on").click()
    expect(page.get_by_text("The file systems of the guest go on.")).to_be_visible()
    told = world.house.api("GET", f"/vms/{vm_id}/guest", token=token).json()["guest"]
    assert (told["has_agent"], told["host_name"]) == (True, "cloud-01")
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    expect(page.locator("#vm-guest").get_by_text("Debian GNU/Linux 12")).to_be_visible()


@dataclass(frozen=True, slots=True)
class Identity:
    """By what others know a guest."""

    name: str
    machine_id: str
    host_key: str
    keys: str
    """Who may sign in."""

    @classmethod
    def of(cls, world: World, vm_id: str) -> Identity:
        """Of a guest whose agent answers: cloud-init has told it all this before. It notes that it was there."""
        files = "/etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /home/*/.ssh/authorized_keys"
        told = in_guest(world, vm_id, f"hostname; cat {files}; touch /root/was-here")
        name, machine_id, host_key, *keys = told.splitlines()
        return cls(name, machine_id, host_key.split()[1], " ".join(keys))


def memory_bytes(world: World, vm_id: str) -> int:
    """All that the guest's kernel has."""
    return int(in_guest(world, vm_id, "awk '/^MemTotal:/ {print $2}' /proc/meminfo")) * 1024


def is_off(world: World, vm_id: str) -> None:
    """Shuts it down; one that crashed is stopped."""
    token = world.house.token()
    if (state := world.house.vm_state(vm_id, token)) != "off":
        power(world, vm_id, "shutdown" if state == "running" else "stop")
    world.house.wait_state(vm_id, "off", token, seconds=180)


def it_is_another(world: World, copy: str, was: Identity) -> None:
    """A copy is another machine, with what is on the disk; and a copy of it is told so as well."""
    found = Identity.of(world, copy)
    assert (found.name, found.keys) == ("cloud-02", was.keys)
    assert found.machine_id != was.machine_id
    assert found.host_key != was.host_key
    power(world, copy, "stop")
    world.house.wait_state(copy, "off", world.house.token())
    again = copied(world, copy, "cloud-03", is_started=False)
    assert f"seed-{again}.iso" in world.sandbox.virsh("vol-list", "default")
    for each in (copy, again):
        ended(world, world.house.api("DELETE", f"/vms/{each}", token=world.house.token()).json()["operation"])


def copied(world: World, vm_id: str, name: str, *, is_started: bool) -> str:
    """The id of a copy."""
    wanted = {"name": name, "start": is_started}
    answer = world.house.api("POST", f"/vms/{vm_id}/clone", token=world.house.token(), json=wanted).json()
    ended(world, answer["operation"])
    return str(answer["id"])


def make_anew(world: World, vm_id: str, image: str) -> None:
    """Of the same image, for somebody with another key."""
    wanted = {"image": image, "ssh_keys": [OTHER_KEY]}
    answer = world.house.api("POST", f"/vms/{vm_id}/reinstall", token=world.house.token(), json=wanted)
    ended(world, answer.json()["operation"])


def it_is_new(world: World, vm_id: str, was: Identity) -> None:
    """Under its name, it lets in whom it was told, and has nothing of what was there."""
    assert in_guest(world, vm_id, "ls /root/was-here") == ""
    found = Identity.of(world, vm_id)
    assert (found.name, found.keys) == (was.name, OTHER_KEY)
    assert found.host_key != was.host_key


def it_grows(world: World, page: Page, vm_id: str) -> None:
    """A vCPU more while it runs, and memory at its next start. An emulating QEMU may itself end of the former, depending on the processor
    under it: then Eve tells so."""
    token = world.house.token()
    resources = {"vcpus": 2, "memory_bytes": GIB}
    answer = world.house.api("PUT", f"/vms/{vm_id}/resources", token=token, json=resources)
    change = over(world, answer.json()["operation"])
    if change["state"] == "failed":
        page.goto(f"{world.house.url}/vms/{vm_id}/")
        expect(page.locator(".phead .st")).to_have_text("Crashed", timeout=OPERATION_MS)
        expect(page.get_by_text("It ended all at once")).to_be_visible()
        is_off(world, vm_id)
        answer = world.house.api("PUT", f"/vms/{vm_id}/resources", token=token, json=resources)
        ended(world, answer.json()["operation"])
        return
    assert (change["result"]["needs_restart"], change["result"]["now"]["vcpus"]) == (True, 2)
    assert in_guest(world, vm_id, "ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l").strip() == "2"


def in_guest(world: World, vm_id: str, script: str) -> str:
    """What a shell in the guest prints, by the guest's agent, once that answers."""
    deadline = time.monotonic() + BOOT_SECONDS
    pid = None
    while True:
        assert time.monotonic() < deadline
        try:
            if pid is None:
                wanted = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
                pid = ask_guest(world, vm_id, "guest-exec", wanted)["pid"]
            status = ask_guest(world, vm_id, "guest-exec-status", {"pid": pid})
            if status["exited"]:
                return base64.b64decode(status.get("out-data", "")).decode()
        except DemoGuestError:
            pass  # it has not booted so far
        time.sleep(1)


def ask_guest(world: World, vm_id: str, command: str, arguments: dict[str, Any]) -> Any:
    """One command of QEMU's guest agent."""
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(world.sandbox.virsh("qemu-agent-command", vm_id, text))["return"]
