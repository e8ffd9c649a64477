"""Every page in light, dark and on a phone: no policy violation, no error in the browser, nothing wider than the window, nothing that axe-core calls serious."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import LOOKS, World
from .house import ADMIN, PASSWORD
from .screen import wait_for_screen

PAGES = {
    "dashboard": ("olivia@acme.example", "/"),
    "vms": ("olivia@acme.example", "/vms/"),
    "vm": ("olivia@acme.example", "/vms/{vm}/"),
    "console": ("olivia@acme.example", "/vms/{vm}/console/"),
    "console-serial": ("olivia@acme.example", "/vms/{vm}/console/serial/"),
    "doctor": ("vera@acme.example", "/vms/{vm}/doctor/"),
    "vm-new": ("olivia@acme.example", "/vms/new/"),
    "vm-hardware": ("olivia@acme.example", "/vms/{vm}/hardware/"),
    "vm-snapshots": ("olivia@acme.example", "/vms/{vm}/snapshots/"),
    "vm-time-line": ("olivia@acme.example", "/vms/{vm}/screenshots/"),
    "vm-links": ("olivia@acme.example", "/vms/{vm}/links/"),
    "vm-activity": ("olivia@acme.example", "/vms/{vm}/activity/"),
    "vm-operations": ("olivia@acme.example", "/vms/{vm}/operations/"),
    "vm-settings": ("olivia@acme.example", "/vms/{vm}/settings/"),
    "disks": ("olivia@acme.example", "/disks/"),
    "activity": ("olivia@acme.example", "/activity/"),
    "profile": ("olivia@acme.example", "/profile/"),
    "project": ("olivia@acme.example", "/projects/{acme}/"),
    "project-new": ("olivia@acme.example", "/projects/new/"),
    "images": ("olivia@acme.example", "/images/"),
    "image": ("olivia@acme.example", "/images/{image}/"),
    "image-new": ("olivia@acme.example", "/images/new/"),
    "image-new-address": ("olivia@acme.example", "/images/new/?how=address"),
    "vms-nothing-found": ("olivia@acme.example", "/vms/?q=no-such-machine"),
    "viewers-vm": ("vera@acme.example", "/vms/{vm}/"),
    "viewers-console": ("vera@acme.example", "/vms/{vm}/console/"),
    "not-found": ("otto@otto.example", "/vms/{vm}/"),
    "empty-dashboard": ("otto@otto.example", "/"),
    "manage": (ADMIN, "/manage/"),
    "manage-host": (ADMIN, "/manage/hypervisors/{host}/"),
    "manage-vms": (ADMIN, "/manage/vms/"),
    "manage-users": (ADMIN, "/manage/users/"),
    "manage-user-new": (ADMIN, "/manage/users/new/"),
    "manage-projects": (ADMIN, "/manage/projects/"),
    "manage-project": (ADMIN, "/manage/projects/{acme}/"),
    "manage-project-new": (ADMIN, "/manage/projects/new/"),
    "manage-consoles": (ADMIN, "/manage/consoles/"),
    "manage-drift": (ADMIN, "/manage/drift/"),
    "manage-operations": (ADMIN, "/manage/operations/"),
    "manage-audit": (ADMIN, "/manage/audit/"),
    "manage-images": (ADMIN, "/manage/images/"),
    "manage-pools": (ADMIN, "/manage/pools/"),
    "manage-pool": (ADMIN, "/manage/pools/{host}/default/"),
    "manage-sizes": (ADMIN, "/manage/sizes/"),
    "manage-size": (ADMIN, "/manage/sizes/{size}/"),
    "manage-quotas": (ADMIN, "/manage/quotas/"),
    "manage-quota": (ADMIN, "/manage/quotas/{acme}/"),
    "admin": (ADMIN, "/admin/"),
    "admin-hypervisors": (ADMIN, "/admin/hypervisors/hypervisor/"),
    "admin-hypervisor": (ADMIN, "/admin/hypervisors/hypervisor/{host}/change/"),
    "admin-hypervisor-add": (ADMIN, "/admin/hypervisors/hypervisor/add/"),
    "admin-sites": (ADMIN, "/admin/hypervisors/site/"),
    "admin-certificates": (ADMIN, "/admin/hypervisors/certificate/"),
    "admin-audit": (ADMIN, "/admin/accounts/auditevent/"),
    "admin-users": (ADMIN, "/admin/accounts/user/"),
}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("look", LOOKS)
def test_pages(
    world: World,
    browse: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    token = world.house.token()
    host = world.house.api("GET", "/hypervisors", token=token).json()["results"][0]["id"]
    wanted = {"name": f"Debian 12 ({look})", "size_bytes": 3 * 2**30, "project": world.acme}
    image = world.house.api("POST", "/images", token=token, json=wanted).json()["image"]["id"]
    size = world.house.api("GET", "/sizes", token=token).json()["results"][0]["id"]
    faults: list[str] = []
    for email in sorted({email for email, _path in PAGES.values()}):
        page = browse(email, **LOOKS[look])
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        for name, (whose, path) in PAGES.items():
            if whose != email:
                continue
            where = path.format(vm=world.vm_id, acme=world.acme, host=host, image=image, size=size)
            answer = page.goto(world.house.url + where)
            assert answer is not None
            assert answer.status == (404 if name == "not-found" else 200), f"{name}: {answer.status}"
            if name in ("console", "viewers-console"):
                wait_for_screen(page)
            page.wait_for_timeout(400)
            if page.evaluate(WIDER) > 0:
                faults.append(f"{name} is wider than the window")
            picture(page, f"{name}-{look}")
            said = len(faults)
            found = accessibility_faults(page)
            del faults[said:]  # axe-core tries styles that the policy forbids
            faults.extend(f"{name}: {fault}" for fault in found)
    assert [fault for fault in faults if "404" not in fault] == []


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_of_adding_a_host(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None], look: str
) -> None:
    token, faults = world.house.token(), []
    enrolled = world.house.api("GET", "/hypervisors", token=token).json()["results"][0]["id"]
    world.house.manage("hypervisor_add", f"new-{look}", "--address", "192.0.2.7:8443", "--site", "here")
    rows = world.house.api("GET", "/hypervisors", token=token).json()["results"]
    added = next(row["id"] for row in rows if row["name"] == f"new-{look}")
    page = browse(ADMIN, **LOOKS[look])
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        page.goto(f"{world.house.url}/manage/hypervisors/{added}/enrolment/")
        page.click('form[action$="/enrolment/"] button')
        if page.locator("#confirm [data-yes]").is_visible():
            page.locator("#confirm [data-yes]").click()
        expect(page.locator("#enrolment-line")).to_contain_text("eve-agent enrol")
        picture(page, f"enrolment-{look}")
        assert page.evaluate(WIDER) <= 0
        page.goto(f"{world.house.url}/manage/hypervisors/{enrolled}/test/")
        page.get_by_role("button", name="Test now").click()
        expect(page.get_by_role("button", name="Test again")).to_be_visible(timeout=30_000)
        picture(page, f"connection-test-{look}")
        assert page.evaluate(WIDER) <= 0
    finally:
        world.house.shell(f"from hypervisors.models import Hypervisor; Hypervisor.objects.get(pk='{added}').delete()")
    assert faults == []


def test_at_another_address_the_pages_say_which_to_open(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    """The same server under another name: signing in works there, consoles do not."""
    elsewhere = world.house.url.replace("127.0.0.1", "localhost")
    page = browse("olivia@acme.example")
    assert not page.is_visible("#elsewhere")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"{elsewhere}/login/")
    assert world.house.url in page.inner_text("#elsewhere")
    picture(page, "elsewhere-sign-in")
    page.fill("input[name=email]", "olivia@acme.example")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{elsewhere}/")
    page.goto(world.vm_url.replace("127.0.0.1", "localhost"))
    assert page.get_attribute("#elsewhere a", "href") == world.vm_url
    page.goto(world.console_url.replace("127.0.0.1", "localhost"))
    assert world.house.url in page.inner_text("#card")
    assert page.get_attribute("#card a[data-home]", "href") == world.console_url
    picture(page, "elsewhere-console")
    page.wait_for_timeout(1500)
    assert sockets == []
