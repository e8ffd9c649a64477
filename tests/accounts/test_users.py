"""Users: who sees and changes whom, what disabling and deleting do."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from accounts.errors import LastOwner, StillOwns
from accounts.models import AuditEvent, Membership, Project, Role, User
from accounts.services import password_link, user_create, user_delete, user_disable, user_enable, user_update
from accounts.tokens import token_resolve
from common.errors import NotAllowed
from tests.cast import Cast
from tests.factories import make_member, make_user

URL = "/api/v1/users"
PRIVILEGES = [{"is_staff": True}, {"is_superuser": True}, {"is_site_limited": True}]


def test_only_staff_of_every_site_see_users(cast: Cast) -> None:
    for part, user in cast.everybody.items():
        api, sees = cast.api(user), part in ("staff_everywhere", "superuser")
        assert api.get(URL).status_code == (200 if sees else 404), part
        assert api.get(f"{URL}/{cast.outsider.pk}").status_code == (200 if sees else 404), part
        if not sees:
            assert api.patch(f"{URL}/{cast.outsider.pk}", {"name": "x"}).status_code == 404, part
            assert api.delete(f"{URL}/{cast.outsider.pk}").status_code == 404, part
            assert api.post(f"{URL}/{cast.outsider.pk}/password-link").status_code == 404, part
            assert api.post(URL, {"email": "a@b.example", "name": "A"}).status_code == 404, part
    assert cast.api().get(URL).status_code == 401


def test_what_is_told_of_a_user(cast: Cast) -> None:
    row = cast.api(cast.superuser).get(f"{URL}?search=olivia").json()["results"]
    assert len(row) == 1
    assert set(row[0]) == {
        "id", "email", "name", "is_active", "is_staff", "is_superuser", "is_site_limited", "remarks", "created_at", "last_login",
    }  # fmt: skip


def test_the_list_takes_the_same_queries_for_many(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        make_user()
    api = cast.api(cast.superuser)
    api.get(URL)
    with django_assert_max_num_queries(2):
        assert len(api.get(f"{URL}?page_size=200").json()["results"]) == 28


def test_making_one(cast: Cast) -> None:
    api = cast.api(cast.staff_everywhere)
    answer = api.post(URL, {"email": "New@Acme.Example", "name": "Nina"})
    assert answer.status_code == 201
    user = User.objects.get(pk=answer.json()["id"])
    assert (user.email, user.has_usable_password(), user.is_staff) == ("new@acme.example", False, False)
    assert Membership.objects.get(user=user).role == Role.OWNER
    assert user.personal_project.name == "Nina"
    link = api.post(f"{URL}/{user.pk}/password-link")
    assert (link.status_code, link["Cache-Control"]) == (201, "no-store")
    assert "/password/set/?link=" in link.json()["url"]
    again = api.post(URL, {"email": "NEW@acme.example", "name": "Nina"})
    assert again.status_code == 400
    assert "exists already" in again.json()["detail"]
    assert api.post(URL, {"email": "no address", "name": "Nina"}).status_code == 400
    assert api.post(URL, {"email": "x@y.example", "name": "Nina", "password": "x"}).status_code == 400
    assert api.post(URL, {"email": "x@y.example", "name": "Nina", "id": str(cast.owner.pk)}).status_code == 400


def test_two_that_make_the_same_user_at_once(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the check did not see yet, the database refuses: a clear error all the same."""
    monkeypatch.setattr(User, "full_clean", lambda *_, **__: None)
    with pytest.raises(ValidationError, match="exists already"):
        user_create(email="olivia@acme.example", name="Olivia")


@pytest.mark.parametrize("privilege", PRIVILEGES)
def test_only_superusers_make_staff(cast: Cast, privilege: dict[str, bool]) -> None:
    (field,) = privilege
    api = cast.api(cast.staff_everywhere)
    for target in (cast.owner, cast.staff_everywhere):
        change = {field: not getattr(target, field)}
        assert api.patch(f"{URL}/{target.pk}", change).status_code == 403
        before = getattr(target, field)
        target.refresh_from_db()
        assert getattr(target, field) == before
    assert (
        cast.api(cast.staff_everywhere).post(URL, {"email": "x@y.example", "name": "X", **privilege}).status_code == 403
    )
    assert not User.objects.filter(email="x@y.example").exists()
    assert AuditEvent.objects.filter(actor=cast.staff_everywhere, outcome="denied").count() >= 2
    assert cast.api(cast.superuser).patch(f"{URL}/{cast.owner.pk}", privilege).status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"email": "mine@evil.example"}, {"name": "x"}, {"is_active": False}, {"is_superuser": False}, {"is_staff": False}],
)
def test_staff_do_not_touch_staff(cast: Cast, change: dict[str, Any]) -> None:
    api = cast.api(cast.staff_everywhere)
    for target in (cast.superuser, cast.staff_here):
        before = User.objects.filter(pk=target.pk).values().get()
        assert api.patch(f"{URL}/{target.pk}", change).status_code == 403
        assert api.post(f"{URL}/{target.pk}/password-link").status_code == 403
        assert api.delete(f"{URL}/{target.pk}").status_code == 403
        assert User.objects.filter(pk=target.pk).values().get() == before


@pytest.mark.parametrize(
    "change",
    [
        {"is_staff": True},
        {"is_superuser": True},
        {"is_site_limited": False},
        {"is_active": True},
        {"email": "other@evil.example"},
        {"id": "00000000-0000-0000-0000-000000000000"},
        {"password": "x"},
        {"projects": []},
        {"session_epoch": 0},
    ],
)
def test_nobody_makes_themselves_more(cast: Cast, change: dict[str, Any]) -> None:
    for user in cast.everybody.values():
        before = User.objects.filter(pk=user.pk).values().get()
        answer = cast.api(user).patch("/api/v1/me", {"name": before["name"], **change})
        assert answer.status_code == 400
        assert User.objects.filter(pk=user.pk).values().get() == before
    assert cast.api(cast.owner).patch("/api/v1/me", {"name": "Olive"}).json()["name"] == "Olive"


def test_nobody_locks_themselves_out(cast: Cast) -> None:
    api = cast.api(cast.superuser)
    for change in ({"is_active": False}, {"is_superuser": False}, {"is_staff": False}):
        assert api.patch(f"{URL}/{cast.superuser.pk}", change).status_code == 403
    assert api.delete(f"{URL}/{cast.superuser.pk}").status_code == 409


def test_disabling_ends_all_at_once(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    browser, text, link = cast.pages(cast.owner), cast.token(cast.owner), password_link(user=cast.owner)
    with django_capture_on_commit_callbacks(execute=True):
        answer = cast.api(cast.staff_everywhere).patch(f"{URL}/{cast.owner.pk}", {"is_active": False})
    assert answer.json()["is_active"] is False
    assert revoked == [{"user_id": cast.owner.pk, "reason": "user_disabled"}]
    assert browser.get("/profile/").status_code == 302
    assert token_resolve(text) is None
    assert cast.pages().get(link, follow=True).status_code == 409
    assert AuditEvent.objects.filter(action="user.disable", target_id=str(cast.owner.pk)).count() == 1
    user_enable(user=cast.owner, by=cast.superuser)
    assert browser.get("/profile/").status_code == 302, "what ended stays ended"
    assert token_resolve(text) is None


def test_a_second_click_is_no_second_event(cast: Cast) -> None:
    user_disable(user=cast.owner, by=cast.superuser)
    user_disable(user=cast.owner, by=cast.superuser)
    assert AuditEvent.objects.filter(action="user.disable").count() == 1


def test_a_lesser_privilege_is_announced(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        user_update(user=cast.staff_everywhere, by=cast.superuser, is_staff=False)
    assert revoked == [{"user_id": cast.staff_everywhere.pk, "reason": "role_changed"}]
    event = AuditEvent.objects.get(action="user.update")
    assert event.detail == {"changed": ["is_staff"], "before_is_staff": True, "is_staff": False}


def test_the_services_know_no_other_fields(cast: Cast) -> None:
    for field in ("password", "session_epoch", "id"):
        with pytest.raises(NotAllowed):
            user_update(user=cast.owner, by=cast.superuser, **{field: "x"})


def test_who_owns_vms_is_not_deleted(cast: Cast) -> None:
    cast.acme_vm.project = cast.operator.personal_project
    cast.acme_vm.save()
    with pytest.raises(StillOwns):
        user_delete(user=cast.operator, by=cast.superuser)
    answer = cast.api(cast.staff_everywhere).delete(f"{URL}/{cast.operator.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "still_owns_vms")
    assert "Move them to another project first" in answer.json()["detail"]
    assert User.objects.filter(pk=cast.operator.pk).exists()
    assert Project.objects.filter(personal_owner=cast.operator).exists()


def test_the_last_owner_of_a_project_is_not_deleted(cast: Cast) -> None:
    with pytest.raises(LastOwner):
        user_delete(user=cast.owner, by=cast.superuser)
    make_member(cast.acme, cast.outsider, Role.OWNER)
    user_delete(user=cast.owner, by=cast.superuser)
    assert not User.objects.filter(email="olivia@acme.example").exists()
    assert not Project.objects.filter(name="Olivia Owner").exists()
    assert AuditEvent.objects.get(action="user.delete").target_label == "olivia@acme.example"


def test_every_users_row_brings_a_personal_project(db: None) -> None:
    user = User.objects.create_superuser("root@eve.example", "long enough 12", name="Root")
    assert user.personal_project.memberships.get().role == Role.OWNER
    assert User.objects.get_by_natural_key("ROOT@eve.example") == user
    with pytest.raises(IntegrityError):
        User.objects.create_user("Root@Eve.Example")
