"""Pages in hard states: refused, not there, out of date, broken, with a host that is away, and to who is not signed in. Each says what is, and what to do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import LOOKS
from .house import ADMIN, PASSWORD, House
from .test_account import looked_at
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
KEY = """
from accounts.models import SshKey, User
SshKey.objects.create(user=User.objects.get(email=%(admin)r), name="mine", line="ssh-ed25519 AAAA", fingerprint="SHA256:x")
"""
PASSWORD_LINK = """
from accounts.models import User
from accounts.services import password_link
print(password_link(user=User.objects.get(email=%(viewer)r)))
"""
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

    def said(name: str, heading: str, says: str) -> None:
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.locator("main")).to_contain_text(says)
        assert page.evaluate(WIDER) <= 0
        picture(page, f"state-{name}-{look}")
        assert accessibility_faults(page) == []

    answer = page.goto(f"{made_up_home.url}/manage/")
    assert answer is not None
    assert answer.status == 404
    said("not-found", "There is no such page", "or it is not yours to see")
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
    said("out-of-date", "That form was out of date", "Go back, load the page again, and repeat it.")


@contextmanager
def a_row_broken(home: House) -> Iterator[None]:
    """The id of a key of the administrator's is none."""
    home.shell(KEY % {"admin": ADMIN})
    with database(home) as rows:
        rows.execute("UPDATE accounts_sshkey SET id = 'no id'")
        rows.commit()
        yield
        rows.execute("DELETE FROM accounts_sshkey")
        rows.commit()


@contextmanager
def database_locked(home: House) -> Iterator[None]:
    """Somebody else writes, and comes to no end."""
    with database(home) as rows:
        rows.execute("BEGIN IMMEDIATE")
        yield
        rows.rollback()


@contextmanager
def database(home: House) -> Iterator[sqlite3.Connection]:
    """Eve's, opened behind her back."""
    with closing(sqlite3.connect(home.folder / "eve" / "db.sqlite3", timeout=20)) as rows:
        yield rows


def test_what_is_forbidden_or_broken_is_said(
    made_up_home: House,
    open_as: Callable[..., Page],
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = open_as(ADMIN)

    def answered(status: int, heading: str, says: str, ask: Callable[[], object]) -> None:
        with page.expect_response(lambda answer: answer.request.is_navigation_request(), timeout=SOON_MS) as got:
            ask()
        assert got.value.status == status
        expect(page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(page.locator("main")).to_contain_text(says)
        looked_at(page, f"state-{status}", picture, accessibility_faults)

    profile = f"{made_up_home.url}/profile/"
    certificate = f"{made_up_home.url}/admin/hypervisors/certificate/add/"  # which only Eve makes
    answered(403, "You may not do that", "ask an owner of the project", lambda: page.goto(certificate))
    with a_row_broken(made_up_home):
        answered(500, "Something in Eve failed", "Your virtual machines run on.", lambda: page.goto(profile))
    page.goto(profile)
    with database_locked(made_up_home):
        form = page.locator('form[action="/profile/name/"]')
        form.get_by_role("textbox").fill("Ada Admin")
        save = form.get_by_role("button")
        answered(503, "Eve is not ready just now", "Its database does not answer", save.click)
    answer = page.goto(profile)
    assert answer is not None
    assert answer.status == 200


def test_the_pages_of_who_is_not_signed_in(
    made_up_home: House,
    browser: Browser,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
    ids: dict[str, str],
) -> None:
    token = made_up_home.token()
    guest = made_up_home.api("POST", f"/vms/{ids['vm']}/guest-links", token=token, json={"label": "A friend"})
    assert guest.status_code == 201, guest.text
    link = made_up_home.shell(PASSWORD_LINK % {"viewer": VIEWER}).strip().splitlines()[-1]
    pages = {
        "login": (f"{made_up_home.url}/login/", "Sign in"),
        "password": (f"{made_up_home.url}/password/", "Set a new password"),
        "password-set": (link, "Set your password"),
        "password-link-spent": (f"{made_up_home.url}/password/set/?link=spent", "This link"),
        "guest": (guest.json()["url"], "You are invited to a screen"),
        "guest-link-broken": (f"{made_up_home.url}/guest/", "This link opens nothing"),
    }
    with closing(browser.new_context()) as context:
        page, faults = context.new_page(), list[str]()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security" in said.text else None)
        for name, (url, heading) in pages.items():
            page.goto(url)
            expect(page.get_by_role("heading", level=1).locator("visible=true")).to_contain_text(heading)
            assert faults == [], name
            looked_at(page, f"signed-out-{name}", picture, accessibility_faults)
            faults.clear()  # axe-core tries styles that the policy forbids


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
