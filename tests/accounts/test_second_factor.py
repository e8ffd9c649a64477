"""Second factors: setting them up, signing in with them, losing them, and what must not work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from accounts.errors import BadCode, TooManyAttempts
from accounts.factors import totp
from accounts.models import AuditEvent, RecoveryCode, TotpDevice, User
from accounts.services import code_check, second_factor_reset, token_create, totp_add, totp_remove
from accounts.sessions import session_digest, session_user
from accounts.tokens import token_resolve
from common.errors import Conflict, Invalid, NotAllowed
from tests.cast import Cast
from tests.factories import PASSWORD

from .second import add_app, code_of, next_code

LOGIN = "/api/v1/login"


def sign_in(client: Client, email: str = "olivia@acme.example", **more: str) -> Any:
    return client.post("/login/", {"email": email, "password": PASSWORD, **more})


def api_login(**more: str) -> Any:
    body = {"email": "olivia@acme.example", "password": PASSWORD, **more}
    return Client().post(LOGIN, body, content_type="application/json")


# ---------------------------------------------------------------------------------------------- Codes of an app


def test_the_codes_are_those_of_rfc_6238() -> None:
    """Appendix B, SHA-1, their last six digits."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"
    assert totp.totp_code(secret, 1) == "287082"
    for seconds, code in ((1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert totp.totp_code(secret, seconds // 30) == code
        assert totp.totp_step(secret, code, now=seconds) == seconds // 30
        assert totp.totp_step(secret, code, now=seconds + 30) == seconds // 30, "a clock that is late"
        assert totp.totp_step(secret, code, now=seconds - 30) == seconds // 30, "and one that is early"
        assert totp.totp_step(secret, code, now=seconds + 61) is None


def test_an_app_is_set_up_on_pages(cast: Cast) -> None:
    browser = Client()
    sign_in(browser)
    page = browser.get("/profile/two-factor/app/").content.decode()
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', page)[1]
    assert "data:image/svg+xml" in page
    assert secret in browser.get("/profile/two-factor/app/").content.decode(), "a reload shows the same"
    wrong = browser.post("/profile/two-factor/app/", {"code": "000000"})
    assert wrong.status_code == 400
    assert not TotpDevice.objects.exists()
    codes = browser.post("/profile/two-factor/app/", {"code": code_of(secret)})
    shown = re.findall(r"<code>([a-z2-9-]{19})</code>", codes.content.decode())
    assert len(set(shown)) == 10
    assert "no-store" in codes["Cache-Control"]
    assert "on: after the password" in browser.get("/profile/two-factor/").content.decode()
    assert not any(code in browser.get("/profile/two-factor/").content.decode() for code in shown), "shown once"
    event = AuditEvent.objects.get(action="second_factor.add")
    assert (event.actor, event.detail) == (cast.owner, {"kind": "totp"})


def test_what_is_kept_is_not_what_opens(cast: Cast) -> None:
    secret, codes = add_app(cast.owner)
    kept = f"{TotpDevice.objects.values().get()} {list(RecoveryCode.objects.values())}"
    assert secret not in kept
    for code in codes:
        assert code not in kept
        assert code.replace("-", "") not in kept


def test_a_half_made_secret_is_not_readable_in_the_session_either(cast: Cast) -> None:
    browser = Client()
    sign_in(browser)
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', browser.get("/profile/two-factor/app/").content.decode())[1]
    assert secret not in str(dict(browser.session))


# ---------------------------------------------------------------------------------------------- Signing in


def test_the_second_step_of_a_page(cast: Cast) -> None:
    secret, _codes = add_app(cast.owner)
    browser = Client()
    answer = sign_in(browser, next="/profile/")
    assert answer["Location"] == "/login/second/"
    assert browser.get("/profile/").status_code == 302, "not in yet"
    assert browser.get("/api/v1/me").status_code in (401, 403)
    assert not AuditEvent.objects.filter(action="login", outcome="success").exists()
    assert "or one of your recovery codes" in browser.get("/login/second/").content.decode()
    assert browser.post("/login/second/", {"code": "000000"}).status_code == 401
    done = browser.post("/login/second/", {"code": f" {next_code(secret)[:3]} {next_code(secret)[3:]} "})
    assert done["Location"] == "/profile/"
    assert browser.get("/profile/").status_code == 200
    event = AuditEvent.objects.get(action="login", outcome="success")
    assert event.detail == {"how": "page", "second": "totp"}


def test_admin_has_the_same_second_step(cast: Cast) -> None:
    secret, _codes = add_app(cast.superuser)
    browser = Client()
    assert sign_in(browser, "sue@eve.example", next="/admin/")["Location"] == "/login/second/"
    assert browser.get("/admin/").status_code == 302
    assert browser.post("/login/second/", {"code": next_code(secret)})["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_whoever_was_signed_in_before_is_not_while_the_second_step_waits(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    secret, _codes = add_app(cast.owner)
    browser = cast.pages(cast.outsider)
    before = browser.session.session_key
    with django_capture_on_commit_callbacks(execute=True):
        assert sign_in(browser)["Location"] == "/login/second/"
    assert {"session_digest": session_digest(before), "reason": "logout"} in revoked
    assert browser.get("/profile/").status_code == 302
    assert session_user(browser.cookies[django_settings.SESSION_COOKIE_NAME].value) is None
    browser.post("/login/second/", {"code": next_code(secret)})
    assert session_user(browser.cookies[django_settings.SESSION_COOKIE_NAME].value) == cast.owner


def test_the_session_rotates_at_both_steps(cast: Cast) -> None:
    secret, _codes = add_app(cast.owner)
    browser = Client()
    name = django_settings.SESSION_COOKIE_NAME
    sign_in(browser)
    half_way = browser.cookies[name].value
    browser.post("/login/second/", {"code": next_code(secret)})
    assert browser.cookies[name].value != half_way
    assert session_user(half_way) is None
    assert session_user(browser.cookies[name].value) == cast.owner


@pytest.mark.parametrize("case", ["too late", "password changed", "disabled", "never began"])
def test_the_second_step_needs_a_fresh_first(cast: Cast, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    secret, _codes = add_app(cast.owner)
    browser = Client()
    if case != "never began":
        sign_in(browser)
    if case == "too late":
        monkeypatch.setattr("accounts.second_step.PENDING_SECONDS", -1)
    if case == "password changed":
        User.objects.filter(pk=cast.owner.pk).update(session_epoch=9)
    if case == "disabled":
        User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    assert browser.post("/login/second/", {"code": next_code(secret)})["Location"] == "/login/"
    assert browser.get("/profile/").status_code == 302


def test_the_api_asks_for_a_code(cast: Cast) -> None:
    secret, _codes = add_app(cast.owner)
    answer = api_login()
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert (answer.json()["code"], answer.json()["kinds"]) == ("second_factor_required", ["totp", "recovery"])
    wrong = api_login(code="123456")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "bad_code")
    good = api_login(code=next_code(secret))
    assert good.status_code == 200
    me = Client().get("/api/v1/me", headers={"authorization": f"Bearer {good.json()['token']}"}).json()
    assert me["second_factors"] == ["totp", "recovery"]


def test_who_has_none_is_not_asked_and_a_wrong_password_tells_nothing(cast: Cast) -> None:
    assert api_login(code="").status_code == 200
    add_app(cast.owner)
    body = {"email": "olivia@acme.example", "password": "wrong"}
    answer = Client().post(LOGIN, body, content_type="application/json")
    assert answer.json()["code"] == "bad_login"


def test_a_code_is_good_once(cast: Cast) -> None:
    secret, _codes = add_app(cast.owner)
    code = next_code(secret)
    assert api_login(code=code).status_code == 200
    assert api_login(code=code).json()["code"] == "bad_code"
    with pytest.raises(BadCode):
        code_check(user=cast.owner, code=code_of(secret))  # the one before it, too


def test_the_code_that_set_the_app_up_is_spent(cast: Cast) -> None:
    secret = totp.totp_secret_new()
    code = code_of(secret)
    totp_add(user=cast.owner, secret=secret, code=code)
    with pytest.raises(BadCode):
        code_check(user=cast.owner, code=code)


def test_a_recovery_code_is_good_once_and_for_its_owner_only(cast: Cast) -> None:
    _secret, codes = add_app(cast.owner)
    add_app(cast.operator)
    with pytest.raises(BadCode):
        code_check(user=cast.operator, code=codes[0])
    browser = Client()
    sign_in(browser)
    browser.post("/login/second/", {"code": codes[0].upper().replace("-", " ")})
    assert "Left: 9" in browser.get("/profile/").content.decode()
    assert api_login(code=codes[0]).json()["code"] == "bad_code"
    assert api_login(code=codes[1]).status_code == 200


def test_codes_are_limited_by_account_from_wherever(cast: Cast, settings: Any) -> None:
    settings.SECOND_FACTOR_LIMIT = 3
    secret, codes = add_app(cast.owner)
    for number in range(3):
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        body = {"email": "olivia@acme.example", "password": PASSWORD, "code": "000000"}
        assert client.post(LOGIN, body, content_type="application/json").status_code == 401
    answer = api_login(code=next_code(secret))
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert int(answer["Retry-After"]) > 0
    with pytest.raises(TooManyAttempts):
        code_check(user=cast.owner, code=codes[0])
    browser = Client()
    sign_in(browser)
    page = browser.post("/login/second/", {"code": next_code(secret)})
    assert (page.status_code, "Too many attempts" in page.content.decode()) == (429, True)
    assert AuditEvent.objects.filter(action="login", outcome="denied").count() == 1
    assert RecoveryCode.objects.filter(user=cast.owner).count() == 10, "no code is spent by a refusal"


def test_good_codes_use_up_nothing(cast: Cast, settings: Any) -> None:
    settings.SECOND_FACTOR_LIMIT = 1
    _secret, codes = add_app(cast.owner)
    assert [api_login(code=code).status_code for code in codes[:3]] == [200] * 3


# ---------------------------------------------------------------------------------------------- Changing factors


CHANGES = (
    "/profile/two-factor/app/",
    "/profile/two-factor/app/remove/",
    "/profile/two-factor/codes/",
    "/profile/two-factor/passkeys/",
)


@pytest.mark.parametrize("path", CHANGES)
def test_changes_ask_for_the_password(cast: Cast, path: str, settings: Any) -> None:
    settings.PUBLIC_URL = "http://localhost"
    add_app(cast.owner)
    browser = cast.pages(cast.owner)
    answer = browser.post(path, {"code": "x", "name": "x", "answer": "{}"})
    assert answer["Location"].startswith("/profile/confirm/?next="), path
    assert TotpDevice.objects.count() == 1
    wrong = browser.post("/profile/confirm/", {"password": "wrong", "next": "/profile/two-factor/"})
    assert (wrong.status_code, "The password is wrong." in wrong.content.decode()) == (401, True)
    assert browser.get("/profile/two-factor/").status_code == 302
    right = browser.post("/profile/confirm/", {"password": PASSWORD, "next": "/profile/two-factor/"})
    assert right["Location"] == "/profile/two-factor/"
    assert browser.get("/profile/two-factor/").status_code == 200


def test_the_password_is_asked_for_again_after_a_while(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client()
    sign_in(browser)
    assert browser.get("/profile/two-factor/").status_code == 200
    monkeypatch.setattr("accounts.second_step.CONFIRMED_SECONDS", -1)
    assert browser.get("/profile/two-factor/")["Location"].startswith("/profile/confirm/")


def test_removing_the_last_factor_takes_its_codes_along(cast: Cast) -> None:
    add_app(cast.owner)
    codes = RecoveryCode.objects.filter(user=cast.owner)
    assert codes.count() == 10
    browser = cast.pages(cast.owner)
    browser.post("/profile/confirm/", {"password": PASSWORD})
    browser.post("/profile/two-factor/app/remove/")
    browser.post("/profile/two-factor/app/remove/")
    assert codes.count() == 0
    assert AuditEvent.objects.filter(action="second_factor.remove").count() == 1, "a second click finds it done"
    assert sign_in(Client())["Location"] == "/"


def test_new_codes_replace_the_old(cast: Cast) -> None:
    _secret, codes = add_app(cast.owner)
    browser = cast.pages(cast.owner)
    browser.post("/profile/confirm/", {"password": PASSWORD})
    page = browser.post("/profile/two-factor/codes/").content.decode()
    new = re.findall(r"<code>([a-z2-9-]{19})</code>", page)
    assert len(new) == 10
    with pytest.raises(BadCode):
        code_check(user=cast.owner, code=codes[0])
    code_check(user=cast.owner, code=new[0])


def test_a_second_app_and_a_wrong_first_code_are_refused(cast: Cast) -> None:
    add_app(cast.owner)
    secret = totp.totp_secret_new()
    with pytest.raises(Conflict):
        totp_add(user=cast.owner, secret=secret, code=code_of(secret))
    with pytest.raises(Invalid):
        totp_add(user=cast.operator, secret=secret, code="000000" if code_of(secret) != "000000" else "111111")


# ---------------------------------------------------------------------------------------------- Lost, and required


def test_staff_reset_those_whom_they_look_after(cast: Cast) -> None:
    add_app(cast.owner)
    add_app(cast.superuser)
    path = f"/api/v1/users/{cast.owner.pk}/second-factors"
    for who, status in ((cast.operator, 404), (cast.staff_here, 404), (cast.staff_everywhere, 204)):
        assert cast.api(who).delete(path).status_code == status, who
    assert not TotpDevice.objects.filter(user=cast.owner).exists()
    assert not RecoveryCode.objects.filter(user=cast.owner).exists()
    event = AuditEvent.objects.get(action="second_factor.reset")
    assert (event.actor, event.target_id) == (cast.staff_everywhere, str(cast.owner.pk))
    assert event.detail == {"had": ["totp", "recovery"]}
    with pytest.raises(NotAllowed):
        second_factor_reset(user=cast.superuser, by=cast.staff_everywhere)
    assert AuditEvent.objects.filter(action="second_factor.reset", outcome="denied").count() == 1
    with pytest.raises(Conflict):
        second_factor_reset(user=cast.superuser, by=cast.superuser)
    assert TotpDevice.objects.filter(user=cast.superuser).exists()


def test_admin_resets_too(cast: Cast) -> None:
    add_app(cast.owner)
    browser = cast.pages(cast.superuser)
    page = browser.get(f"/admin/accounts/user/{cast.owner.pk}/change/").content.decode()
    assert "authenticator app, recovery code" in page
    browser.post(f"/admin/accounts/user/{cast.owner.pk}/second-factor-reset/")
    assert not TotpDevice.objects.exists()


def test_whoever_owns_the_machine_gets_back_in(cast: Cast) -> None:
    from django.core.management import call_command

    add_app(cast.superuser)
    call_command("admin_recover", "sue@eve.example", "--reset-second-factor")
    assert not TotpDevice.objects.exists()


@pytest.fixture
def required(settings: Any) -> None:
    """Staff have to have a second factor."""
    settings.STAFF_SECOND_FACTOR = True


def test_staff_get_no_further_without_one(cast: Cast, required: None) -> None:
    browser = Client()
    sign_in(browser, "hera@eve.example")
    for path in ("/", "/manage/", "/admin/", "/vms/", "/profile/"):
        assert browser.get(path)["Location"] == "/profile/two-factor/", path
    answer = browser.get("/api/v1/vms")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_missing")
    assert session_user(browser.cookies[django_settings.SESSION_COOKIE_NAME].value) is None, "nor do websockets"
    page = browser.get("/profile/two-factor/app/").content.decode()
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', page)[1]
    browser.post("/profile/two-factor/app/", {"code": code_of(secret)})
    assert browser.get("/manage/").status_code == 200
    cast.staff_here.refresh_from_db()
    with pytest.raises(Conflict):
        totp_remove(user=cast.staff_here)
    assert TotpDevice.objects.filter(user=cast.staff_here).exists()


def test_tokens_of_staff_without_one_are_worth_nothing(cast: Cast, settings: Any) -> None:
    text, _token = token_create(user=cast.superuser)
    customers, _token = token_create(user=cast.owner)
    settings.STAFF_SECOND_FACTOR = True
    assert token_resolve(text) is None
    assert token_resolve(customers) is not None
    body = {"email": "sue@eve.example", "password": PASSWORD}
    answer = Client().post(LOGIN, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_missing")
    add_app(cast.superuser)
    assert token_resolve(text) is not None


def test_customers_choose_for_themselves(cast: Cast, required: None) -> None:
    assert cast.pages(cast.owner).get("/profile/").status_code == 200


def test_the_last_use_is_kept(cast: Cast) -> None:
    secret, _codes = add_app(cast.owner)
    code_check(user=cast.owner, code=next_code(secret))
    used = TotpDevice.objects.get(user=cast.owner).last_used_at
    assert abs((timezone.now() - used).total_seconds()) < 60
