"""An open dashboard: a machine that is given to one appears, one that is taken away leaves, without loading the page again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from .conftest import World

SECONDS = 20_000


@pytest.fixture
def second(world: World) -> Iterator[str]:
    """Another guest, which nobody has yet."""
    name = "late-comer"
    vm_id = world.sandbox.start_demo(name, wait=False)
    yield vm_id
    world.sandbox.virsh("destroy", name)
    world.sandbox.virsh("undefine", name)
    world.house.shell(f"from vms.models import Vm; Vm.objects.filter(pk='{vm_id}').delete()")


@pytest.mark.parametrize("path", ["/", "/vms/"])
def test_a_list_takes_in_what_comes_and_lets_go_what_leaves(
    world: World, browse: Callable[..., Page], second: str, path: str
) -> None:
    page = browse("otto@otto.example")
    page.goto(world.house.url + path)
    expect(page.locator("main")).to_contain_text("it appears here by itself")
    page.evaluate("document.body.dataset.mark = 'the same page'")
    token = world.house.token()

    def discovered() -> int:
        rows = world.house.api("GET", "/discovered-domains", token=token).json()["results"]
        return next((row["id"] for row in rows if row["uuid"] == second), 0)

    for _ in range(200):
        if discovered():
            break
        page.wait_for_timeout(100)
    projects = world.house.api("GET", "/projects?page_size=100", token=token).json()["results"]
    ottos = next(row["id"] for row in projects if row["name"] == "Otto Outsider")
    answer = world.house.api("POST", f"/discovered-domains/{discovered()}/adopt", token=token, json={"project": ottos})
    assert answer.status_code == 201, answer.text
    links = page.get_by_role("link", name="late-comer", exact=True)
    expect(links.first).to_be_visible(timeout=SECONDS)  # what happens is told beside it, with a link as well
    expect(page.locator("#vm-tabs")).to_contain_text("Running 1")
    moved = world.house.api("PUT", f"/vms/{second}/project", token=token, json={"project": world.acme})
    assert moved.status_code == 200, moved.text
    expect(links).to_have_count(0, timeout=SECONDS)
    expect(page.locator("main")).to_contain_text("it appears here by itself", timeout=SECONDS)
    assert page.evaluate("document.body.dataset.mark") == "the same page"
