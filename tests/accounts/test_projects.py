"""Projects and members: roles, the last owner, outsiders, tampering."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from accounts.errors import LastOwner
from accounts.models import AuditEvent, Membership, Project, Role, User
from accounts.selectors import projects_for, role_in
from accounts.services import membership_remove, membership_set, project_update, user_delete
from common.errors import NotAllowed
from tests.cast import Cast, make_cast
from tests.factories import make_member, make_user

URL = "/api/v1/projects"


def members_of(project: Project) -> dict[str, str]:
    return dict(project.memberships.values_list("user__email", "role"))


def test_who_sees_which(cast: Cast) -> None:
    for part, user in cast.everybody.items():
        listed = {row["name"] for row in cast.api(user).get(f"{URL}?page_size=200").json()["results"]}
        if part in ("staff_everywhere", "superuser"):
            assert {"Acme", "Ottos", "Olivia Owner"} <= listed
        else:
            mine = {"Acme"} if user in (cast.owner, cast.operator, cast.viewer) else set()
            mine |= {"Ottos"} if user == cast.outsider else set()
            assert listed == {user.name, *mine}, part


@pytest.mark.parametrize("part", ["outsider", "staff_here", "staff_there"])
def test_what_is_not_yours_is_not_there(cast: Cast, part: str) -> None:
    user = cast.everybody[part]
    api, browser, one = cast.api(user), cast.pages(user), f"{URL}/{cast.acme.pk}"
    member = f"{one}/members/{cast.viewer.pk}"
    answers: list[Any] = [
        api.get(one),
        api.patch(one, {"name": "mine"}),
        api.delete(one),
        api.get(f"{one}/members"),
        api.post(f"{one}/members", {"email": user.email, "role": "owner"}),
        api.patch(member, {"role": "owner"}),
        api.delete(member),
        browser.get(f"/projects/{cast.acme.pk}/"),
        browser.post(f"/projects/{cast.acme.pk}/members/", {"email": user.email, "role": "owner"}),
        browser.post(f"/projects/{cast.acme.pk}/members/{cast.viewer.pk}/remove/"),
    ]
    assert [answer.status_code for answer in answers] == [404] * len(answers)
    assert not any(b"Acme" in answer.content or b"vera" in answer.content for answer in answers)
    assert members_of(cast.acme) == {
        "olivia@acme.example": "owner",
        "oscar@acme.example": "operator",
        "vera@acme.example": "viewer",
    }


@pytest.mark.parametrize("part", ["operator", "viewer"])
def test_only_owners_change_a_project(cast: Cast, part: str) -> None:
    user = cast.everybody[part]
    api, browser, one = cast.api(user), cast.pages(user), f"{URL}/{cast.acme.pk}"
    answers = [
        api.patch(one, {"name": "mine"}),
        api.delete(one),
        api.post(f"{one}/members", {"email": "otto@otto.example", "role": "viewer"}),
        api.patch(f"{one}/members/{user.pk}", {"role": "owner"}),
        api.delete(f"{one}/members/{cast.owner.pk}"),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert "Only owners of Acme" in answers[0].json()["detail"]
    assert browser.get(f"/projects/{cast.acme.pk}/").status_code == 200
    browser.post(f"/projects/{cast.acme.pk}/members/", {"email": "otto@otto.example", "role": "viewer"})
    browser.post(f"/projects/{cast.acme.pk}/members/{cast.owner.pk}/remove/")
    assert len(members_of(cast.acme)) == 3
    assert role_in(user, cast.acme) == Role(part)


def test_an_owner_takes_people_in_and_out(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    api, one = cast.api(cast.owner), f"{URL}/{cast.acme.pk}"
    answer = api.post(f"{one}/members", {"email": "OTTO@otto.example", "role": "operator"})
    assert (answer.status_code, answer.json()["role"]) == (201, "operator")
    with django_capture_on_commit_callbacks(execute=True):
        assert api.patch(f"{one}/members/{cast.outsider.pk}", {"role": "owner"}).status_code == 200
    assert revoked == [], "more is nothing lost"
    with django_capture_on_commit_callbacks(execute=True):
        api.patch(f"{one}/members/{cast.outsider.pk}", {"role": "viewer"})
        api.delete(f"{one}/members/{cast.outsider.pk}")
    lost = {"user_id": cast.outsider.pk, "project_id": cast.acme.pk}
    assert revoked == [{**lost, "reason": "role_changed"}, {**lost, "reason": "membership_lost"}]
    assert role_in(cast.outsider, cast.acme) is None
    assert api.delete(f"{one}/members/{cast.outsider.pk}").status_code == 404
    actions = AuditEvent.objects.filter(project=cast.acme).order_by("at").values_list("action", flat=True)
    assert list(actions) == ["member.add", "member.role", "member.role", "member.remove"]


def test_the_same_on_the_page(cast: Cast) -> None:
    browser, page = cast.pages(cast.owner), f"/projects/{cast.acme.pk}/"
    assert browser.post(f"{page}members/", {"email": "otto@otto.example", "role": "operator"})["Location"] == page
    assert role_in(cast.outsider, cast.acme) == Role.OPERATOR
    assert browser.post(f"{page}members/{cast.outsider.pk}/remove/")["Location"] == page
    assert browser.post(f"{page}members/{cast.outsider.pk}/remove/")["Location"] == page, "a second click"
    assert browser.post(f"{page}members/", {"email": "x", "role": "king"}).status_code == 400
    assert cast.pages(cast.viewer).post(f"{page}members/{cast.viewer.pk}/remove/")["Location"] == "/"
    assert role_in(cast.viewer, cast.acme) is None


def test_a_members_role_is_changed_in_their_row(cast: Cast) -> None:
    address = f"/projects/{cast.acme.pk}/"
    page = cast.pages(cast.owner).get(address).content.decode()
    rows = {who.email: _row(page, who) for who in (cast.owner, cast.viewer)}
    assert "<select" not in rows[cast.owner.email]
    assert '<option value="viewer" selected>' in rows[cast.viewer.email]
    (url,) = re.findall(r'action="([^"]*)"', rows[cast.viewer.email])[:1]
    cast.pages(cast.owner).post(url, {"email": cast.viewer.email, "role": "operator"})
    assert cast.acme.memberships.get(user=cast.viewer).role == Role.OPERATOR
    page = cast.pages(cast.viewer).get(address).content.decode()
    assert "<select" not in _row(page, cast.owner)
    assert "Owner" in _row(page, cast.owner)


def _row(page: str, user: User) -> str:
    return next(row for row in page.split("<tr>") if user.email in row).partition("</tr>")[0]


@pytest.mark.parametrize(
    "body", [{"role": "king"}, {"role": ""}, {"role": None}, {"user": "x"}, {"project": "x"}, {"email": "a@b.example"}]
)
def test_member_tampering(cast: Cast, body: dict[str, Any]) -> None:
    api = cast.api(cast.owner)
    assert api.patch(f"{URL}/{cast.acme.pk}/members/{cast.viewer.pk}", body).status_code == 400
    assert members_of(cast.acme)["vera@acme.example"] == "viewer"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "x"},
        {"personal_owner": "x"},
        {"is_personal": True},
        {"created_at": "2020-01-01"},
        {"memberships": []},
        {"owner": "x"},
    ],
)
def test_project_tampering(cast: Cast, body: dict[str, Any]) -> None:
    before = Project.objects.filter(pk=cast.acme.pk).values().get()
    assert cast.api(cast.owner).patch(f"{URL}/{cast.acme.pk}", body).status_code == 400
    assert cast.api(cast.owner).post(URL, {"name": "New", **body}).status_code == 400
    assert Project.objects.filter(pk=cast.acme.pk).values().get() == before


def test_making_and_deleting_one(cast: Cast) -> None:
    api = cast.api(cast.outsider)
    made = api.post(URL, {"name": " Beta ", "remarks": "r"}).json()
    assert (made["name"], made["is_active"], made["is_personal"]) == ("Beta", True, False)
    assert members_of(Project.objects.get(pk=made["id"])) == {"otto@otto.example": "owner"}
    assert api.post(URL, {"name": ""}).status_code == 400
    assert api.delete(f"{URL}/{made['id']}").status_code == 204
    assert api.delete(f"{URL}/{made['id']}").status_code == 404


def test_a_project_with_vms_is_not_deleted(cast: Cast) -> None:
    answer = cast.api(cast.owner).delete(f"{URL}/{cast.acme.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "still_owns_vms")
    assert Project.objects.filter(pk=cast.acme.pk).exists()
    assert not AuditEvent.objects.filter(action="project.delete").exists()


def test_a_personal_project_goes_with_its_user_only(cast: Cast) -> None:
    personal = cast.owner.personal_project
    api = cast.api(cast.owner)
    assert api.delete(f"{URL}/{personal.pk}").status_code == 409
    assert api.delete(f"{URL}/{personal.pk}/members/{cast.owner.pk}").status_code == 409
    assert api.patch(f"{URL}/{personal.pk}/members/{cast.owner.pk}", {"role": "viewer"}).status_code == 409
    make_member(personal, cast.outsider, Role.OWNER)
    with pytest.raises(LastOwner):
        membership_remove(project=personal, user=cast.owner, by=cast.outsider)


def test_a_disabled_project_is_nobodys(
    cast: Cast, revoked: list[dict[str, Any]], django_capture_on_commit_callbacks: Any
) -> None:
    assert cast.api(cast.owner).patch(f"{URL}/{cast.acme.pk}", {"is_active": False}).status_code == 403
    with django_capture_on_commit_callbacks(execute=True):
        assert cast.api(cast.staff_everywhere).patch(f"{URL}/{cast.acme.pk}", {"is_active": False}).status_code == 200
    assert {row["user_id"] for row in revoked} == {cast.owner.pk, cast.operator.pk, cast.viewer.pk}
    assert cast.acme not in projects_for(cast.owner)
    assert role_in(cast.owner, Project.objects.get(pk=cast.acme.pk)) is None
    assert cast.api(cast.owner).get(f"{URL}/{cast.acme.pk}").status_code == 404
    project_update(project=cast.acme, by=cast.superuser, is_active=True)
    assert cast.acme in projects_for(cast.owner)


def test_the_last_owner_stays(cast: Cast) -> None:
    api, me = cast.api(cast.owner), f"{URL}/{cast.acme.pk}/members/{cast.owner.pk}"
    for answer in (api.delete(me), api.patch(me, {"role": "viewer"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    make_member(cast.acme, cast.outsider, Role.OWNER)
    User.objects.filter(pk=cast.outsider.pk).update(is_active=False)
    assert api.delete(me).status_code == 409, "a disabled owner is none"
    User.objects.filter(pk=cast.outsider.pk).update(is_active=True)
    assert api.delete(me).status_code == 204


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["leave", "demote", "delete"])
def test_owners_that_all_go_at_once_leave_one(how: str) -> None:
    cast = make_cast()
    owners = [cast.owner, *(make_user() for _ in range(5))]
    for owner in owners[1:]:
        make_member(cast.acme, owner, Role.OWNER)

    def go(owner: User) -> bool:
        try:
            if how == "leave":
                membership_remove(project=cast.acme, user=owner, by=owner)
            elif how == "demote":
                membership_set(project=cast.acme, user=owner, role=Role.VIEWER, by=owner)
            else:
                user_delete(user=owner, by=cast.superuser)
        except LastOwner:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(6) as pool:
        gone = list(pool.map(go, owners))
    assert gone.count(False) == 1
    assert Membership.objects.filter(project=cast.acme, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_invitation_twice_at_once() -> None:
    cast = make_cast()

    def invite(role: Role) -> None:
        try:
            membership_set(project=cast.acme, user=cast.outsider, role=role, by=cast.owner)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(invite, [Role.VIEWER, Role.OPERATOR] * 3))
    assert Membership.objects.filter(project=cast.acme, user=cast.outsider).count() == 1


def test_an_owner_who_was_demoted_meanwhile(cast: Cast) -> None:
    """The check is made again inside the lock, on what is true then."""
    Membership.objects.filter(project=cast.acme, user=cast.owner).update(role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        membership_set(project=cast.acme, user=cast.outsider, role=Role.OWNER, by=cast.owner)


def test_invitations_are_no_directory_of_accounts(cast: Cast) -> None:
    api, url = cast.api(cast.owner), f"{URL}/{cast.acme.pk}/members"
    codes = [api.post(url, {"email": f"guess{n}@x.example", "role": "viewer"}).status_code for n in range(22)]
    assert codes == [202] * 20 + [429] * 2


def test_lists_take_the_same_queries_for_many(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        make_member(cast.acme, make_user(), Role.VIEWER)
        make_member(Project.objects.create(name="More"), cast.owner, Role.OWNER)
    api = cast.api(cast.owner)
    api.get("/api/v1/me")
    with django_assert_max_num_queries(2):
        assert len(api.get(f"{URL}?page_size=200").json()["results"]) == 22
    with django_assert_max_num_queries(3):
        assert len(api.get(f"{URL}/{cast.acme.pk}/members").json()["results"]) == 23
    with django_assert_max_num_queries(3):
        assert len(api.get("/api/v1/me").json()["projects"]) == 22


def test_a_customer_makes_a_project_on_a_page(cast: Cast) -> None:
    browser = cast.pages(cast.viewer)
    assert "/projects/new/" in browser.get("/profile/").content.decode()
    assert browser.get("/projects/new/").status_code == 200
    answer = browser.post("/projects/new/", {"name": "  Shop ", "remarks": "x", "is_active": "", "personal_owner": "x"})
    project = Project.objects.get(name="Shop")
    assert answer["Location"] == f"/projects/{project.pk}/"
    assert members_of(project) == {cast.viewer.email: "owner"}
    assert (project.is_active, project.personal_owner, project.remarks) == (True, None, "")
    event = AuditEvent.objects.get(action="project.create", target_id=str(project.pk))
    assert event.actor == cast.viewer
    assert "Shop is there" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "required"),
        ("   ", "required"),
        ("x" * 151, "150"),
        ("a\x00b", "Null"),
        ("Acme", "already"),
    ],
)
def test_a_name_that_is_refused_says_why(cast: Cast, name: str, words: str) -> None:
    before = Project.objects.count()
    answer = cast.pages(cast.owner).post("/projects/new/", {"name": name})
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Project.objects.count() == before


def test_others_may_have_a_project_of_the_same_name(cast: Cast) -> None:
    for user in (cast.operator, cast.outsider):
        assert cast.pages(user).post("/projects/new/", {"name": "Acme"}).status_code == 302
    assert Project.objects.filter(name="Acme").count() == 3
