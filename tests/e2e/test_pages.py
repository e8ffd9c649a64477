"""Every page in light, dark and on a phone: no policy violation, no error in the browser, nothing wider than the window, nothing that axe-core calls serious."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import cycle

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.addresses import page_routes

from .conftest import LOOKS, World
from .every_page import whole_pages
from .house import ADMIN, PASSWORD
from .screen import wait_for_screen

OLIVIA = "olivia@acme.example"
STATES = {
    # what pages are besides: for whom, where
    "image-new-address": (OLIVIA, "/images/new/?how=address"),
    "search-found": (OLIVIA, "/search/?q=a"),
    "search-nothing-found": (OLIVIA, "/search/?q=no-such-thing"),
    "vms-nothing-found": (OLIVIA, "/vms/?q=no-such-machine"),
    "viewers-vm": ("vera@acme.example", "/vms/{vm}/"),
    "viewers-console": ("vera@acme.example", "/vms/{vm}/console/"),
    "not-found": ("otto@otto.example", "/vms/{vm}/"),
    "empty-dashboard": ("otto@otto.example", "/"),
}
ROWS = """
import json
from django.contrib import admin
from accounts.models import User
from notifications.models import Webhook
olivia = User.objects.get(email="olivia@acme.example")
hook, _made = Webhook.objects.get_or_create(project_id="%(acme)s", made_by=olivia, name="Told", url="https://told.example/")
ids = {model._meta.label_lower.replace(".", "/"): model._default_manager.values_list("pk", flat=True).first() for model in admin.site._registry}
print(json.dumps({**ids, "user_id": olivia.pk, "webhook_id": hook.pk}, default=str))
"""
GATHER_SECONDS = 0.15
"""A page fetches what changed together after 120 ms (static/eve/live.js)."""
SETTLE_SECONDS = 30
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
SIDEWAYS = """() => [...document.querySelectorAll(".scroll-x, .menus-out, .card")]
    .filter((place) => place.querySelector(".tbl") && place.scrollWidth > place.clientWidth).length"""
"""How many tables hide a part of themselves beside what is seen."""


def ids_of(world: World) -> dict[str, str]:
    """One of each that pages name."""
    token, api = world.house.token(), world.house.api
    wanted = {"name": "Debian 12", "size_bytes": 3 * 2**30, "project": world.acme}
    shot = api("POST", f"/vms/{world.vm_id}/screenshots", token=token)
    assert shot.status_code == 201, shot.text
    return {
        **json.loads(world.house.shell(ROWS % {"acme": world.acme}).strip().splitlines()[-1]),
        "vm_id": world.vm_id,
        "project_id": world.acme,
        "hypervisor_id": api("GET", "/hypervisors", token=token).json()["results"][0]["id"],
        "image_id": api("POST", "/images", token=token, json=wanted).json()["image"]["id"],
        "size_id": api("GET", "/sizes", token=token).json()["results"][0]["id"],
        "screenshot_id": shot.json()["id"],
        "pool": "default",
        "app_label": "accounts",
        "object_id": "none",
    }


@pytest.fixture(scope="module")
def every_page(world: World, browser: Browser) -> dict[str, tuple[str, str]]:
    """All pages, by name: who opens each, and where. Who owns a project sees hers, a superuser those of staff."""
    ids = ids_of(world)
    found = whole_pages(browser, world.house, (OLIVIA, ADMIN), page_routes(), ids)
    assert len(found) > 80, sorted(found)
    states = {name: (email, path.format(vm=world.vm_id)) for name, (email, path) in STATES.items()}
    return {**{name: (email, route.path(ids)) for name, (email, route) in found.items()}, **states}


def looks_of(pages: dict[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """In which looks each is opened: all of Eve's own in all; of Django's admin, where one style serves all, each in one by turns."""
    turns = cycle(LOOKS)
    return {
        name: (next(turns),) if path.startswith("/admin/") else tuple(LOOKS) for name, (_whose, path) in pages.items()
    }


class Settling:
    """Knows when nothing more is on its way to a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.awaited: set[Request] = set()
        page.on("request", self._asked)
        page.on("requestfinished", self._answered)
        page.on("requestfailed", self._answered)

    def wait(self) -> None:
        """Until it has been so for longer than the page gathers what it will ask for."""
        started = quiet_since = time.monotonic()
        while time.monotonic() - quiet_since < GATHER_SECONDS:
            self.page.wait_for_timeout(25)
            if self.awaited:
                quiet_since = time.monotonic()
                assert quiet_since < started + SETTLE_SECONDS, [request.url for request in self.awaited]

    def _asked(self, request: Request) -> None:
        self.awaited.add(request)

    def _answered(self, request: Request) -> None:
        self.awaited.discard(request)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("looks", [("light", "dark"), ("phone",)], ids="-".join)
def test_pages(
    every_page: dict[str, tuple[str, str]],
    world: World,
    browse: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    looks: tuple[str, ...],
) -> None:
    """In looks that have the window in common, a page is opened once."""
    faults: list[str] = []
    wanted = {name: sorted({*looks} & {*those}) for name, those in looks_of(every_page).items()}
    for email in sorted({email for email, _path in every_page.values()}):
        page = browse(email, **LOOKS[looks[0]], reduced_motion="reduce")
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        settling = Settling(page)
        for name, (whose, path) in every_page.items():
            if whose != email or not wanted[name]:
                continue
            page.emulate_media(color_scheme=LOOKS[wanted[name][0]]["color_scheme"])
            answer = page.goto(world.house.url + path)
            assert answer is not None
            assert answer.status == (404 if name == "not-found" else 200), f"{name}: {answer.status}"
            if path.endswith("/console/"):
                wait_for_screen(page)
            settling.wait()
            for look in wanted[name]:
                page.emulate_media(color_scheme=LOOKS[look]["color_scheme"])
                if page.evaluate(WIDER) > 0:
                    faults.append(f"{name} is wider than the window")
                if look == "phone" and page.evaluate(SIDEWAYS):
                    faults.append(f"{name} has a table that has to be pushed aside")
                picture(page, f"{name}-{look}")
                said = len(faults)
                found = accessibility_faults(page)
                del faults[said:]  # axe-core tries styles that the policy forbids
                faults.extend(f"{name}, {look}: {fault}" for fault in found)
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
