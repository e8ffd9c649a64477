"""The cast that all tests share."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import Project, Role, User
from accounts.selectors import role_in
from tests.cast import Cast
from tests.factories import make_people, make_user


def test_everybody_is_in_their_place(cast: Cast) -> None:
    """Roles, sites and VMs are what the other tests rely on."""
    assert [role_in(user, cast.acme) for user in (cast.owner, cast.operator, cast.viewer, cast.outsider)] == [
        Role.OWNER,
        Role.OPERATOR,
        Role.VIEWER,
        None,
    ]
    assert cast.acme_vm.hypervisor.site == cast.here
    assert cast.ottos_vm.hypervisor.site == cast.there
    assert list(cast.staff_here.assigned_sites.all()) == [cast.here]
    assert all(user.personal_project.personal_owner == user for user in cast.everybody.values())


def test_who_is_made_with_others_is_as_who_is_made_alone(db: None) -> None:
    (together,) = make_people(("together@eve.example", "Uma", {"is_staff": True}))
    alone = make_user("alone@eve.example", "Uma", is_staff=True)
    assert all_of(together) == all_of(alone)


def all_of(user: User) -> list[dict[str, Any]]:
    """What there is of them, but for what tells one from another."""
    theirs: list[QuerySet[Any]] = [
        User.objects.filter(pk=user.pk),
        user.memberships.all(),
        Project.objects.filter(memberships__user=user),
    ]
    own = {"id", "email", "created_at", "user_id", "project_id", "personal_owner_id"}
    return [{name: row[name] for name in row.keys() - own} for rows in theirs for row in rows.values()]
