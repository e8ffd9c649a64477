"""The cast that all tests share."""

from __future__ import annotations

from accounts.models import Role
from accounts.selectors import role_in
from tests.cast import Cast


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
