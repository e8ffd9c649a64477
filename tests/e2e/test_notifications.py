"""Bell, list, choices and webhooks in a browser: a host's agent is killed, and whoever looks after it is told, live, by mail and by webhook."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.notifications.conftest import Receiver
from tests.services.mail import Mails, mail_server

from .house import ADMIN, House, house
from .test_account import looked_at, type_password

SOON_MS = 30_000


@pytest.fixture(scope="module")
def mails() -> Iterator[Mails]:
    """A mail server."""
    with mail_server() as mails:
        yield mails


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the receiver's certificate."""
    return trustme.CA()


@pytest.fixture(scope="module")
def receiver(authority: trustme.CA) -> Iterator[Receiver]:
    """What webhooks are sent to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    receiver = Receiver(context)
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mails: Mails, authority: trustme.CA) -> Iterator[House]:
    """Eve with an agent of a made-up hypervisor, quick to tell that it is away."""
    folder = tmp_path_factory.mktemp("told")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    settings = {
        "EVE_EMAIL_URL": f"smtp://127.0.0.1:{mails.port}",
        "EVE_NOTIFY_AWAY_SECONDS": "1",
        "EVE_NOTIFY_BACK_SECONDS": "1",
        "EVE_WEBHOOK_ALLOW_PRIVATE": "true",
        "EVE_WEBHOOK_CA_BUNDLE": str(folder / "ca.pem"),
    }
    (folder / "house").mkdir()
    with house(folder / "house", fake_console="tcp:127.0.0.1:1", settings=settings) as home:
        yield home


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


def test_a_host_goes_away_and_comes_back(
    home: House,
    context: BrowserContext,
    mails: Mails,
    receiver: Receiver,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if "Content Security Policy" in said.text else None)

    # A webhook for one's own hosts, tried out.
    type_password(page, home, "/webhooks/")
    looked_at(page, "webhooks-none", picture, accessibility_faults)
    page.locator("#id_name").fill("pager")
    page.locator("#id_url").fill(receiver.url)
    page.get_by_role("button", name="Make the webhook").click()
    expect(page.locator("#webhook-secret")).to_contain_text("whsec_")
    looked_at(page, "webhook-secret", picture, accessibility_faults)
    page.get_by_role("link", name="I have kept it").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#deliveries").get_by_text("sent", exact=True)).to_be_visible(timeout=SOON_MS)
    assert json.loads(receiver.got[0][1])["type"] == "test"
    looked_at(page, "webhook", picture, accessibility_faults)

    # The agent dies; the bell tells it on the open page.
    page.goto(f"{home.url}/notifications/")
    expect(page.get_by_text("Nothing has happened")).to_be_visible()
    looked_at(page, "notifications-none", picture, accessibility_faults)
    home.stop_agent()
    expect(page.locator("#bell .n")).to_have_text("1", timeout=SOON_MS)
    expect(page.get_by_role("link", name="Host hv1 does not answer")).to_be_visible(timeout=SOON_MS)
    letter = mails.wait_for(ADMIN)
    assert letter["Subject"] == "[Eve] Host hv1 does not answer"
    receiver.wait_until(lambda: len(receiver.got) == 2)
    assert json.loads(receiver.got[1][1])["data"]["target"]["name"] == "hv1"

    # It comes back, told once more; both are read.
    home.start_agent()
    expect(page.locator("#bell .n")).to_have_text("2", timeout=SOON_MS)
    expect(page.get_by_role("link", name="Host hv1 answers again")).to_be_visible(timeout=SOON_MS)
    looked_at(page, "notifications", picture, accessibility_faults)
    page.get_by_role("link", name="Host hv1 does not answer").click()
    expect(page.get_by_role("heading", name="hv1", level=1)).to_be_visible()
    expect(page.locator("#bell .n")).to_have_text("1")
    page.goto(f"{home.url}/notifications/")
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#bell .n")).to_have_count(0)

    # What one wants to be told.
    page.get_by_role("link", name="What I am told").click()
    by_mail = page.get_by_label("A host does not answer, or answers again, by mail")
    expect(by_mail).to_be_checked()
    by_mail.uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your choices are saved.")).to_be_visible()
    expect(by_mail).not_to_be_checked()
    looked_at(page, "notification-choices", picture, accessibility_faults)
    page.locator("main aside").get_by_role("link").nth(1).click()
    looked_at(page, "notification-choices-project", picture, accessibility_faults)
    assert errors == []


def test_a_webhook_that_fails_says_why_and_is_sent_again(
    home: House,
    context: BrowserContext,
    receiver: Receiver,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = context.new_page()
    type_password(page, home, "/webhooks/")
    page.locator("#id_name").fill("ticket system")
    page.locator("#id_url").fill(receiver.url)
    page.get_by_role("button", name="Make the webhook").click()
    page.get_by_role("link", name="I have kept it").click()
    receiver.got.clear()
    receiver.behaviour = "error"

    # The first try fails: the page says so by itself, and when the next one is.
    page.get_by_role("button", name="Send a test").click()
    sent = page.locator("#deliveries tbody tr")
    expect(sent).to_contain_text("it answered with an error", timeout=SOON_MS)
    expect(sent).to_contain_text("waiting")
    expect(sent).to_contain_text("500")
    expect(sent.get_by_role("button")).to_have_count(0)
    put_off = (
        "import datetime as dt; from django.utils import timezone; from notifications.models import Delivery; "
        "Delivery.objects.filter(state='waiting').update(next_at=timezone.now() + dt.timedelta(hours=1))"
    )
    home.shell(put_off)  # it does not come due while the page is looked at
    looked_at(page, "webhook-waits", picture, accessibility_faults)

    # The last one does too: it is given up, and nothing happens any more unless somebody asks.
    home.shell(
        "from django.utils import timezone; from notifications.models import Delivery; "
        "Delivery.objects.filter(state='waiting').update(attempts=6, next_at=timezone.now())"
    )
    expect(sent).to_contain_text("given up", timeout=SOON_MS)
    assert len(receiver.got) == 2
    looked_at(page, "webhook-given-up", picture, accessibility_faults)

    # What listens there is mended; the same delivery is sent again.
    receiver.behaviour = "ok"
    sent.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is on its way again; below is how it goes.")).to_be_visible()
    expect(sent.get_by_text("sent", exact=True)).to_be_visible(timeout=SOON_MS)
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
    assert len(receiver.got) == 3
