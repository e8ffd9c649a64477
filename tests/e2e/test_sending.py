"""Forms that cannot be sent as meant: signed out meanwhile, Eve away, refused, gone, sent twice. Each says what happened, and no typed text is lost."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Route, expect

from .conftest import type_sign_in
from .house import ADMIN, House

ADOPT = """
from accounts.models import User
from vms.models import DiscoveredDomain, Vm
from vms.services import vm_adopt
project = User.objects.get().personal_project
for found in DiscoveredDomain.objects.all():
    vm_adopt(discovered=found, project=project, user=None)
Vm.objects.update(is_made_by_eve=True)
print(*Vm.objects.order_by("name").values_list("pk", flat=True))
"""
IMAGE = """
from accounts.models import Membership, Project, Role, User
from hypervisors.models import Hypervisor
from vms.models import Image, ImageState
acme = Project.objects.create(name="Acme")
Membership.objects.create(project=acme, user=User.objects.get(), role=Role.OWNER)
Image.objects.create(name="Only for Acme", site=Hypervisor.objects.get().site, project=acme, state=ImageState.READY, virtual_bytes=2**20)
print(acme.pk)
"""
WHOLE_PAGE = "<!doctype html><title>x</title><p id='stray'>A whole page</p>"


@pytest.fixture(scope="module")
def vms(made_up_home: House) -> list[str]:
    """The three guests, adopted."""
    return made_up_home.shell(ADOPT).strip().splitlines()[-1].split()


def projects(home: House) -> list[str]:
    token = home.token()
    return [each["name"] for each in home.api("GET", "/projects", token=token).json()["results"]]


def fill_in(page: Page, home: House, name: str) -> None:
    page.goto(f"{home.url}/projects/new/")
    page.fill("#id_name", name)


def keep_as_it_came(page: Page) -> None:
    """The next page is not kept true: it is told nothing, and no part of it comes anew, which would bring the cookie of its forms along."""

    def answer(route: Route) -> None:
        headers = route.request.headers
        if "x-eve-part" in headers or ("hx-request" in headers and route.request.method == "GET"):
            route.fulfill(status=204)
        else:
            route.continue_()

    page.route("**/*", answer)
    page.route_web_socket("**/ws/**", lambda _socket: None)


def test_signed_out_meanwhile_nothing_is_lost(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN)
    fill_in(page, made_up_home, "Night watch")
    page.context.clear_cookies()
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_role("alert")).to_contain_text("You were signed out meanwhile, so nothing was sent.")
    expect(page.locator("#id_name")).to_have_value("Night watch")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Sign in").click()
    assert "/login/" in opened.value.url
    type_sign_in(opened.value, made_up_home, ADMIN)
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_text("Night watch is there.")).to_be_visible()


def test_a_page_that_hears_of_its_end_keeps_what_is_typed(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN)
    fill_in(page, made_up_home, "Dog watch")
    other = page.context.new_page()
    other.goto(f"{made_up_home.url}/")
    other.locator("summary", has_text=": your menu").click()
    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("alert")).to_contain_text("You were signed out meanwhile")
    expect(page.locator("#id_name")).to_have_value("Dog watch")


def test_while_eve_is_away_nothing_is_lost(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN)
    fill_in(page, made_up_home, "Day watch")
    made_up_home.stop_eve()
    try:
        page.get_by_role("button", name="Make the project").click()
        expect(page.get_by_text("Eve does not answer, so nothing was sent.")).to_be_visible()
        expect(page.locator("#id_name")).to_have_value("Day watch")
    finally:
        made_up_home.start_eve()
    page.get_by_role("button", name="Make the project").click()
    expect(page.get_by_text("Day watch is there.")).to_be_visible()


def test_what_is_refused_is_still_there(made_up_home: House, open_as: Callable[..., Page], vms: list[str]) -> None:
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/vms/{vms[0]}/settings/")
    page.fill("#name", "fake-0002")
    page.fill("#remarks", "Ask Zoë.")
    page.locator("form", has=page.locator("#remarks")).get_by_role("button", name="Save").click()
    expect(page.locator("main [role=alert]")).to_contain_text("has a virtual machine called fake-0002 already")
    expect(page.get_by_text("The remarks are saved.")).to_have_count(0)
    expect(page.locator("#name")).to_have_value("fake-0002")
    expect(page.locator("#remarks")).to_have_value("Ask Zoë.")


def test_what_is_wrong_in_a_form_is_seen_at_once(made_up_home: House, open_as: Callable[..., Page]) -> None:
    """On a phone the form is below what the page begins with."""
    page = open_as(ADMIN, "phone")
    fill_in(page, made_up_home, "Wrong")
    page.click("main button[type=submit]")
    page.fill("input[name=email]", "oscar@acme")
    page.click("main button:has-text('Take in')")
    expect(page.get_by_text("Enter a valid email address.")).to_be_in_viewport()
    expect(page.locator("input[name=email]")).to_be_focused()


def test_an_image_of_a_project_is_chosen_with_its_project(made_up_home: House, open_as: Callable[..., Page]) -> None:
    project = made_up_home.shell(IMAGE).strip().splitlines()[-1]
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/vms/new/")
    expect(page.locator("[name=project]")).not_to_have_value(project)
    page.locator(".opt", has_text="Only for Acme").click()
    expect(page.locator("[name=project]")).to_have_value(project)


def test_two_clicks_make_one(made_up_home: House, open_as: Callable[..., Page]) -> None:
    page = open_as(ADMIN)
    fill_in(page, made_up_home, "Twice")
    page.get_by_role("button", name="Make the project").dblclick()
    expect(page.get_by_text("Twice is there.")).to_be_visible()
    time.sleep(0.5)
    assert projects(made_up_home).count("Twice") == 1


def test_a_button_of_somebody_signed_out_leads_to_the_sign_in(
    made_up_home: House, open_as: Callable[..., Page], vms: list[str]
) -> None:
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/vms/{vms[0]}/")
    page.context.clear_cookies()
    with contextlib.suppress(PlaywrightError):  # the page may have noticed by itself, and left
        page.get_by_role("button", name="Shut down").first.click(timeout=3000)
    page.wait_for_url(f"{made_up_home.url}/login/?next=/vms/{vms[0]}/")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "this page is out of date"),
        (413, "more than Eve takes at once"),
        (429, "Too much was asked"),
        (500, "Something in Eve failed"),
        (503, "Something in Eve failed"),
    ],
)
def test_an_answer_that_is_no_part_of_the_page_is_told(
    made_up_home: House, open_as: Callable[..., Page], vms: list[str], status: int, words: str
) -> None:
    page = open_as(ADMIN)
    page.goto(f"{made_up_home.url}/vms/{vms[0]}/")

    def answer(route: Route) -> None:
        if status == 503:
            route.fulfill(status=503, content_type="application/problem+json", body=json.dumps({"title": "Away"}))
        else:
            route.fulfill(status=status, content_type="text/html", body=WHOLE_PAGE)

    page.route("**/power/**", answer)
    page.get_by_role("button", name="Shut down").first.click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.locator("#stray")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_form_out_of_date_is_really_refused(
    made_up_home: House, open_as: Callable[..., Page], vms: list[str]
) -> None:
    """As above, by Eve's own word: the browser has lost the cookie that belongs to the form."""
    page = open_as(ADMIN)
    keep_as_it_came(page)
    page.goto(f"{made_up_home.url}/vms/{vms[0]}/")
    page.context.clear_cookies(name="eve-csrf")
    page.get_by_role("button", name="Shut down").first.click()
    expect(page.get_by_role("alert")).to_contain_text("this page is out of date")


def test_what_is_gone_meanwhile_is_told(made_up_home: House, open_as: Callable[..., Page], vms: list[str]) -> None:
    page = open_as(ADMIN)
    keep_as_it_came(page)
    page.goto(f"{made_up_home.url}/vms/{vms[2]}/")
    made_up_home.shell(f"from vms.models import Vm; Vm.objects.filter(pk='{vms[2]}').delete()")
    page.get_by_role("button", name="Shut down").first.click()
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    expect(page.get_by_text("that was deleted or moved to another project looks the same")).to_be_visible()


def test_exact_times_are_the_readers(made_up_home: House, open_as: Callable[..., Page]) -> None:
    token = made_up_home.token()
    ends = made_up_home.api("GET", "/tokens", token=token).json()["results"][0]["expires_at"]
    page = open_as(ADMIN, timezone_id="Asia/Tokyo", locale="en-GB")
    page.goto(f"{made_up_home.url}/profile/")
    shown = page.locator(f"#tokens time[datetime^='{ends[:16]}']").first
    words = page.evaluate(
        "(when) => new Date(when).toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'short', timeZone: 'Asia/Tokyo'})",
        ends,
    )
    expect(shown).to_have_text(words)
    assert "GMT+9" in shown.get_attribute("title")
