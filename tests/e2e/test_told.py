"""What happens for real on a host or to a project rings the bell of an open page within seconds, and leads to the page to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, expect

from .conftest import World, open_live

Browse = Callable[..., Page]
OLIVIA, OSCAR, HERA = "olivia@acme.example", "oscar@acme.example", "hera@eve.example"
SOON_MS = 10_000


@contextmanager
def told(page: Page, world: World, title: str) -> Iterator[None]:
    """Meanwhile the bell of the open page rings; the first of the list, which is `title`, leads on."""
    open_live(page, f"{world.house.url}/notifications/")
    page.wait_for_timeout(2000)  # what it missed is fetched; from here on it has to be told
    before = unread(page)
    yield
    expect(page.locator("#notices li").first).to_contain_text(title, timeout=SOON_MS)
    expect(page.locator("#bell .n")).to_have_text(str(before + 1), timeout=SOON_MS)
    page.locator("#notices li").first.get_by_role("link").click()


def unread(page: Page) -> int:
    """What the bell says."""
    number = page.locator("#bell .n")
    return int(number.inner_text()) if number.count() else 0


def machine(world: World, name: str, **variant: object) -> str:
    """Another machine of Acme's, off."""
    vm_id = world.sandbox.define_demo(name, **variant)
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    return vm_id


def test_an_operation_that_fails(world: World, browse: Browse, picture: Callable[[Page, str], None]) -> None:
    disk = world.sandbox.disk_path("acme-diskless")
    vm_id = machine(world, "acme-diskless", disk=disk)
    disk.unlink()
    page, token = browse(OLIVIA), world.house.token(OSCAR)
    with told(page, world, "acme-diskless failed"):
        asked = world.house.api("PATCH", f"/vms/{vm_id}/state", token=token, json={"action": "start"})
        assert asked.status_code == 202, asked.text
    expect(page).to_have_url(f"{world.house.url}/vms/{vm_id}/")
    expect(page.locator("main").get_by_role("alert")).to_contain_text("The host refused")
    picture(page, "told-operation")


def test_a_machine_that_crashes(world: World, browse: Browse) -> None:
    name = "acme-falls"
    world.sandbox.define_demo(name)
    kept = world.sandbox.virsh("dumpxml", name, "--inactive").replace("<on_crash>destroy<", "<on_crash>preserve<")
    world.sandbox.define(kept.replace("</devices>", "<panic model='isa'/></devices>"))
    vm_id = world.sandbox.virsh("domuuid", name)
    world.house.manage("vm_adopt", vm_id, "--project", world.acme)
    world.sandbox.virsh("start", name)
    page = browse(OLIVIA)
    world.house.wait_state(vm_id, "running", world.house.token(OLIVIA))
    with told(page, world, f"{name} has crashed"):
        world.sandbox.virsh("qemu-monitor-command", name, "--hmp", "o /b 0x505 1")  # what a kernel does that panics
    expect(page).to_have_url(f"{world.house.url}/vms/{vm_id}/")
    expect(page.locator("main")).to_contain_text("Crashed")


def test_a_quota_that_is_nearly_used_up(world: World, browse: Browse) -> None:
    page, token = browse(OSCAR), world.house.token()
    has = len(world.house.api("GET", f"/vms?project={world.acme}", token=token).json()["results"])
    quota = f"/projects/{world.acme}/quota"
    try:
        with told(page, world, "Acme has used up its"):
            limited = world.house.api("PATCH", quota, token=token, json={"vms": has})
            assert limited.status_code == 200, limited.text
        expect(page).to_have_url(f"{world.house.url}/projects/{world.acme}/")
        expect(page.locator("#quota")).to_contain_text(f"{has} of {has}")
    finally:
        world.house.api("PATCH", quota, token=token, json={"vms": None})


RENEW = """
import datetime as dt
from hypervisors import pki
from hypervisors.models import Hypervisor
from hypervisors.services.renewal import agent_certificate_renew
pki.AGENT_LIFE = dt.timedelta(days={days})
agent_certificate_renew(hypervisor=Hypervisor.objects.get(name="hv1"))
"""
"""Gives the agent another certificate, of so many days."""


def test_a_certificate_that_ends_soon(world: World, browse: Browse) -> None:
    """One of two days, which the agent really has."""
    page = browse(HERA)
    try:
        with told(page, world, "The certificate of host hv1 ends soon"):
            world.house.shell(RENEW.format(days=2))
        expect(page).to_have_url(re.compile(r"/manage/hypervisors/[0-9a-f-]+/$"))
        expect(page.get_by_role("heading", name="hv1", level=1)).to_be_visible()
        expect(page.get_by_role("region", name="Certificate")).to_contain_text("1 day")
    finally:
        world.house.shell(RENEW.format(days=90))
