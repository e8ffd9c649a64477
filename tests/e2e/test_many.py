"""A thousand machines: every list holds, in every look, and follows what happens; names of 80 letters, from right to left and of emoji among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import LOOKS, send_sign_in
from .house import ADMIN, PASSWORD, House, house
from .test_names import NAMES, OWNER
from .test_pages import SIDEWAYS, WIDER

MANY = 1000
LIVE_MS = 5000
"""A page follows within a second; this one shares two cores with Eve, an agent of a thousand guests, and a browser."""
ADOPT = """
import json
from accounts.services import password_set, user_create
from vms.models import DiscoveredDomain, Vm
from vms.services import vm_adopt
owner = user_create(email=%(owner)r, name="Olivia Owner")
password_set(user=owner, password=%(password)r, by=None)
found = list(DiscoveredDomain.objects.select_related("hypervisor__site").order_by("name"))
vms = [vm_adopt(discovered=domain, project=owner.personal_project, user=None).pk for domain in found]
for pk, name in zip(vms, json.loads(%(names)r).values()):
    Vm.objects.filter(pk=pk).update(name=name, is_made_by_eve=True)  # a host then does not give it another
print(json.dumps({"vms": vms, "host": found[0].hypervisor_id}, default=str))
"""
PLACES = {
    "dashboard": (OWNER, "/"),
    "dashboard-last": (OWNER, "/?page=21"),
    "vms": (OWNER, "/vms/"),
    "vms-last": (OWNER, "/vms/?page=21"),
    "activity": (OWNER, "/activity/"),
    "manage": (ADMIN, "/manage/"),
    "manage-vms": (ADMIN, "/manage/vms/"),
    "manage-host": (ADMIN, "/manage/hypervisors/{host}/"),
    "manage-audit": (ADMIN, "/manage/audit/"),
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Eve, and a host that runs a thousand guests."""
    with house(tmp_path_factory.mktemp("full"), fake_console="tcp:127.0.0.1:1", fake_domains=MANY) as home:
        yield home


@pytest.fixture(scope="module")
def unknown(full: House, browser: Browser) -> str:
    """What staff read of a thousand guests that nobody has adopted yet, before somebody does."""
    with closing(browser.new_context(**LOOKS["light"])) as context:
        page = context.new_page()
        send_sign_in(page, full, ADMIN)
        page.goto(f"{full.url}/manage/drift/unknown/")
        expect(page.locator("main")).to_contain_text(f"of {MANY:,}", timeout=30_000)
        assert page.evaluate(WIDER) <= 0
        return page.inner_text("main")


@pytest.fixture(scope="module")
def adopted(full: House, unknown: str) -> dict[str, Any]:
    """The ids of all machines, which are Olivia's now, and their host's."""
    code = ADOPT % {"owner": OWNER, "password": PASSWORD, "names": json.dumps(NAMES)}
    return dict(json.loads(full.shell(code).strip().splitlines()[-1]))


def test_guests_that_nobody_has_are_listed_a_page_at_a_time(unknown: str) -> None:
    assert "1–50 of 1,000" in unknown


@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", LOOKS)
def test_every_list_holds_a_thousand(
    full: House,
    adopted: dict[str, Any],
    browser: Browser,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    look: str,
) -> None:
    faults = []
    for email in (OWNER, ADMIN):
        with closing(browser.new_context(**LOOKS[look])) as context:
            page = context.new_page()
            send_sign_in(page, full, email)
            for name, (whose, path) in PLACES.items():
                if whose != email:
                    continue
                answer = page.goto(full.url + path.format_map(adopted))
                assert answer is not None
                assert answer.status == 200, name
                if (more := page.evaluate(WIDER)) > 0:
                    faults.append(f"{name}: {more} px wider than the window")
                if look == "phone" and page.evaluate(SIDEWAYS):
                    faults.append(f"{name}: a table has to be pushed aside")
                if look != "phone":
                    faults += [f"{name}: {fault}" for fault in accessibility_faults(page)]
                picture(page, f"many-{name}-{look}")
    assert faults == []


def test_a_customer_finds_one_of_a_thousand(full: House, adopted: dict[str, Any], browser: Browser) -> None:
    with closing(browser.new_context()) as context:
        page = context.new_page()
        send_sign_in(page, full, OWNER)
        expect(page.locator("#vm-tabs")).to_contain_text("Running 1,000")
        expect(page.locator("article.vm")).to_have_count(48)
        expect(page.locator("nav.pages")).to_contain_text("1–48 of 1,000")
        page.get_by_role("link", name="Next").click()
        expect(page.locator("nav.pages")).to_contain_text("49–96 of 1,000")
        page.fill("main input[name=q]", "fake-0777")
        page.locator("main input[name=q]").press("Enter")
        expect(page.locator("article.vm")).to_have_count(1)
        expect(page.locator("article.vm")).to_contain_text("fake-0777")
        page.fill("main input[name=q]", NAMES["emoji"])
        page.locator("main input[name=q]").press("Enter")
        expect(page.locator("article.vm")).to_contain_text(NAMES["emoji"])


@pytest.mark.timeout(300)
def test_what_staff_do_to_fifty_shows_in_the_customers_open_page(
    full: House, adopted: dict[str, Any], browser: Browser
) -> None:
    """And staff's own page does not have to be loaded anew either."""
    with closing(browser.new_context()) as hers, closing(browser.new_context()) as theirs:
        customer, staff = hers.new_page(), theirs.new_page()
        send_sign_in(customer, full, OWNER)
        customer.goto(f"{full.url}/vms/?q=fake-09&sort=name")
        expect(customer.locator("#vm-tabs")).to_contain_text("Running 1,000")
        customer.evaluate("document.body.dataset.mark = 'the same page'")
        send_sign_in(staff, full, ADMIN)
        staff.goto(f"{full.url}/manage/vms/?q=fake-09&sort=name")
        staff.get_by_label("Choose all on this page").check()
        chosen = staff.locator("input[name=vm]").count()
        staff.locator("#bulk summary").click()
        staff.get_by_role("button", name="Pause…").click()
        staff.locator("#confirm [data-yes]").click()
        expect(staff.locator("main")).to_contain_text(f"{chosen} asked for")
        expect(customer.locator("#vm-tabs")).to_contain_text(f"Paused {chosen}", timeout=60_000)
        expect(customer.locator("#vm-list .st", has_text="Paused")).to_have_count(chosen, timeout=LIVE_MS)
        expect(staff.locator("main .st", has_text="Paused")).to_have_count(chosen, timeout=LIVE_MS)
        assert customer.evaluate("document.body.dataset.mark") == "the same page"
