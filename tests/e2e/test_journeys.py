"""What each kind of people comes for, from signing in to the end, on real libvirt and QEMU. A guest by link: test_console.py."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.services.discs import boot_disc
from tests.services.libvirt import libvirt_sandbox

from .conftest import World, type_sign_in
from .house import ADMIN, PASSWORD, free_port
from .screen import type_line, wait_for_screen
from .test_booting import heard_from
from .test_machines import upload

OLIVIA, OSCAR, VERA, HERA, THEO = (
    "olivia@acme.example",
    "oscar@acme.example",
    "vera@acme.example",
    "hera@eve.example",
    "theo@eve.example",
)
DESKTOP = {"width": 1280, "height": 900}
OPERATION_MS = 90_000
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7 cleo@desk"
FOCUSED = "element => element === document.activeElement"
RING = """() => {
    const { activeElement: focused, body } = document;
    const rings = ({ outlineStyle, boxShadow }) => outlineStyle !== "none" || boxShadow !== "none";
    return focused === body || [focused, focused.closest(".search")].some((each) => each && rings(getComputedStyle(each)));
}"""

Browse = Callable[..., Page]


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Callable[[], Page]]:
    """``stranger()``: a page of a fresh browser in which nobody is signed in."""
    contexts: list[BrowserContext] = []

    def fresh() -> Page:
        contexts.append(browser.new_context(viewport=DESKTOP))
        return contexts[-1].new_page()

    yield fresh
    for context in contexts:
        context.close()


def sure(page: Page) -> None:
    """Says yes to the question that is asked."""
    page.locator("#confirm [data-yes]").click()


def power(page: Page, action: str) -> None:
    """By the menu of the machine's page."""
    page.locator(".phead .acts summary").first.click()
    page.locator(f".phead .acts [value={action}]").click()


def test_a_customer(world: World, stranger: Callable[[], Page]) -> None:
    """Cleo gets a link, chooses a password, leaves a key, makes a machine, looks at it, and deletes it."""
    staff = world.house.token()
    cleo = world.house.api("POST", "/users", token=staff, json={"email": "cleo@new.example", "name": "Cleo"}).json()
    link = world.house.api("POST", f"/users/{cleo['id']}/password-link", token=staff).json()["url"]
    page = stranger()
    page.goto(link)
    page.fill("#id_password", PASSWORD)
    page.fill("#id_again", PASSWORD)
    page.get_by_role("button", name="Set password").click()
    type_sign_in(page, world.house, "cleo@new.example")
    expect(page.get_by_text("No virtual machines yet")).to_be_visible()

    page.goto(f"{world.house.url}/profile/")
    page.get_by_label("Public key").fill(KEY)
    page.get_by_role("button", name="Add the key").click()
    expect(page.get_by_text("cleo@desk").first).to_be_visible()

    page.goto(f"{world.house.url}/")
    page.get_by_role("link", name="New VM").first.click()
    page.fill("#id_name", "cleo-01")
    page.locator("label.opt", has_text="Own numbers").click()
    page.fill("#id_memory_gib", "0.25")
    page.fill("#id_disk_gib", "1")
    page.get_by_role("button", name="Create cleo-01").click()
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    address = page.url
    expect(page.get_by_text("cleo-01 is there.")).to_be_visible(timeout=OPERATION_MS)
    expect(page.locator(".phead .st")).to_have_text("Running")

    page.get_by_role("link", name="Console").first.click()
    wait_for_screen(page)  # the firmware, which finds nothing to boot
    page.goto(address)
    power(page, "stop")
    sure(page)
    expect(page.locator(".phead .st")).to_have_text("Off", timeout=OPERATION_MS)
    page.goto(f"{world.house.url}/activity/")
    expect(page.get_by_text("cleo-01").first).to_be_visible()

    page.goto(f"{address}settings/")
    page.get_by_role("button", name="Delete…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("cleo-01")
    dialog.get_by_role("button", name="Delete cleo-01").click()
    page.wait_for_url(f"{world.house.url}/")
    expect(page.get_by_text("cleo-01 is being deleted.")).to_be_visible()
    expect(page.get_by_text("No virtual machines yet")).to_be_visible(timeout=OPERATION_MS)  # by itself


def test_an_owner_invites_an_operator(world: World, browse: Browse, stranger: Callable[[], Page]) -> None:
    """Nina has no account, makes one by the mail, types into the guest, and is out of it once she is taken out."""
    owner = browse(OLIVIA, viewport=DESKTOP)
    owner.goto(f"{world.house.url}/projects/{world.acme}/")
    owner.fill("#id_email", "nina@new.example")
    owner.select_option("#id_role", "operator")
    owner.get_by_role("button", name="Take in").click()
    expect(owner.locator("#invitations")).to_contain_text("nina@new.example")

    words = world.mails.wait_for("nina@new.example").get_content().split()
    page = stranger()
    page.goto(next(word for word in words if "/invitation/?" in word))
    page.fill("#id_name", "Nina New")
    page.fill("#id_password", PASSWORD)
    page.fill("#id_again", PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_text("you are in Acme")).to_be_visible()
    page.goto(f"{world.house.url}/")
    page.get_by_role("link", name=world.vm_name).first.click()
    page.get_by_role("link", name="Console").first.click()
    wait_for_screen(page)
    type_line(page, "echo nina-is-in > /dev/ttyS0")
    world.guest_wrote("nina-is-in")

    owner.get_by_role("row", name="Nina New").get_by_role("button", name="Take out…").click()  # there without a reload
    sure(owner)
    expect(page.locator("#card")).to_be_visible(timeout=5_000)
    expect(page.locator("#card")).to_contain_text("may not")
    answer = page.goto(world.vm_url)
    assert answer is not None
    assert answer.status == 404


def test_a_viewer(world: World, browse: Browse) -> None:
    """Vera sees what is there, and changes none of it, by the API neither."""
    page = browse(VERA, viewport=DESKTOP)
    page.get_by_role("link", name=world.vm_name).first.click()
    expect(page.locator(".phead").get_by_text("View only")).to_be_visible()
    for tab in ("Hardware", "Snapshots", "Settings", "Overview"):
        page.locator(".tabs-x").get_by_role("link", name=tab).click()
        expect(page.locator("main form[method=post]")).to_have_count(0)
    page.get_by_role("link", name="Console").first.click()
    wait_for_screen(page)
    type_line(page, "echo vera-typed > /dev/ttyS0")
    with pytest.raises(TimeoutError, match="did not write"):
        world.guest_wrote("vera-typed", seconds=2)
    token = world.house.token(VERA)
    refused = world.house.api("PATCH", f"/vms/{world.vm_id}/state", token=token, json={"action": "stop"})
    assert refused.status_code == 403
    assert "operator's role" in refused.json()["detail"]


def test_staff_of_one_site(world: World, browse: Browse) -> None:
    """Hera adopts what she finds at her site, while its owner looks on; Theo of another site sees none of it."""
    found = world.sandbox.define_demo("found-01")
    owner, page, other = browse(OLIVIA), browse(HERA, viewport=DESKTOP), browse(THEO)
    page.get_by_role("link", name="Manage").first.click()
    expect(page.locator("main")).to_contain_text("hv1")
    page.goto(f"{world.house.url}/manage/drift/")
    row = page.get_by_role("row", name=re.compile("found-01"))
    expect(row).to_be_visible(timeout=10_000)
    row.get_by_role("link", name="Adopt").click()
    page.locator("main").get_by_role("searchbox").fill("acm")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Adopt into Acme").click()
    expect(page.locator("main")).to_contain_text("found-01 belongs to project Acme now")
    expect(owner.locator("a.vm-n", has_text="found-01")).to_be_visible(timeout=10_000)  # without a reload

    page.goto(f"{world.house.url}/manage/")
    page.locator("main").get_by_role("link", name="hv1").first.click()
    page.goto(f"{page.url}test/")
    page.get_by_role("button", name="Test now").click()
    expect(page.get_by_role("button", name="Test again")).to_be_visible(timeout=30_000)

    for path in ("/manage/", "/manage/vms/", "/manage/drift/", "/manage/consoles/", "/admin/hypervisors/hypervisor/"):
        other.goto(f"{world.house.url}{path}")
        expect(other.locator("main, #content").first).not_to_contain_text("hv1")
        expect(other.locator("main, #content").first).not_to_contain_text("found-01")

    world.sandbox.virsh("undefine", found)
    page.goto(f"{world.house.url}/manage/drift/")
    gone = page.get_by_role("row", name=re.compile("found-01"))
    gone.get_by_role("button", name="Forget").click(timeout=10_000)
    sure(page)
    expect(page.locator("main")).to_contain_text("found-01 is no longer in Eve")


def test_a_superuser(world: World, browse: Browse, stranger: Callable[[], Page], tmp_path: Path) -> None:
    """A host is registered in Django admin, enrols by the line that the page shows, and is shut out; a colleague gets an account."""
    page = browse(ADMIN, viewport=DESKTOP)
    with libvirt_sandbox() as sandbox:
        sandbox.define_demo("far-01")
        port = free_port()
        page.goto(f"{world.house.url}/admin/hypervisors/hypervisor/add/")
        page.fill("input[name=name]", "hv-far")
        page.select_option("select[name=site]", label="here")
        page.fill("input[name=address]", f"127.0.0.1:{port}")
        page.click("input[name=_save]")
        if page.locator("#enrolment-line").count() == 0:
            page.get_by_role("button", name="Make the line").click()
        line = page.locator("#enrolment-line [data-copy]").get_attribute("data-copy") or ""
        assert line.startswith("eve-agent enrol http")
        agent = Path(sys.executable).with_name("eve-agent")
        config = tmp_path / "agent.toml"
        words = [str(agent), *shlex.split(line)[1:], "--config", str(config), "--key-dir", str(tmp_path / "keys")]
        subprocess.run(words, env=world.house.environment, check=True, timeout=60, capture_output=True)
        config.write_text(config.read_text().replace('"qemu:///system"', json.dumps(sandbox.uri)))
        with (tmp_path / "agent.log").open("wb") as log:
            running = subprocess.Popen(
                [str(agent), "run", "--config", str(config)], env=world.house.environment, stdout=log, stderr=log
            )
        try:
            expect(page.locator("#progress")).to_contain_text("online", timeout=30_000, ignore_case=True)
            page.goto(f"{world.house.url}/manage/drift/")
            expect(page.get_by_role("row", name=re.compile("far-01"))).to_be_visible(timeout=10_000)
            page.goto(f"{world.house.url}/admin/hypervisors/hypervisor/")
            page.get_by_role("link", name="hv-far").click()
            page.locator("a.deletelink").click()
            page.locator("#content input[type=submit]").click()
            expect(page.locator(".messagelist")).to_contain_text("hv-far")
            page.goto(f"{world.house.url}/manage/drift/")
            expect(page.locator("main")).not_to_contain_text("far-01")
        finally:
            running.terminate()
            running.wait(15)

    page.goto(f"{world.house.url}/admin/accounts/user/add/")
    page.fill("input[name=email]", "sami@eve.example")
    page.fill("input[name=name]", "Sami")
    page.check("input[name=is_staff]")
    page.check("input[name=is_site_limited]")
    page.click("input[name=_save]")
    page.goto(f"{world.house.url}/admin/accounts/user/?q=sami")
    page.get_by_role("link", name="sami@eve.example").first.click()
    page.get_by_role("button", name="Show a set-password link").click()
    colleague = stranger()
    colleague.goto(page.locator("#password-link").inner_text())
    colleague.fill("#id_password", PASSWORD)
    colleague.fill("#id_again", PASSWORD)
    colleague.get_by_role("button", name="Set password").click()
    type_sign_in(colleague, world.house, "sami@eve.example")
    colleague.goto(f"{world.house.url}/manage/")
    expect(colleague.locator("main")).not_to_contain_text("hv1")  # of no site yet
    page.goto(f"{world.house.url}/manage/audit/?q=sami")
    expect(page.locator("main table")).to_contain_text("sami@eve.example")


def reach(page: Page, target: Locator, *, key: str = "Tab", most: int = 120) -> None:
    """Moves the focus there by the keyboard alone; where it stops on the way, it can be seen."""
    for _ in range(most):
        if target.count() and target.first.evaluate(FOCUSED):
            return
        page.keyboard.press(key)
        assert page.evaluate(RING), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    raise AssertionError(f"{target} is not reached by {most} times {key}")


def test_without_a_mouse(world: World, stranger: Callable[[], Page]) -> None:
    """Oscar signs in, makes a machine that boots a disc, types at its screen, and deletes it: by the keyboard alone, from page to page."""
    upload(world, "Keys disc", data=boot_disc("KEYS"), kind="iso", format="raw")
    page = stranger()
    page.goto(f"{world.house.url}/login/")
    expect(page.locator("input[name=email]")).to_be_focused()
    page.keyboard.type(OSCAR)
    reach(page, page.locator("input[name=password]"), most=10)
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{world.house.url}/")

    page.keyboard.press("Tab")
    expect(page.locator("a.skip")).to_be_focused()
    page.keyboard.press("Enter")
    reach(page, page.locator("main").get_by_role("link", name="New VM"), most=20)
    page.keyboard.press("Enter")
    page.wait_for_url("**/vms/new/")
    choose(page, page.locator("input[name=image]"), page.get_by_role("radio", name=re.compile("Keys disc")))
    choose(page, page.locator("input[name=size]"), page.locator("input[name=size][value=own]"))
    reach(page, page.locator("#id_memory_gib"), most=10)
    page.keyboard.press("Control+A")
    page.keyboard.type("0.25")
    reach(page, page.locator("#id_disk_gib"), most=5)
    page.keyboard.press("Control+A")
    page.keyboard.type("1")
    reach(page, page.locator("#id_name"))
    page.keyboard.type("keys-01")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/vms/[0-9a-f-]{36}/$"))
    address = page.url
    vm_id = address.rstrip("/").rpartition("/")[2]
    expect(page.get_by_text("keys-01 is there.")).to_be_visible(timeout=OPERATION_MS)

    reach(page, page.locator(".phead").get_by_role("link", name="Console"), most=40)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}console/")
    wait_for_screen(page)
    expect(page.locator("#screen canvas")).to_be_focused()
    with heard_from(world, vm_id) as wait:
        wait(lambda lines: lines[-1][0] == "KEYS")
        page.keyboard.type("no-mouse", delay=50)
        wait(lambda lines: typed(lines) == "no-mouse")
        at_the_bar(page)
        wait(lambda lines: typed(lines) == "no-mouse-here")
    page.keyboard.press("Control+Alt+Shift")
    reach(page, page.locator(f"#bar a[href$='/vms/{vm_id}/']"), most=40)
    page.keyboard.press("Enter")
    page.wait_for_url(address)

    reach(page, page.locator(".tabs-x").get_by_role("link", name="Settings"), most=60)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}settings/")
    reach(page, page.get_by_role("button", name="Delete…"))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("textbox")).to_be_focused()
    page.keyboard.type("keys-01")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{world.house.url}/")
    expect(page.get_by_text("keys-01 is being deleted.")).to_be_visible()
    expect(page.locator("a.vm-n", has_text="keys-01")).to_have_count(0, timeout=OPERATION_MS)


def choose(page: Page, options: Locator, wanted: Locator) -> None:
    """One of a group of radio buttons, which has one stop of the focus."""
    for _ in range(120):
        if any(each.evaluate(FOCUSED) for each in options.all()):
            break
        page.keyboard.press("Tab")
    while not wanted.is_checked():
        page.keyboard.press("ArrowDown")


def at_the_bar(page: Page) -> None:
    """Out of the screen, through the bar's menus, each opened and left again, to a text for the host to type."""
    page.keyboard.press("Control+Alt+Shift")
    page.keyboard.press("Shift+?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    menus = [menu for menu in page.locator("#bar details.menu").all() if menu.is_visible()]
    assert len(menus) > 4, menus
    for menu in menus:
        reach(page, menu.locator("summary"), most=40)
        page.keyboard.press("Enter")
        expect(menu).to_have_attribute("open", "")
        page.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(menu.locator("summary")).to_be_focused()
    reach(page, page.locator('#bar [data-dialog="type-text"]'), key="Shift+Tab", most=20)
    page.keyboard.press("Enter")
    expect(page.locator("#type-words")).to_be_focused()
    page.keyboard.type("-here")
    reach(page, page.get_by_role("button", name="Type it"), most=10)
    page.keyboard.press("Enter")
    expect(page.locator("#type-text")).to_be_hidden()


def typed(lines: list[tuple[str, ...]]) -> str:
    """All that what runs there was typed."""
    return "".join(line[-1] for line in lines).replace("\r", "")
