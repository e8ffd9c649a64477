"""Pages of what is at rest: whatever somebody else does is on them at once, by the audit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from .conftest import open_live
from .house import ADMIN, House

AT_ONCE_MS = 5_000
"""Pages ask by themselves each minute only."""


def project_of(home: House, token: str) -> str:
    """A new project."""
    made = home.api("POST", "/projects", token=token, json={"name": "Acme"})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def take_in(home: House, token: str, project: str, email: str, name: str) -> None:
    """A new person is a viewer of the project."""
    made = home.api("POST", "/users", token=token, json={"email": email, "name": name})
    assert made.status_code == 201, made.text
    member = {"email": email, "role": "viewer"}
    assert home.api("POST", f"/projects/{project}/members", token=token, json=member).status_code == 201


@pytest.mark.timeout(300)
def test_what_others_do_is_seen_at_once(made_up_home: House, open_as: Callable[..., Page]) -> None:
    token = made_up_home.token()
    project = project_of(made_up_home, token)
    first = open_as(ADMIN)

    def opened(path: str) -> Page:
        page = first.context.new_page()
        open_live(page, made_up_home.url + path)
        page.evaluate("document.body.dataset.marked = 'yes'")
        return page

    members, quotas, images = opened(f"/projects/{project}/"), opened("/manage/quotas/"), opened("/images/")
    activity, profile = opened("/activity/"), opened("/profile/")
    here = profile.locator("#sessions tbody tr")
    expect(here).to_have_count(1)

    take_in(made_up_home, token, project, "nina@acme.example", "Nina New")
    expect(members.locator("#people")).to_contain_text("Nina New", timeout=AT_ONCE_MS)
    expect(members.locator(".phead")).to_contain_text("2 members", timeout=AT_ONCE_MS)
    limits = made_up_home.api("PATCH", f"/projects/{project}/quota", token=token, json={"vms": 77})
    assert limits.status_code == 200, limits.text
    expect(quotas.locator("#listed")).to_contain_text("0 of 77", timeout=AT_ONCE_MS)
    wanted = {"name": "Debian 12", "size_bytes": 2**20, "project": project}
    assert made_up_home.api("POST", "/images", token=token, json=wanted).status_code == 201
    expect(images.locator("#images")).to_contain_text("Debian 12", timeout=AT_ONCE_MS)
    expect(activity.locator("#events")).to_contain_text("Debian 12", timeout=AT_ONCE_MS)
    open_as(ADMIN)
    expect(here).to_have_count(2, timeout=AT_ONCE_MS)
    made_up_home.token()
    expect(profile.locator("#tokens tbody tr")).to_have_count(2, timeout=AT_ONCE_MS)
    for page in (members, quotas, images, activity, profile):
        assert page.get_attribute("body", "data-marked") == "yes", f"{page.url} was loaded anew"


def test_a_button_that_is_held_down_stays_until_it_is_let_go(made_up_home: House, open_as: Callable[..., Page]) -> None:
    """One that came in its place meanwhile would not be clicked."""
    token = made_up_home.token()
    project = project_of(made_up_home, token)
    take_in(made_up_home, token, project, "pia@acme.example", "Pia Pressed")
    page = open_as(ADMIN)
    open_live(page, f"{made_up_home.url}/projects/{project}/")
    page.get_by_role("row", name="Pia Pressed").get_by_role("button", name="Take out…").hover()
    page.mouse.down()
    take_in(made_up_home, token, project, "quinn@acme.example", "Quinn Quick")
    made_up_home.api("PATCH", f"/projects/{project}/quota", token=token, json={"vms": 66})
    expect(page.locator("#quota")).to_contain_text("66", timeout=AT_ONCE_MS)  # the news are there
    page.mouse.up()
    expect(page.locator("#confirm")).to_contain_text("Take Pia Pressed out")
    page.keyboard.press("Escape")
    expect(page.get_by_role("row", name="Quinn Quick")).to_be_visible(timeout=AT_ONCE_MS)


def test_a_page_is_fetched_once_and_what_happened_before_it_listened_is_caught_up_with(
    made_up_home: House, open_as: Callable[..., Page]
) -> None:
    token = made_up_home.token()
    project = project_of(made_up_home, token)
    page, fetched = open_as(ADMIN), []
    page.on("request", lambda request: fetched.append(request.url) if "x-eve-part" in request.headers else None)
    open_live(page, f"{made_up_home.url}/projects/{project}/")
    page.wait_for_timeout(2000)  # longer ago than clocks may be apart
    fetched.clear()
    for path in ("/", f"/projects/{project}/", "/images/", "/manage/"):
        open_live(page, made_up_home.url + path)
        page.wait_for_timeout(1000)
        assert fetched == [], path

    def change_first(route: Route) -> None:
        made_up_home.api("PATCH", f"/projects/{project}/quota", token=token, json={"vms": 55})
        route.continue_()

    page.route("**/eve/live*.js", change_first)
    open_live(page, f"{made_up_home.url}/projects/{project}/")
    expect(page.locator("#quota")).to_contain_text("55", timeout=AT_ONCE_MS)


def test_a_page_asks_slowly_while_eve_does_not_answer(made_up_home: House, open_as: Callable[..., Page]) -> None:
    """Every open page does so: together they would keep an Eve busy that comes back."""
    page = open_as(ADMIN)
    open_live(page, f"{made_up_home.url}/activity/")
    asked = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("**/activity/**", refuse)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(3000)
    parts = page.locator("[data-live][data-part]").count()
    assert 1 <= len(asked) <= parts, "each part once"
    page.unroute("**/activity/**")
    with page.expect_response("**/activity/**", timeout=10_000):
        pass
