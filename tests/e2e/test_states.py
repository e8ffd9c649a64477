"""Pages in hard states: refused, not there, out of date, broken, and with a host that is away. Each says what is, and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from .conftest import LOOKS
from .house import ADMIN, PASSWORD, House
from .test_pages import WIDER

VIEWER = "vera@acme.example"
ADOPT = """
from accounts.models import Membership, Project, Role, User
from accounts.services import password_set, user_create
from vms.models import DiscoveredDomain
from vms.services import vm_adopt
acme = Project.objects.create(name="Acme")
vera = user_create(email=%(viewer)r, name="Vera Viewer")
password_set(user=vera, password=%(password)r, by=None)
Membership.objects.create(project=acme, user=vera, role=Role.VIEWER)
found = [vm_adopt(discovered=each, project=acme, user=None) for each in DiscoveredDomain.objects.order_by("name")]
print(found[0].hypervisor_id, found[0].pk)
"""
RENDER = "from django.template.loader import render_to_string; print(render_to_string(%r))"
SOON_MS = 30_000


@pytest.fixture(scope="module")
def ids(made_up_home: House) -> dict[str, str]:
    """The host and one of its guests, which a viewer sees."""
    printed = made_up_home.shell(ADOPT % {"viewer": VIEWER, "password": PASSWORD})
    return dict(zip(("host", "vm"), printed.strip().splitlines()[-1].split(), strict=True))


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_refused_or_broken_is_said(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    ids: dict[str, str],
    look: str,
) -> None:
    page = open_as(VIEWER, look)

    def looked_at(name: str, heading: str, says: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.locator("main")).to_contain_text(says)
        assert page.evaluate(WIDER) <= 0
        picture(page, f"state-{name}-{look}")
        assert accessibility_faults(page) == []

    answer = page.goto(f"{made_up_home.url}/manage/")
    assert answer is not None
    assert answer.status == 404
    looked_at("not-found", "There is no such page", "or it is not yours to see")
    page.goto(f"{made_up_home.url}/vms/{ids['vm']}/")
    expect(page.get_by_text("View only")).to_be_visible()
    expect(page.get_by_role("button", name="Shut down")).to_have_count(0)
    picture(page, f"state-view-only-{look}")
    page.context.clear_cookies(name="eve-csrf")
    page.evaluate(
        "() => { const form = document.createElement('form'); form.method = 'post'; form.action = '/profile/tokens/end/';"
        " document.body.append(form); form.submit(); }"
    )
    page.wait_for_url("**/profile/tokens/end/")
    looked_at("out-of-date", "That form was out of date", "Go back, load the page again, and repeat it.")
    for name, heading, says in (
        ("403", "You may not do that", "ask an owner of the project"),
        ("500", "Something in Eve failed", "Your virtual machines run on."),
        ("503", "Eve is not ready just now", "Its database does not answer"),
    ):
        answers_with(page, f"**/state-{name}/", made_up_home.shell(RENDER % f"{name}.html"))
        page.goto(f"{made_up_home.url}/state-{name}/")
        looked_at(name, heading, says)


def answers_with(page: Page, address: str, body: str) -> None:
    """Has that page at an address."""
    page.route(address, lambda route: route.fulfill(content_type="text/html", body=body))


@pytest.mark.parametrize("look", LOOKS)
def test_a_host_that_is_away_is_said_on_every_page(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    ids: dict[str, str],
    look: str,
) -> None:
    pages = {
        VIEWER: {
            "dashboard": ("/", "Unknown"),
            "vms": ("/vms/", "Unknown"),
            "vm": (f"/vms/{ids['vm']}/", "does not answer"),
            "console": (f"/vms/{ids['vm']}/console/", "does not answer"),
        },
        ADMIN: {
            "manage": ("/manage/", "Away"),
            "host": (f"/manage/hypervisors/{ids['host']}/", "does not answer"),
            "manage-vms": ("/manage/vms/", "Unknown"),
        },
    }
    opened = {email: open_as(email, look) for email in pages}
    made_up_home.stop_agent()
    try:
        page = opened[ADMIN]
        page.goto(f"{made_up_home.url}/manage/")
        expect(page.locator("#fleet")).to_contain_text("Away", timeout=SOON_MS)
        for email, wanted in pages.items():
            page = opened[email]
            for name, (path, says) in wanted.items():
                page.goto(made_up_home.url + path)
                expect(page.locator("body")).to_contain_text(says, timeout=SOON_MS)
                time.sleep(0.3)
                assert page.evaluate(WIDER) <= 0, name
                picture(page, f"away-{name}-{look}")
    finally:
        made_up_home.start_agent()
