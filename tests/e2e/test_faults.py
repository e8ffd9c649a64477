"""What is under a machine breaks, on real libvirt and QEMU: libvirtd, the agent and Eve are killed while something is made and changed, a disk fills up."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.services.libvirt import SMALL_MIB

from .conftest import World

MIB = 2**20
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
OPERATION_SECONDS = 300
"""A host that comes back is asked again after a pause that grows with each try."""
PAGE_MS = 60_000
OLIVIA = "olivia@acme.example"
PORTIONS = (0, 45, 70, 85)
"""How far a create is, in percent, when something breaks: at once, at its disks, at its domain, at its start."""
CHANGES: dict[str, tuple[str, str, Any]] = {
    "size": ("PUT", "resources", {"vcpus": 2, "memory_bytes": 128 * MIB}),
    "disk": ("POST", "disks", {"size_bytes": 16 * MIB}),
    "card": ("POST", "nics", {"network": "default"}),
    "name": ("PATCH", "", {"name": "changed-since", "autostart": True}),
    "snapshot": ("POST", "snapshots", {"name": "before"}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks, and how it is mended."""

    kill: Callable[[World], None]
    mend: Callable[[World], None]


FAULTS = {
    "libvirtd": Fault(kill=lambda world: world.sandbox.kill(), mend=lambda world: world.sandbox.start()),
    "agent": Fault(
        kill=lambda world: world.house.stop_agent(signal.SIGKILL), mend=lambda world: world.house.start_agent()
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_create_ends_whole_or_gone(world: World, fault: str) -> None:
    token, ends = world.house.token(OLIVIA), []
    for portion in PORTIONS:
        asked = make(world, token, f"{fault}-{portion}")
        reached(world, token, asked["operation"], portion)
        FAULTS[fault].kill(world)
        broken = operation(world, token, asked["operation"])
        FAULTS[fault].mend(world)
        ended = over(world, token, asked["operation"])
        ends.append((portion, broken["phase"], broken["finished_at"] is None, ended["state"]))
        vm_id = asked["id"]
        if ended["state"] == "succeeded":
            world.house.wait_state(vm_id, "running", token, seconds=60)
            assert differences(world, token, vm_id) == [], ends
            remove(world, token, vm_id)
        else:
            assert ended["error"]["retryable"], ended
            assert world.house.api("GET", f"/vms/{vm_id}", token=token).status_code == 404
        assert vm_id not in world.sandbox.virsh("list", "--all", "--uuid"), ends
        assert volumes(world) == [], ends
    assert any(in_the_middle for _portion, _phase, in_the_middle, _state in ends), ends


@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_change_ends_well_or_is_taken_back(world: World, fault: str) -> None:
    """Of a machine that is off: one without a system would not let go of what is taken back."""
    token, ends = world.house.token(OLIVIA), []
    vm_id = made(world, token, f"changed-{fault}", is_started=False)
    for change, (method, path, wanted) in CHANGES.items():
        host_there(world)
        with world.sandbox.stopped("libvirtd"):  # the agent waits for it in the middle of what it does
            asked = world.house.api(method, f"/vms/{vm_id}/{path}".rstrip("/"), token=token, json=wanted)
            assert asked.status_code == 202, asked.text
            reached(world, token, asked.json()["operation"], 1)
            FAULTS[fault].kill(world)
        FAULTS[fault].mend(world)
        ended = over(world, token, asked.json()["operation"])
        ends.append((change, ended["state"]))
        assert ended["state"] == "succeeded" or ended["error"]["retryable"], ended
        assert differences(world, token, vm_id) == [], ends
    remove(world, token, vm_id)
    assert volumes(world) == []


@pytest.mark.timeout(300)
def test_two_people_delete_and_start_at_once(world: World) -> None:
    """Whoever comes first has it, the other is told so, and it is whole or gone."""
    olivia, oscar = world.house.token(OLIVIA), world.house.token("oscar@acme.example")
    for number in range(8):
        vm_id = made(world, olivia, f"wanted-{number}", is_started=False)
        delete = partial(world.house.api, "DELETE", f"/vms/{vm_id}", token=olivia)
        start = partial(world.house.api, "PATCH", f"/vms/{vm_id}/state", token=oscar, json={"action": "start"})
        with ThreadPoolExecutor(max_workers=6) as people:
            answers = list(people.map(lambda ask: ask(), [delete, start] * 3))
        codes = {answer.json()["code"] for answer in answers if answer.status_code != 202}
        assert codes <= {"operation_running", "not_found"}, codes
        accepted = {answer.json()["operation"] for answer in answers if answer.status_code == 202}
        ended = [over(world, olivia, address) for address in accepted]
        assert {each["state"] for each in ended} == {"succeeded"}, ended
        if "vm.delete" not in {each["kind"] for each in ended}:
            world.house.wait_state(vm_id, "running", olivia)
            assert differences(world, olivia, vm_id) == []
            remove(world, olivia, vm_id)
        assert world.house.api("GET", f"/vms/{vm_id}", token=olivia).status_code == 404
        assert vm_id not in world.sandbox.virsh("list", "--all", "--uuid")
        assert volumes(world) == []


@pytest.mark.timeout(300)
def test_the_page_of_what_is_made_goes_on_after_eve_was_killed(world: World, browse: Callable[..., Page]) -> None:
    """From the wizard to the running machine: the browser finds Eve again by itself, and Eve what she was at."""
    token, page = world.house.token(OLIVIA), browse(OLIVIA)
    network_there(world)
    page.goto(f"{world.house.url}/vms/new/")
    page.fill("#id_name", "killed-01")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.125")
    page.fill("#id_disk_gib", "1")
    with world.sandbox.stopped("libvirtd"):
        page.get_by_role("button", name="Create killed-01").click()
        page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
        page.evaluate("document.body.dataset.mark = 'the same page'")
        expect(page.locator(".op")).to_be_visible()
        world.house.stop_eve(signal.SIGKILL)
    world.house.start_eve()
    expect(page.get_by_text("killed-01 is there.")).to_be_visible(timeout=OPERATION_SECONDS * 1000)
    expect(page.locator(".phead .st")).to_have_text("Running", timeout=PAGE_MS)
    assert page.evaluate("document.body.dataset.mark") == "the same page"
    vm_id = page.url.rstrip("/").rpartition("/")[2]
    assert differences(world, token, vm_id) == []
    remove(world, token, vm_id)


@pytest.mark.timeout(300)
def test_the_page_says_that_libvirtd_is_gone_and_what_came_of_it(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    token = world.house.token(OLIVIA)
    vm_id = made(world, token, "told-01", is_started=False)
    page = browse(OLIVIA, viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    with world.sandbox.stopped("libvirtd"):
        asked = world.house.api("POST", f"/vms/{vm_id}/nics", token=token, json={"network": "default"}).json()
        reached(world, token, asked["operation"], 1)
        world.sandbox.kill()
    told = page.locator(".op")
    expect(told.get_by_text("libvirt on the host does not answer.")).to_be_visible(timeout=PAGE_MS)
    expect(told.get_by_text("Taking back what was begun. Waiting to try again")).to_be_visible(timeout=PAGE_MS)
    expect(page.get_by_text("libvirt on host hv1 does not answer. The virtual machine may well")).to_be_visible()
    picture(page, "vm-libvirtd-gone")
    world.sandbox.start()
    assert over(world, token, asked["operation"])["error"]["code"] == "libvirt_away"
    expect(page.locator(".op.bad").get_by_text("libvirt on the host does not answer")).to_be_visible(timeout=PAGE_MS)
    expect(page.locator(".phead .st")).to_have_text("Off", timeout=PAGE_MS)
    assert differences(world, token, vm_id) == []
    remove(world, token, vm_id)


@pytest.mark.timeout(300)
def test_a_full_disk_pauses_the_guest_and_it_goes_on_once_there_is_space(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    sandbox, token = world.sandbox, world.house.token(OLIVIA)
    disk, filler = sandbox.small_folder / "writer.qcow2", sandbox.small_folder / "filler"
    vm_id = sandbox.define_demo("writer", disk=disk)
    filler.write_bytes(bytes(SMALL_MIB // 2 * MIB))
    sandbox.virsh("start", vm_id)
    sandbox.wait_for_serial("writer", ":~#")
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    page = browse(OLIVIA, viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    with typist(sandbox.virsh("ttyconsole", vm_id).strip()) as write:
        write("\ndd if=/dev/zero of=/dev/vda bs=1M count=32 && echo all written\n")
        expect(page.get_by_text("Its disk could not be written: the storage may be full.")).to_be_visible(
            timeout=PAGE_MS
        )
        expect(page.locator(".phead .st")).to_have_text("Paused")
        picture(page, "vm-full-disk")
        state = world.house.api("GET", f"/vms/{vm_id}/state", token=token).json()
        assert (state["state"], state["reason"]) == ("paused", "ioerror")

        filler.unlink()
        answer = world.house.api("PATCH", f"/vms/{vm_id}/state", token=token, json={"action": "resume"})
        assert over(world, token, answer.json()["operation"])["state"] == "succeeded"
        sandbox.wait_for_serial("writer", "\nall written")
    expect(page.locator(".phead .st")).to_have_text("Running", timeout=PAGE_MS)
    expect(page.get_by_text("Its disk could not be written")).to_be_hidden()
    sandbox.virsh("destroy", vm_id)
    sandbox.virsh("undefine", vm_id)
    world.house.wait_state(vm_id, "missing", token)
    disk.unlink()


@contextmanager
def typist(port: str) -> Iterator[Callable[[str], int]]:
    """Types at a guest's serial line. QEMU reads it only while somebody holds the port open."""
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        yield lambda text: os.write(line, text.encode())
    finally:
        os.close(line)


def make(world: World, token: str, name: str, **fields: Any) -> dict[str, Any]:
    """Asks for a machine with an empty disk and a card, once its host is there again, with its network."""
    network_there(world)
    body = {"name": name, "vcpus": 1, "memory_bytes": 64 * MIB, "disks": [{"size_bytes": 16 * MIB}]}
    answer = world.house.api("POST", "/vms", token=token, json={**body, "project": world.acme, **fields})
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def network_there(world: World) -> None:
    """Makes the host's network unless it is there, and waits until Eve, who looks every now and then, knows of it."""
    world.sandbox.make_network()
    host_there(world)
    token = world.house.token()
    site = world.house.api("GET", "/sites", token=token).json()["results"][0]["id"]
    address = f"/sites/{site}/networks"
    until(lambda: "default" in {each["name"] for each in world.house.api("GET", address, token=token).json()}, 0.2)


def host_there(world: World) -> None:
    """Waits until Eve reaches the host and its libvirt."""
    token = world.house.token()
    until(lambda: world.house.api("GET", "/hypervisors", token=token).json()["results"][0]["state"] == "online", 0.2)


def made(world: World, token: str, name: str, *, is_started: bool) -> str:
    """The id of a new machine with an empty disk and a card."""
    asked = make(world, token, name, start=is_started)
    assert over(world, token, asked["operation"])["state"] == "succeeded"
    return str(asked["id"])


def remove(world: World, token: str, vm_id: str) -> None:
    """Deletes a machine with its disks."""
    host_there(world)
    asked = world.house.api("DELETE", f"/vms/{vm_id}", token=token).json()
    assert over(world, token, asked["operation"])["state"] == "succeeded"


def operation(world: World, token: str, address: str) -> dict[str, Any]:
    """As it stands."""
    return dict(world.house.api("GET", address.removeprefix("/api/v1"), token=token).json())


def reached(world: World, token: str, address: str, percent: int) -> None:
    """Waits until the operation is so far, or over."""
    until(lambda: (found := operation(world, token, address))["progress"] >= percent or found["finished_at"], 0.01)


def over(world: World, token: str, address: str) -> dict[str, Any]:
    """The operation once it is over, taken back if need be."""
    return world.house.over(address, token=token, seconds=OPERATION_SECONDS)


def volumes(world: World) -> list[str]:
    """The disks and seeds of Eve's in the pool."""
    return re.findall(r"^ *(\S+\.(?:qcow2|part|iso)) ", world.sandbox.virsh("vol-list", "default"), re.MULTILINE)


def differences(world: World, token: str, vm_id: str) -> list[tuple[str, Any, Any]]:
    """In what Eve (first) and libvirt differ about the only machine of Eve's making."""
    got = {
        path: world.house.api("GET", f"/vms/{vm_id}/{path}", token=token).json()["results"]
        for path in ("disks", "nics", "snapshots")
    }
    vm = world.house.api("GET", f"/vms/{vm_id}", token=token).json()
    disks = {disk["id"] for disk in got["disks"]}
    info = world.sandbox.virsh("dominfo", vm_id)
    title = world.sandbox.virsh("desc", "--title", vm_id).strip()
    pairs = [
        ("disks", disks, set(re.findall(r"/([0-9a-f-]{36})\.qcow2", world.sandbox.virsh("domblklist", vm_id)))),
        ("volumes", disks, {name.removesuffix(".qcow2") for name in volumes(world)}),
        ("cards", {nic["mac"] for nic in got["nics"]}, set(MAC.findall(world.sandbox.virsh("domiflist", vm_id)))),
        ("snapshots", len(got["snapshots"]), len(world.sandbox.virsh("snapshot-list", vm_id, "--name").split())),
        ("vcpus", str(vm["vcpus"]), _figure("CPU(s)", info)),
        ("memory", str(vm["memory_bytes"] // 1024), _figure("Max memory", info)),
        ("name", vm["name"], title),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _figure(name: str, info: str) -> str:
    """What ``virsh dominfo`` says of it."""
    return next(line.split(":")[1].split()[0] for line in info.splitlines() if line.startswith(f"{name}:"))


def until(condition: Callable[[], Any], pause: float = 0.5) -> None:
    """Waits for it."""
    deadline = time.monotonic() + OPERATION_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(pause)
