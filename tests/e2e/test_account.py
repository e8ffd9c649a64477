"""One's own account in a browser: two-factor sign-in with Chromium's virtual authenticator, and where one is signed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.factors.totp import STEP_SECONDS, totp_code
from tests.services.mail import Mails, mail_server

from .house import ADMIN, PASSWORD, House
from .test_pages import WIDER

LOOKS = {"light": 1280, "dark": 1280, "phone": 390}
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "usb",
    "hasResidentKey": False,
    "hasUserVerification": False,
    "automaticPresenceSimulation": True,
}
OLIVIA = """
from accounts.services import password_set, user_create
user = user_create(email="olivia@acme.example", name="Olivia Owner")
password_set(user=user, password=%(password)r, by=None)
"""


@pytest.fixture(scope="module")
def mails() -> Iterator[Mails]:
    """A mail server."""
    with mail_server() as mails:
        yield mails


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mails: Mails) -> Iterator[House]:
    """Eve at ``localhost``: browsers offer passkeys at names only."""
    settings = {"EVE_EMAIL_URL": f"smtp://127.0.0.1:{mails.port}"}
    house = House(tmp_path_factory.mktemp("named"), settings=settings)
    house.url = f"http://localhost:{house.port}"
    house.environment["EVE_PUBLIC_URL"] = house.url
    try:
        house.set_up()
        house.start_eve()
        house.shell(OLIVIA % {"password": PASSWORD})
        yield house
    finally:
        house.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


def type_password(page: Page, home: House, target: str = "/", *, email: str = ADMIN) -> None:
    page.goto(f"{home.url}/login/?next={target}")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")


def sign_out(page: Page) -> None:
    """As another browser would be: its cookies are gone."""
    page.context.clear_cookies()


def looked_at(
    page: Page, name: str, picture: Callable[[Page, str], None], faults_in: Callable[[Page], list[str]]
) -> None:
    """Keeps pictures of the page in all looks; it is not wider than the window, and accessible."""
    for look, width in LOOKS.items():
        page.emulate_media(color_scheme="dark" if look == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 844})
        picture(page, f"{name}-{look}")
        assert page.evaluate(WIDER) <= 0, (name, look)
    assert faults_in(page) == [], name
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_passkey_a_recovery_code_and_an_app(
    home: House,
    context: BrowserContext,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    debugger = context.new_cdp_session(page)
    debugger.send("WebAuthn.enable")
    key = debugger.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]

    type_password(page, home, "/profile/")
    page.get_by_role("link", name="Set it up").click()
    looked_at(page, "two-factor-off", picture, accessibility_faults)
    page.get_by_role("link", name="Add a passkey").click()
    looked_at(page, "passkey-add", picture, accessibility_faults)
    page.locator("#id_name").fill("Key ring")
    page.get_by_role("button", name="Make the passkey").click()
    codes = page.locator("#recovery-codes code")
    expect(codes).to_have_count(10)
    recovery = codes.first.inner_text()
    looked_at(page, "recovery-codes", picture, accessibility_faults)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("cell", name="Key ring", exact=True)).to_be_visible()
    assert len(debugger.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]) == 1

    # With the key, into Django's admin.
    sign_out(page)
    type_password(page, home, "/admin/")
    page.wait_for_url("**/login/second/")
    looked_at(page, "second-step", picture, accessibility_faults)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{home.url}/admin/")

    # Without it: the browser's refusal is told in words, and a recovery code opens once.
    sign_out(page)
    debugger.send("WebAuthn.clearCredentials", {"authenticatorId": key})
    debugger.send("WebAuthn.setAutomaticPresenceSimulation", {"authenticatorId": key, "enabled": True})
    type_password(page, home, "/profile/two-factor/")
    page.evaluate(
        'document.querySelector(\'form[data-passkey]\').dataset.options = \'{"challenge": "AA", "timeout": 1}\''
    )
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser stopped", timeout=60_000)
    page.locator("#id_code").fill(recovery)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/profile/two-factor/")
    expect(page.get_by_text("spent now. Left: 9")).to_be_visible()

    # An app beside it, then in by its code.
    page.get_by_role("link", name="Add an app").click()
    secret = page.locator("#totp-secret").inner_text().replace(" ", "")
    looked_at(page, "totp-add", picture, accessibility_faults)
    step = int(time.time()) // STEP_SECONDS
    page.locator("#id_code").fill(totp_code(secret, step))
    page.get_by_role("button", name="Add the app").click()
    expect(page.get_by_text("Your authenticator app is added")).to_be_visible()
    looked_at(page, "two-factor-on", picture, accessibility_faults)
    sign_out(page)
    type_password(page, home, "/profile/")
    page.wait_for_url("**/login/second/")
    page.locator("#id_code").fill(totp_code(secret, step + 1))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/profile/")
    assert errors == []


def test_another_browser_is_signed_out(
    home: House,
    browser: Browser,
    context: BrowserContext,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    phone = browser.new_context(user_agent="Mozilla/5.0 (Linux; Android 15) Chrome/142.0.0.0 Mobile Safari/537.36")
    try:
        there, page = phone.new_page(), context.new_page()
        type_password(there, home, "/profile/", email="olivia@acme.example")
        expect(there.get_by_role("heading", name="Olivia Owner")).to_be_visible()
        type_password(page, home, "/profile/", email="olivia@acme.example")
        looked_at(page, "profile-sessions", picture, accessibility_faults)
        row = page.locator("#sessions tr", has_text="Chrome on Android")
        expect(page.locator("#sessions tr", has_text="this one")).to_contain_text("Chrome on Linux")
        row.get_by_role("button").click()
        expect(page.locator("#confirm")).to_contain_text("Sign out Chrome on Android at 127.0.0.1?")
        page.locator("#confirm [data-yes]").click()
        expect(page.get_by_text("That browser is signed out")).to_be_visible()
        expect(row).to_have_count(0)
        there.wait_for_url("**/login/?next=/profile/")  # by itself
    finally:
        phone.close()


def test_an_owner_invites_an_operator(
    home: House,
    mails: Mails,
    browser: Browser,
    context: BrowserContext,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = context.new_page()
    type_password(page, home, "/projects/new/", email="olivia@acme.example")
    page.locator("#id_name").fill("Shop")
    page.get_by_role("button", name="Make the project").click()
    page.locator("#id_email").fill("nina@new.example")
    page.locator("#id_role").select_option("operator")
    page.get_by_role("button", name="Take in").click()
    expect(page.locator("#invitations")).to_contain_text("nina@new.example")
    looked_at(page, "project-invited", picture, accessibility_faults)

    link = next(word for word in mails.wait_for("nina@new.example").get_content().split() if "/invitation/?" in word)
    elsewhere = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        nina = elsewhere.new_page()
        nina.goto(link)
        nina.wait_for_url(f"{home.url}/invitation/")
        looked_at(nina, "invitation", picture, accessibility_faults)
        nina.locator("#id_name").fill("Nina New")
        nina.locator("#id_password").fill(PASSWORD)
        nina.locator("#id_again").fill(PASSWORD)
        nina.get_by_role("button", name="Make the account").click()
        expect(nina.get_by_text("you are in Shop")).to_be_visible()
        expect(nina.get_by_role("row", name="Nina New")).to_contain_text("operator")
        expect(nina.get_by_role("heading", name="Take somebody in")).to_have_count(0)
        expect(page.locator("#invitations")).to_have_count(0)
        row = page.get_by_role("row", name="Nina New")
        row.get_by_label("What Nina New may do").select_option("viewer")
        row.get_by_role("button", name="Change").click()
        expect(page.get_by_text("is viewer of Shop now")).to_be_visible()
        expect(nina.get_by_role("row", name="Nina New")).to_contain_text("viewer")
        looked_at(page, "project-members", picture, accessibility_faults)
        page.get_by_role("row", name="Nina New").get_by_role("button", name="Take out…").click()
        page.locator("#confirm [data-yes]").click()
        expect(page.get_by_text("is not in Shop any more")).to_be_visible()
        expect(nina.get_by_role("heading", name="Shop")).to_have_count(0)
    finally:
        elsewhere.close()


def test_a_login_token_made_by_hand(
    home: House,
    context: BrowserContext,
    picture: Callable[[Page, str], None],
    accessibility_faults: Callable[[Page], list[str]],
) -> None:
    page = context.new_page()
    type_password(page, home, "/profile/", email="olivia@acme.example")
    page.locator("#tokens").get_by_role("link", name="New token").first.click()  # the password was typed just now
    looked_at(page, "token-new", picture, accessibility_faults)
    page.locator("#id_name").fill("backup script")
    page.get_by_label("Good for").select_option(label="30 days")
    page.get_by_role("button", name="Make the token").click()
    text = page.locator("#made-token").inner_text()
    looked_at(page, "token-made", picture, accessibility_faults)
    assert home.api("GET", "/me", token=text).json()["email"] == "olivia@acme.example"
    page.get_by_role("button", name="Copy the token").click()
    expect(page.get_by_text("The token is copied")).to_be_visible()
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator("#tokens")).to_contain_text("backup script")
    looked_at(page, "profile-tokens", picture, accessibility_faults)
    page.get_by_role("button", name="Revoke all…").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke all").click()
    expect(page.get_by_text("token is revoked")).to_be_visible()
    assert home.api("GET", "/me", token=text).status_code == 401
