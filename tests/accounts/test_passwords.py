"""One-use links, forgotten passwords, changes, and what they end."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core import mail
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from accounts.errors import LinkSpent, PasswordTooWeak
from accounts.models import AuditEvent, User
from accounts.services import link_user, password_link, password_set_by_link, user_create, user_update
from accounts.tokens import token_resolve
from common.errors import Conflict, NotAllowed
from tests.accounts.conftest import NEW_PASSWORD, Hashes, link_in
from tests.cast import Cast, make_cast
from tests.factories import PASSWORD


def test_a_new_user_sets_a_password_once(cast: Cast) -> None:
    user = user_create(email="new@acme.example", name="Nina New", by=cast.superuser)
    assert not user.has_usable_password()
    address = password_link(user=user, by=cast.superuser)
    browser = Client()
    answer = browser.get(address)
    assert (answer.status_code, answer["Location"]) == (302, "/password/set/"), "the secret leaves the address bar"
    page = browser.get("/password/set/")
    assert "new@acme.example" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    answer = browser.post("/password/set/", {"password": NEW_PASSWORD, "again": NEW_PASSWORD})
    assert answer["Location"] == "/login/"
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    assert Client().get(address, follow=True).status_code == 409, "the second use"
    for browser_ in (browser, Client()):
        answer = browser_.post("/password/set/", {"password": "third battery time 5", "again": "third battery time 5"})
        assert answer.status_code == 409


@pytest.mark.parametrize("ending", ["an hour", "a sign-in", "a change", "another address", "disabled", "another's"])
def test_what_ends_a_link(cast: Cast, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    link = link_in(password_link(user=cast.owner))
    assert link_user(link) == cast.owner
    if ending == "an hour":
        later = dt.datetime.now() + dt.timedelta(seconds=3601)  # noqa: DTZ005  (as Django's generator counts)
        monkeypatch.setattr("django.contrib.auth.tokens.default_token_generator._now", lambda: later)
    elif ending == "a sign-in":
        User.objects.filter(pk=cast.owner.pk).update(last_login=timezone.now())
    elif ending == "a change":
        password_set_by_link(link=link_in(password_link(user=cast.owner)), password=NEW_PASSWORD)
    elif ending == "another address":
        user_update(user=cast.owner, by=cast.superuser, email="olivia@new.example")
    elif ending == "disabled":
        User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    else:
        link = f"{link_in(password_link(user=cast.outsider)).split('.')[0]}.{link.split('.')[1]}"
    with pytest.raises(LinkSpent):
        link_user(link)
    with pytest.raises(LinkSpent):
        password_set_by_link(link=link, password=NEW_PASSWORD)


@pytest.mark.parametrize("link", ["", ".", "a.b", "é.é", "AAAA.x-y", "\x00.\x00", "x" * 5000])
def test_nonsense_is_a_spent_link(cast: Cast, hashes: Hashes, link: str) -> None:
    with hashes.counted() as count:
        assert Client().get("/password/set/", {"link": link}, follow=True).status_code == 409
        assert Client().post("/password/set/", {"password": NEW_PASSWORD, "again": NEW_PASSWORD}).status_code == 409
    assert count() == 0


@pytest.mark.parametrize("password", ["short1", "1234567890123", "password123", "olivia@acme.example"])
def test_a_weak_password_is_refused_and_the_link_stays(cast: Cast, password: str) -> None:
    link = link_in(password_link(user=cast.owner))
    with pytest.raises(PasswordTooWeak):
        password_set_by_link(link=link, password=password)
    browser = Client()
    browser.get("/password/set/", {"link": link})
    assert browser.post("/password/set/", {"password": password, "again": password}).status_code == 400
    assert browser.post("/password/set/", {"password": NEW_PASSWORD, "again": "other"}).status_code == 400
    assert browser.post("/password/set/", {"password": NEW_PASSWORD, "again": NEW_PASSWORD}).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_that_race_for_a_link_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = make_cast()
    save = User.save

    def slow(self: User, *args: Any, **kwargs: Any) -> None:
        time.sleep(0.1)  # widens the gap between checking the link and spending it
        save(self, *args, **kwargs)

    monkeypatch.setattr(User, "save", slow)
    link = link_in(password_link(user=cast.owner))

    def set_it(n: int) -> str:
        try:
            password_set_by_link(link=link, password=f"{NEW_PASSWORD} {n}")
        except LinkSpent:
            return "spent"
        finally:
            connections.close_all()
        return f"{NEW_PASSWORD} {n}"

    with ThreadPoolExecutor(6) as pool:
        ends = list(pool.map(set_it, range(6)))
    assert ends.count("spent") == 5
    winner = next(end for end in ends if end != "spent")
    cast.owner.refresh_from_db()
    assert cast.owner.check_password(winner)
    assert AuditEvent.objects.filter(action="password.set").count() == 1


def test_production_hashes_are_dear() -> None:
    from eve_site import settings as production

    first = import_string(production.PASSWORD_HASHERS[0])()
    assert type(first) is Argon2PasswordHasher
    _name, _variant, _version, parameters, *_rest = first.encode(PASSWORD, first.salt()).split("$")
    assert parameters == "m=102400,t=2,p=8"


@pytest.mark.django_db(transaction=True)
def test_no_hash_holds_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts.services import login_check

    cast = make_cast()
    seen: list[bool] = []

    def hashed(self: Argon2PasswordHasher, password: str, salt: str) -> str:
        seen.append(transaction.get_connection().in_atomic_block)
        return real(self, password, salt)

    def looked_at(**_: str) -> User:
        seen.append(transaction.get_connection().in_atomic_block)
        return cast.owner

    real = Argon2PasswordHasher.encode
    monkeypatch.setattr(Argon2PasswordHasher, "encode", hashed)
    monkeypatch.setattr("accounts.services.logins.authenticate", looked_at)
    password_set_by_link(link=link_in(password_link(user=cast.owner)), password=NEW_PASSWORD)
    login_check(email="olivia@acme.example", password=NEW_PASSWORD)
    assert seen == [False, False]


def test_a_change_ends_everything_else(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    here, there, text = cast.pages(cast.owner), cast.pages(cast.owner), cast.token(cast.owner)
    form = {"present": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    with django_capture_on_commit_callbacks(execute=True):
        assert here.post("/profile/password/", form)["Location"] == "/profile/"
    assert here.get("/profile/").status_code == 200
    assert there.get("/profile/").status_code == 302
    assert token_resolve(text) is None
    assert revoked == [{"user_id": cast.owner.pk, "reason": "password_changed"}]


@pytest.mark.parametrize(
    "form",
    [
        {"present": "wrong", "password": NEW_PASSWORD, "again": NEW_PASSWORD},
        {"present": PASSWORD, "password": NEW_PASSWORD, "again": "other"},
        {"present": PASSWORD, "password": "short", "again": "short"},
        {},
    ],
)
def test_a_change_that_is_refused(cast: Cast, form: dict[str, str]) -> None:
    here, there = cast.pages(cast.owner), cast.pages(cast.owner)
    assert here.post("/profile/password/", form).status_code == 400
    assert there.get("/profile/").status_code == 200
    cast.owner.refresh_from_db()
    assert cast.owner.check_password(PASSWORD)


def test_a_wrong_present_password_is_named_alone(cast: Cast) -> None:
    form = {"present": "wrong", "password": NEW_PASSWORD, "again": NEW_PASSWORD}
    html = cast.pages(cast.owner).post("/profile/password/", form).content.decode()
    assert "That is not your present password." in html
    assert "e-mail address or the password" not in html


def test_guessing_the_present_password_is_limited(cast: Cast, settings: Any) -> None:
    settings.LOGIN_LIMIT_PER_ACCOUNT = 2
    here = cast.pages(cast.owner)
    for _ in range(2):
        here.post("/profile/password/", {"present": "guess", "password": NEW_PASSWORD, "again": NEW_PASSWORD})
    answer = here.post("/profile/password/", {"present": PASSWORD, "password": NEW_PASSWORD, "again": NEW_PASSWORD})
    assert answer.status_code == 400
    assert "Too many attempts" in answer.content.decode()


@pytest.mark.usefixtures("mails_at_once")
def test_without_a_mail_server_no_link_is_written_anywhere(
    cast: Cast, settings: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    settings.SENDS_MAIL = False
    page = Client().post("/password/", {"email": cast.owner.email})
    assert "sends no mail" in page.content.decode()
    assert not mail.outbox
    assert "EVE_EMAIL_URL is not set" in caplog.text
    written = capfd.readouterr()
    assert "link=" not in caplog.text + written.out + written.err


@pytest.mark.usefixtures("mails_at_once")
def test_a_forgotten_password_goes_by_mail(cast: Cast) -> None:
    answer = Client().post("/password/", {"email": "Olivia@Acme.Example"})
    assert answer.status_code == 200
    (letter,) = mail.outbox
    assert letter.to == ["olivia@acme.example"]
    assert password_set_by_link(link=link_in(str(letter.body)), password=NEW_PASSWORD) == cast.owner


@pytest.mark.usefixtures("mails_at_once")
@pytest.mark.parametrize("case", ["unknown", "disabled"])
def test_the_answer_does_not_tell_who_has_an_account(
    cast: Cast, case: str, hashes: Hashes, django_assert_num_queries: Any
) -> None:
    User.objects.filter(pk=cast.operator.pk).update(is_active=False)
    email = {"unknown": "nobody@nowhere.example", "disabled": "oscar@acme.example"}[case]
    known = Client(REMOTE_ADDR="192.0.2.1").post("/password/", {"email": "olivia@acme.example"})
    other = Client(REMOTE_ADDR="192.0.2.2").post("/password/", {"email": email})
    assert known.status_code == other.status_code == 200
    assert known.content.decode().replace("olivia@acme.example", email) == other.content.decode()
    assert [letter.to for letter in mail.outbox] == [["olivia@acme.example"]]
    assert AuditEvent.objects.filter(action="password.forgotten").count() == 2
    assert hashes.count == 0


@pytest.mark.usefixtures("mails_at_once")
def test_nobody_is_flooded_with_mail(cast: Cast) -> None:
    codes = [
        Client(REMOTE_ADDR=f"192.0.2.{n}").post("/password/", {"email": "olivia@acme.example"}).status_code
        for n in range(6)
    ]
    assert codes == [200] * 6
    assert len(mail.outbox) == 3
    codes = [
        Client(REMOTE_ADDR="192.0.2.99").post("/password/", {"email": f"a{n}@x.example"}).status_code for n in range(11)
    ]
    assert codes == [200] * 10 + [429]


@pytest.mark.parametrize("fault", [ConnectionRefusedError, SMTPException, ImportError, ValueError])
def test_mail_that_cannot_be_sent_is_no_error_of_the_page(
    cast: Cast,
    mails_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    fault: type[Exception],
) -> None:
    def away(*_: Any) -> None:
        raise fault("no mail server; the link was /password/set/?link=secret")

    monkeypatch.setattr("accounts.mail.send_mail", away)
    assert Client().post("/password/", {"email": "olivia@acme.example"}).status_code == 200
    assert "mail not sent" in caplog.text
    assert fault.__name__ in caplog.text
    assert "secret" not in caplog.text


def test_whose_link_staff_may_show(cast: Cast) -> None:
    assert password_link(user=cast.owner, by=cast.staff_everywhere)
    for user in (cast.superuser, cast.staff_here):
        with pytest.raises(NotAllowed):
            password_link(user=user, by=cast.staff_everywhere)
    for by in (cast.staff_here, cast.operator):
        with pytest.raises(NotAllowed):
            password_link(user=cast.owner, by=by)
    assert AuditEvent.objects.filter(action="password.link", outcome="denied").count() == 4
    User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    cast.owner.refresh_from_db()
    with pytest.raises(Conflict):
        password_link(user=cast.owner, by=cast.superuser)


def test_the_link_points_at_the_public_address_whatever_host_was_asked(
    cast: Cast, settings: Any, mails_at_once: None
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_URL = "https://eve.example"
    Client(headers={"host": "evil.example"}).post("/password/", {"email": "olivia@acme.example"})
    assert "https://eve.example/password/set/?link=" in mail.outbox[0].body
    assert "evil" not in mail.outbox[0].body
