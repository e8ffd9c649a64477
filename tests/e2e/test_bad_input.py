"""What cannot be done, on real libvirt: the page says why in words, the API in a problem's details, and nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import World
from .test_faults import OLIVIA, PAGE_MS, differences, host_there, made, over, remove, volumes

OSCAR = "oscar@acme.example"
MIB = 2**20
NO_NAME = "1 to 63 lower-case letters, digits and hyphens"
NAMES = {
    "a script": ("'/><script>alert(1)</script>", NO_NAME),
    "climbs": ("../../etc/passwd", NO_NAME),
    "NUL": ("a\0b", "Null characters are not allowed"),
}
COUNTED = """
import json
from vms.models import Disk, Image, ImageCopy, Vm
print(json.dumps([model.objects.count() for model in (Vm, Disk, Image, ImageCopy)]))
"""


def there(world: World) -> tuple[Any, ...]:
    """All that something that failed could leave: rows, domains, files of the pool."""
    rows = json.loads(world.house.shell(COUNTED).strip().splitlines()[-1])
    folder = world.sandbox.pool_folder
    return (
        rows,
        sorted(world.sandbox.virsh("list", "--all", "--uuid").split()),
        sorted(path.name for path in folder.iterdir()),
    )


@pytest.mark.parametrize("what", NAMES)
def test_a_name_that_is_none(world: World, browse: Callable[..., Page], what: str) -> None:
    name, words = NAMES[what]
    before, page = there(world), browse(OLIVIA)
    page.goto(f"{world.house.url}/vms/new/")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.125")
    page.fill("#id_disk_gib", "1")
    page.fill("#id_name", name)
    page.locator("main form button[type=submit]").last.click()
    expect(page.locator(".f", has=page.locator("#id_name")).locator(".errorlist")).to_contain_text(words)
    expect(page.locator("#id_name")).to_have_attribute("aria-invalid", "true")
    assert page.url == f"{world.house.url}/vms/new/"

    wanted = {"name": name, "vcpus": 1, "memory_bytes": 128 * MIB, "disks": [{"size_bytes": 16 * MIB}]}
    answer = world.house.api("POST", "/vms", token=world.house.token(OLIVIA), json=wanted)
    problem = answer.json()
    assert (answer.status_code, problem["code"], list(problem["errors"])) == (400, "invalid", ["name"])
    assert words in problem["errors"]["name"][0]
    assert there(world) == before


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that is sent as a qcow2 image, and why it is refused."""

    make: Callable[[Path], Path]
    agent_code: str
    words: str
    sha256: str = ""


def qcow2(folder: Path, *options: str) -> Path:
    """Made by qemu-img, over others where `options` say so."""
    path = folder / ("top.qcow2" if options else "base.qcow2")
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", *options, path.name, "16M"], cwd=folder, check=True, timeout=60
    )
    return path


def over_another(folder: Path) -> Path:
    """A thin one, whose other half stays behind."""
    return qcow2(folder, "-b", qcow2(folder).name, "-F", "qcow2")


def letter(folder: Path) -> Path:
    """Of words only."""
    path = folder / "letter.qcow2"
    path.write_text("Dear Eve, this is no image.\n" * 100)
    return path


FILES = {
    "a wrong checksum": BadFile(qcow2, "checksum_mismatch", "The checksum is wrong", sha256="0" * 64),
    "no image": BadFile(letter, "image_invalid", "This is no image that Eve takes"),
    "a backing file": BadFile(over_another, "image_invalid", "whole, and without a backing or data file"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_is_no_image_to_take(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None], tmp_path: Path, what: str
) -> None:
    bad = FILES[what]
    file, before, page = bad.make(tmp_path), there(world), browse(OLIVIA)
    page.goto(f"{world.house.url}/images/new/")
    page.set_input_files("input[name=file]", file)
    page.fill("[name=name]", "Not to be")
    page.select_option("[name=format]", "qcow2")
    page.select_option("[name=project]", world.acme)
    page.fill("[name=sha256]", bad.sha256)
    page.click("main form button[type=submit]")
    state = page.locator("#image-state")
    expect(state.get_by_role("alert")).to_contain_text(bad.words, timeout=PAGE_MS)
    expect(state.locator(".facts")).to_contain_text("Failed")
    picture(page, f"image-refused-{bad.agent_code}")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_url(f"{world.house.url}/images/")
    expect(page.get_by_role("link", name="Not to be")).to_have_count(0, timeout=PAGE_MS)
    assert there(world) == before

    token, data = world.house.token(OLIVIA), file.read_bytes()
    wanted = {"name": "Not to be", "format": "qcow2", "project": world.acme, "size_bytes": len(data)}
    image = world.house.api("POST", "/images", token=token, json={**wanted, "sha256": bad.sha256}).json()["image"]
    path = f"/images/{image['id']}"
    assert world.house.api("PUT", f"{path}/data?offset=0", token=token, data=data).status_code == 200
    ended = over(world, token, world.house.api("POST", f"{path}/data", token=token).json()["operation"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "image_refused")
    assert (ended["error"]["status"], ended["error"]["agent_code"]) == (409, bad.agent_code)
    assert bad.words in ended["error"]["detail"]
    deleted = world.house.api("DELETE", path, token=token).json()["operation"]
    assert over(world, token, deleted)["state"] == "succeeded"
    assert there(world) == before


def newest(world: World, vm_id: str) -> dict[str, Any]:
    """What was asked last of a machine."""
    asked = world.house.api("GET", f"/operations?target={vm_id}", token=world.house.token(OLIVIA)).json()
    return dict(asked["results"][0])


@contextmanager
def agent_stands_still(world: World) -> Iterator[None]:
    """What is asked of it is answered afterwards."""
    assert world.house.agent is not None
    os.kill(world.house.agent.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(world.house.agent.pid, signal.SIGCONT)


def ready_to_delete(page: Page, world: World, vm_id: str, name: str) -> None:
    """Its page, with its name typed already."""
    page.goto(f"{world.house.url}/vms/{vm_id}/settings/")
    page.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("textbox").fill(name)


@pytest.mark.parametrize("first", ["start", "delete"])
def test_two_people_delete_and_start_at_once(world: World, browse: Callable[..., Page], first: str) -> None:
    """Who comes second is told so, on a page that has not heard of the first."""
    token, before, name = world.house.token(OLIVIA), there(world), f"both-{first}"
    host_there(world)
    vm_id = made(world, token, name, is_started=False)
    deletes, starts = browse(OLIVIA), browse(OSCAR)
    for page in (deletes, starts):
        page.route_web_socket("**", lambda socket: None)
    ready_to_delete(deletes, world, vm_id, name)
    starts.goto(f"{world.house.url}/vms/{vm_id}/")
    press = {
        "delete": deletes.get_by_role("dialog").get_by_role("button", name=f"Delete {name}"),
        "start": starts.locator(".phead").get_by_role("button", name="Start", exact=True),
    }
    with agent_stands_still(world):
        press.pop(first).click()
        world.house.wait_until(lambda: newest(world, vm_id)["kind"] == f"vm.{first}", "the first to be heard")
        ((_second, button),) = press.items()
        button.click()
        late = deletes if first == "start" else starts
        words = f"Another change of {name} is under way. Wait until it has ended, then try again."
        expect(late.get_by_text(words).first).to_be_visible()
    if first == "start":
        world.house.wait_state(vm_id, "running", token, seconds=60)
        assert differences(world, token, vm_id) == []
        remove(world, token, vm_id)
    else:
        world.house.wait_until(
            lambda: world.house.api("GET", f"/vms/{vm_id}", token=token).status_code == 404, "it to be gone"
        )
    assert volumes(world) == []
    assert there(world) == before


def test_virsh_undefines_it_as_it_is_started(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    token, before = world.house.token(OLIVIA), there(world)
    host_there(world)
    vm_id = made(world, token, "virshed", is_started=False)
    page = browse(OLIVIA, viewport={"width": 1316, "height": 914})
    page.goto(f"{world.house.url}/vms/{vm_id}/")
    with agent_stands_still(world):
        page.locator(".phead").get_by_role("button", name="Start", exact=True).click()
        expect(page.locator(".op")).to_contain_text("Starting virshed")
        world.sandbox.virsh("undefine", vm_id)
    words = "The host does not have this virtual machine any more. Ask the staff what became of it."
    expect(page.locator(".op.bad")).to_contain_text(words, timeout=PAGE_MS)
    expect(page.locator("main")).to_contain_text("Host hv1 no longer has it.", timeout=PAGE_MS)
    picture(page, "vm-virshed")
    last = newest(world, vm_id)
    assert (last["kind"], last["state"], last["error"]["detail"]) == ("vm.start", "failed", words)
    assert (last["error"]["status"], last["error"]["agent_code"]) == (409, "domain_not_found")
    remove(world, token, vm_id)
    assert there(world) == before
