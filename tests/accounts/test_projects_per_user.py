"""How many projects somebody may own: each has a quota of its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.errors import TooManyProjects
from accounts.models import Membership, Project, Role
from accounts.selectors import projects_owned_by
from accounts.services import project_create
from tests.cast import Cast
from tests.factories import make_member, make_project
from tests.together import at_once

URL = "/api/v1/projects"


@pytest.fixture(autouse=True)
def three(settings: Any) -> None:
    settings.PROJECTS_PER_USER = 3


def make(cast: Cast, who: str, name: str = "New") -> Any:
    return cast.api(getattr(cast, who)).post(URL, {"name": name}, format="json")


def test_nobody_makes_more_than_they_may_own(cast: Cast) -> None:
    """Otto owns one already; his personal one does not count."""
    answers = [make(cast, "outsider", f"p{number}") for number in range(4)]
    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    problem = answers[-1].json()
    assert (problem["code"], problem["limit"]) == ("too_many_projects", 3)
    assert problem["detail"].startswith("You own 3 projects, and one may own 3. Delete one")
    cast.api(cast.outsider).delete(f"{URL}/{Project.objects.get(name='p0').pk}")
    assert make(cast, "outsider", "again").status_code == 201


def test_projects_in_which_one_is_no_owner_do_not_count(cast: Cast) -> None:
    for number in range(4):
        make_member(make_project(f"theirs{number}", owner=cast.owner), cast.viewer, Role.OPERATOR)
    assert make(cast, "viewer").status_code == 201


def test_a_project_is_not_handed_to_who_has_enough(cast: Cast) -> None:
    for number in range(2):
        make_project(f"p{number}", owner=cast.outsider)
    body = {"email": cast.outsider.email, "role": "owner"}
    members = f"{URL}/{cast.acme.pk}/members"
    answer = cast.api(cast.owner).post(members, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_projects")
    assert cast.api(cast.owner).post(members, {**body, "role": "operator"}, format="json").status_code == 201
    promoted = cast.api(cast.owner).patch(f"{members}/{cast.outsider.pk}", {"role": "owner"}, format="json")
    assert promoted.status_code == 429
    page = cast.pages(cast.owner).post(
        f"/projects/{cast.acme.pk}/members/", {"email": cast.outsider.email, "role": "owner"}
    )
    assert "owns as many projects as one may" in page.content.decode()
    assert Membership.objects.get(project=cast.acme, user=cast.outsider).role == Role.OPERATOR


def test_staff_have_no_limit_and_give_any_number(cast: Cast) -> None:
    assert {make(cast, "staff_everywhere", f"s{number}").status_code for number in range(5)} == {201}
    for number in range(5):
        project_create(name=f"for{number}", owner=cast.outsider, by=cast.staff_everywhere)
    assert projects_owned_by(cast.outsider).count() == 6


def test_zero_is_any_number(cast: Cast, settings: Any) -> None:
    settings.PROJECTS_PER_USER = 0
    assert {make(cast, "outsider", f"p{number}").status_code for number in range(6)} == {201}


def test_the_page_says_how_many(cast: Cast) -> None:
    client = cast.pages(cast.outsider)
    assert (
        "You own 1 project besides your personal one; 3 is the most." in client.get("/projects/new/").content.decode()
    )
    for number in range(2):
        assert client.post("/projects/new/", {"name": f"p{number}"}).status_code == 302
    answer = client.post("/projects/new/", {"name": "more"})
    assert answer.status_code == 400
    assert "one may own 3. Delete one that you do not need" in answer.content.decode()
    assert "besides your personal one" not in cast.pages(cast.staff_here).get("/projects/new/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_are_made(cast: Cast) -> None:
    refused: list[Exception] = []

    def create(number: int) -> None:
        try:
            project_create(name=f"p{number}", owner=cast.outsider, by=cast.outsider)
        except (TooManyProjects, ValidationError) as error:
            refused.append(error)

    at_once(*(partial(create, number) for number in range(8)))
    assert projects_owned_by(cast.outsider).count() == 3
    assert [type(error) for error in refused] == [TooManyProjects] * 6
