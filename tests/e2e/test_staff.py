"""Staff at work in a browser: many machines at once, a new user who signs in by the link, a host's troubles."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from .conftest import World
from .house import ADMIN, PASSWORD

LIVE_MS = 5000
"""A page follows within a second; these share their cores with a guest, two browsers and Eve."""


def test_chosen_machines_are_paused_and_resumed_by_one_request(
    world: World,
    browse: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = browse(ADMIN)
    page.goto(f"{world.house.url}/manage/vms/")
    start = page.locator('#bulk button[value="start"]')
    expect(start).to_be_disabled()
    page.get_by_label("Choose all on this page").check()
    chosen = page.locator("#bulk [data-count]")
    expect(chosen).to_have_text(f"{page.locator('input[name=vm]').count()} chosen")
    page.get_by_label("Choose all on this page").uncheck()
    page.get_by_label(f"Choose {world.vm_name}", exact=True).check()
    expect(chosen).to_have_text("1 chosen")
    page.locator("#bulk summary").click()
    page.get_by_role("button", name="Pause…").click()
    expect(page.locator("#confirm")).to_contain_text("Pause the chosen machines?")
    page.locator("#confirm [data-yes]").click()
    expect(page.locator("main")).to_contain_text("1 asked for")
    state = page.locator(f"#state-{world.vm_id}")
    expect(state).to_have_text("Paused", timeout=20_000)  # live: nobody loads the page again
    picture(page, "manage-outcomes-light")
    assert accessibility_faults(page) == []
    page.get_by_role("link", name="Back").click()
    page.get_by_label(f"Choose {world.vm_name}").check()
    page.locator("#bulk summary").click()
    page.locator('#bulk button[value="resume"]').click()
    expect(page.locator(f"#state-{world.vm_id}")).to_have_text("Running", timeout=20_000)


def test_a_box_stays_ticked_while_its_machine_changes(world: World, browse: Callable[..., Page]) -> None:
    page = browse(ADMIN)
    page.goto(f"{world.house.url}/manage/vms/")
    box = page.get_by_label(f"Choose {world.vm_name}")
    box.check()
    page.locator("h1").click()  # the focus leaves the box: a part that is in use would wait
    token = world.house.token()
    for action, word in (("suspend", "Paused"), ("resume", "Running")):
        world.house.api("PATCH", f"/vms/{world.vm_id}/state", token=token, json={"action": action})
        expect(page.locator(f"#vm-{world.vm_id} .st")).to_have_text(word, timeout=20_000)
        expect(box).to_be_checked()
    expect(page.locator("#bulk [data-count]")).to_have_text("1 chosen")


def test_a_new_user_gets_a_link_and_signs_in(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    staff = browse(ADMIN)
    staff.goto(f"{world.house.url}/manage/users/")
    staff.get_by_role("link", name="New user").click()
    staff.fill("input[name=email]", "nora@acme.example")
    staff.fill("input[name=name]", "Nora New")
    staff.get_by_role("button", name="Make the user").click()
    staff.get_by_role("button", name="Show a set-password link").click()
    link = staff.inner_text("#password-link")
    picture(staff, "manage-user-link-light")
    new = staff.context.browser.new_context().new_page()  # type: ignore[union-attr]
    new.goto(link)
    for field in ("password", "again"):
        new.fill(f"input[name={field}]", PASSWORD)
    new.click("main button[type=submit]")
    expect(new.locator("body")).not_to_contain_text("does not work any more")
    new.context.close()
    nora = browse("nora@acme.example")
    expect(nora.locator("h1")).to_have_text("Your virtual machines")
    staff.get_by_role("button", name="Disable…").click()
    staff.locator("#confirm [data-yes]").click()
    expect(staff.locator("main")).to_contain_text("is shut out, everywhere")
    nora.wait_for_url("**/login/**", timeout=20_000)


def test_the_overview_and_the_administration_are_kept_true(
    world: World, browse: Callable[..., Page], picture: Callable[[Page, str], None]
) -> None:
    overview, administration = browse(ADMIN), browse(ADMIN)
    overview.goto(f"{world.house.url}/manage/")
    administration.goto(f"{world.house.url}/admin/hypervisors/hypervisor/")
    state = administration.locator('[id^="host-state-"]')
    expect(overview.locator("#fleet-head .phead")).to_contain_text("1 host,")
    expect(state).to_have_text("Healthy")
    expect(overview.locator("#side-operations")).to_be_hidden()
    token = world.house.token()
    site = world.house.api("GET", "/hypervisors", token=token).json()["results"][0]["site"]
    second = {"name": "hv-second", "site": site, "address": "127.0.0.1:1"}
    made = world.house.api("POST", "/hypervisors", token=token, json=second).json()
    expect(overview.locator("#fleet-head .phead")).to_contain_text("2 hosts", timeout=LIVE_MS)
    world.house.api("DELETE", f"/hypervisors/{made['id']}", token=token)
    expect(overview.locator("#fleet-head .phead")).to_contain_text("1 host,", timeout=LIVE_MS)
    world.house.stop_agent()
    try:
        expect(state).to_contain_text("Away", timeout=20_000)
        expect(overview.locator("#fleet")).to_contain_text("does not answer", timeout=LIVE_MS)
        picture(administration, "admin-hypervisors-away-light")
    finally:
        world.house.start_agent()
    expect(state).to_have_text("Healthy", timeout=30_000)
    expect(overview.locator("#fleet")).not_to_contain_text("does not answer", timeout=LIVE_MS)


def test_a_menus_question_names_its_machine(world: World, browse: Callable[..., Page]) -> None:
    page = browse("olivia@acme.example")
    row = page.locator(f"#vm-{world.vm_id}")
    row.locator("summary").click()
    row.get_by_role("button", name="Stop…").click()
    expect(page.locator("#confirm")).to_contain_text(f"Pull the plug on {world.vm_name}?")
    expect(page.locator("#confirm [data-yes]")).to_have_text(f"Stop {world.vm_name}")
    page.locator("#confirm [data-no]").click()
    expect(row.locator(".st")).to_have_text("Running")


def test_a_members_new_row_has_names_too(
    world: World,
    browse: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = browse(ADMIN)
    page.goto(f"{world.house.url}/admin/accounts/project/{world.acme}/change/")
    page.get_by_text("Add another Membership").click()
    page.locator(".dynamic-memberships").last.get_by_role("combobox", name="User").click()
    expect(page.get_by_role("searchbox", name="User")).to_be_focused()
    picture(page, "admin-new-member-light")
    assert accessibility_faults(page) == []
