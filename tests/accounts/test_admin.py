"""Django admin of users, projects, tokens and the audit: who sees what, and crafted posts."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEvent, Membership, Project, Role, User
from accounts.services import password_set_by_link
from accounts.tokens import token_resolve
from tests.accounts.conftest import NEW_PASSWORD, link_in
from tests.cast import Cast

USERS, PROJECTS = "/admin/accounts/user/", "/admin/accounts/project/"
DIRECTORY = [USERS, PROJECTS, "/admin/accounts/logintoken/"]
AUDIT = "/admin/accounts/auditevent/"


def user_form(user: User, **changes: Any) -> dict[str, Any]:
    """What the page of `user` would post."""
    fields = ("email", "name", "remarks", "is_active", "is_staff", "is_site_limited", "is_superuser")
    wanted = {**{name: getattr(user, name) for name in fields}, **changes}
    return {name: "on" if value is True else value for name, value in wanted.items() if value is not False}


def project_form(project: Project, rows: list[dict[str, Any]], initial: int, **changes: Any) -> dict[str, Any]:
    """What the page of `project` would post, with these rows of members."""
    form: dict[str, Any] = {"name": project.name, "is_active": "on", "remarks": "", **changes}
    form |= {"memberships-TOTAL_FORMS": len(rows), "memberships-INITIAL_FORMS": initial}
    for number, row in enumerate(rows):
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
    return form


def row_of(member: Membership, **changes: Any) -> dict[str, Any]:
    return {"id": member.pk, "project": member.project_id, "user": member.user_id, "role": member.role, **changes}


def test_who_gets_in(cast: Cast) -> None:
    for part, user in cast.everybody.items():
        browser = cast.pages(user)
        sees = part in ("staff_everywhere", "superuser")
        for page in DIRECTORY:
            assert browser.get(page).status_code == (200 if sees else 403 if user.is_staff else 302), (part, page)
            assert browser.get(f"{page}{cast.owner.pk}/change/").status_code != 200 or sees, (part, page)
        assert browser.get(AUDIT).status_code == (200 if user.is_staff else 302), part


def test_djangos_own_permissions_open_nothing(cast: Cast) -> None:
    cast.staff_here.user_permissions.set(Permission.objects.all())
    browser = cast.pages(cast.staff_here)
    assert [browser.get(page).status_code for page in DIRECTORY] == [403] * 3
    assert browser.get("/admin/auth/group/").status_code == 404


def test_staff_limited_to_sites_see_their_own_events_only(cast: Cast) -> None:
    AuditEvent.objects.create(action="canary", actor=cast.owner, actor_label="olivia@acme.example")
    mine = AuditEvent.objects.create(action="mine", actor=cast.staff_here, actor_label="hera@eve.example")
    browser = cast.pages(cast.staff_here)
    assert "olivia@acme.example" not in browser.get(AUDIT).content.decode()
    assert browser.get(f"{AUDIT}{mine.pk}/change/").status_code == 200
    other = AuditEvent.objects.get(action="canary")
    assert browser.get(f"{AUDIT}{other.pk}/change/").status_code == 302
    assert b"olivia" in cast.pages(cast.superuser).get(f"{AUDIT}?q=olivia").content


def test_records_are_read_only(cast: Cast) -> None:
    cast.token(cast.owner)
    event = AuditEvent.objects.first()
    assert event is not None
    browser = cast.pages(cast.superuser)
    for page in (AUDIT, "/admin/accounts/logintoken/"):
        assert browser.get(f"{page}add/").status_code == 403
    assert browser.post(f"{AUDIT}{event.pk}/change/", {"action": "forged"}).status_code == 403
    assert browser.post(f"{AUDIT}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(AUDIT, {"action": "delete_selected", "_selected_action": str(event.pk), "post": "yes"})
    assert AuditEvent.objects.filter(pk=event.pk, action=event.action).exists()


def test_making_a_user_and_handing_over_a_link(cast: Cast) -> None:
    browser = cast.pages(cast.staff_everywhere)
    page = browser.get(f"{USERS}add/").content.decode()
    assert "password" not in page.replace("change/password", "").split("<form", 1)[1].split("</form>")[0].lower()
    answer = browser.post(
        f"{USERS}add/", {"email": "New@Acme.Example", "name": "Nina", "is_active": "on", "remarks": ""}
    )
    user = User.objects.get(email="new@acme.example")
    assert answer["Location"] == f"{USERS}{user.pk}/change/"
    assert user.personal_project.memberships.get().role == Role.OWNER
    page = browser.get(answer["Location"]).content.decode()
    assert "Show a set-password link" in page
    assert browser.get(f"{USERS}{user.pk}/password-link/").status_code == 405
    shown = browser.post(f"{USERS}{user.pk}/password-link/")
    assert "no-store" in shown["Cache-Control"]
    address = shown.content.decode().split('id="password-link">')[1].split("<")[0]
    assert password_set_by_link(link=link_in(address), password=NEW_PASSWORD) == user
    again = browser.post(f"{USERS}add/", {"email": "NEW@acme.example", "name": "Nina", "is_active": "on"})
    assert "exists already" in again.content.decode()


@pytest.mark.parametrize("part", ["staff_everywhere", "staff_here"])
@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "is_site_limited"])
def test_crafted_posts_of_staff_make_nobody_more(cast: Cast, part: str, field: str) -> None:
    by = cast.everybody[part]
    browser = cast.pages(by)
    for target in (cast.owner, by):
        before = User.objects.filter(pk=target.pk).values(field).get()
        browser.post(f"{USERS}{target.pk}/change/", user_form(target, **{field: not getattr(target, field)}))
        assert User.objects.filter(pk=target.pk).values(field).get() == before
    browser.post(f"{USERS}add/", {"email": "x@y.example", "name": "X", "is_active": "on", field: "on"})
    assert not User.objects.filter(email="x@y.example", **{field: True}).exists()


def test_staff_touch_no_superuser(cast: Cast) -> None:
    browser, page = cast.pages(cast.staff_everywhere), f"{USERS}{cast.superuser.pk}/"
    before = User.objects.filter(pk=cast.superuser.pk).values().get()
    answers = [
        browser.post(f"{page}change/", user_form(cast.superuser, email="mine@evil.example", is_active=False)),
        browser.post(f"{page}delete/", {"post": "yes"}),
        browser.post(f"{page}password-link/"),
        browser.post(f"{page}password/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}),
    ]
    assert not any("/password/set/?link=" in answer.content.decode() for answer in answers)
    assert User.objects.filter(pk=cast.superuser.pk).values().get() == before


def test_superusers_change_what_makes_staff(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    browser = cast.pages(cast.superuser)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(
            f"{USERS}{cast.owner.pk}/change/", user_form(cast.owner, is_staff=True, is_site_limited=True)
        )
    assert answer.status_code == 302
    cast.owner.refresh_from_db()
    assert (cast.owner.is_staff, cast.owner.is_site_limited, cast.owner.is_superuser) == (True, True, False)
    assert revoked == [{"user_id": cast.owner.pk, "reason": "role_changed"}]
    assert AuditEvent.objects.get(action="user.update").actor == cast.superuser


def test_disabling_in_admin_ends_all(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    text = cast.token(cast.owner)
    with django_capture_on_commit_callbacks(execute=True):
        cast.pages(cast.staff_everywhere).post(
            f"{USERS}{cast.owner.pk}/change/", user_form(cast.owner, is_active=False)
        )
    cast.owner.refresh_from_db()
    assert not cast.owner.is_active
    assert token_resolve(text) is None
    assert revoked == [{"user_id": cast.owner.pk, "reason": "user_disabled"}]


def test_a_refusal_is_a_message(cast: Cast) -> None:
    browser, page = cast.pages(cast.superuser), f"{USERS}{cast.superuser.pk}/change/"
    answer = browser.post(page, user_form(cast.superuser, is_superuser=False), follow=True)
    assert answer.status_code == 200
    assert "Nobody takes their own access away" in answer.content.decode()
    cast.superuser.refresh_from_db()
    assert cast.superuser.is_superuser


def test_deleting_users(cast: Cast) -> None:
    browser = cast.pages(cast.superuser)
    cast.acme_vm.project = cast.viewer.personal_project
    cast.acme_vm.save()
    page = browser.get(f"{USERS}{cast.viewer.pk}/delete/").content.decode()
    assert "acme-web" in page
    answer = browser.post(f"{USERS}{cast.viewer.pk}/delete/", {"post": "yes"}, follow=True)
    assert User.objects.filter(pk=cast.viewer.pk).exists()
    answer = browser.post(f"{USERS}{cast.owner.pk}/delete/", {"post": "yes"}, follow=True)
    assert "last owner of Acme" in answer.content.decode()
    assert User.objects.filter(pk=cast.owner.pk).exists()
    browser.post(f"{USERS}{cast.operator.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=cast.operator.pk).exists()
    assert AuditEvent.objects.filter(action="user.delete", actor=cast.superuser).count() == 1
    many = {"action": "delete_selected", "_selected_action": [str(cast.outsider.pk)], "post": "yes"}
    browser.post(USERS, many)
    assert User.objects.filter(pk=cast.outsider.pk).exists()


def test_projects(cast: Cast) -> None:
    browser = cast.pages(cast.staff_everywhere)
    assert browser.get(f"{PROJECTS}add/").status_code == 200
    browser.post(f"{PROJECTS}add/", {"name": "Beta", "remarks": "", "owner": str(cast.viewer.pk)})
    beta = Project.objects.get(name="Beta")
    member = beta.memberships.get()
    assert (member.user, member.role) == (cast.viewer, "owner")
    page = f"{PROJECTS}{beta.pk}/change/"
    assert browser.get(page).status_code == 200
    rows = [row_of(member, DELETE="on"), {"id": "", "project": beta.pk, "user": cast.outsider.pk, "role": "owner"}]
    browser.post(page, project_form(beta, rows, 1, name="Gamma"))
    beta.refresh_from_db()
    assert beta.name == "Gamma"
    assert dict(beta.memberships.values_list("user__email", "role")) == {"otto@otto.example": "owner"}
    actions = AuditEvent.objects.filter(project=beta, actor=cast.staff_everywhere).order_by("at")
    assert list(actions.values_list("action", flat=True)) == [
        "project.create",
        "project.update",
        "member.add",
        "member.remove",
    ]


def test_the_last_owner_stays_in_admin_too(cast: Cast) -> None:
    browser, page = cast.pages(cast.superuser), f"{PROJECTS}{cast.acme.pk}/change/"
    members = list(cast.acme.memberships.order_by("pk"))
    for change in ({"DELETE": "on"}, {"role": "viewer"}):
        rows = [row_of(member, **(change if member.role == "owner" else {})) for member in members]
        answer = browser.post(page, project_form(cast.acme, rows, 3, name="Renamed"), follow=True)
        assert "last owner" in answer.content.decode()
        cast.acme.refresh_from_db()
        assert cast.acme.name == "Acme", "nothing of the form was saved"
        assert cast.acme.memberships.filter(user=cast.owner, role="owner").exists()


def test_projects_with_vms_are_not_deleted(cast: Cast) -> None:
    browser = cast.pages(cast.superuser)
    assert "acme-web" in browser.get(f"{PROJECTS}{cast.acme.pk}/delete/").content.decode()
    browser.post(f"{PROJECTS}{cast.acme.pk}/delete/", {"post": "yes"})
    assert Project.objects.filter(pk=cast.acme.pk).exists()
    answer = browser.post(f"{PROJECTS}{cast.owner.personal_project.pk}/delete/", {"post": "yes"}, follow=True)
    assert "goes with its user" in answer.content.decode()


def test_search_suggests_people_to_staff_only(cast: Cast) -> None:
    query = {"app_label": "accounts", "model_name": "membership", "field_name": "user", "term": "olivia"}
    assert (
        cast.pages(cast.superuser).get("/admin/autocomplete/", query).json()["results"][0]["text"]
        == "olivia@acme.example"
    )
    assert cast.pages(cast.staff_here).get("/admin/autocomplete/", query).status_code == 403
    assert Client().get("/admin/autocomplete/", query).status_code == 302
