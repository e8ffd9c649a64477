"""Who reads console sessions in Django admin."""

from __future__ import annotations

import uuid

import pytest

from consoles.models import ConsoleSession
from tests.cast import Cast

LIST = "/admin/consoles/consolesession/"


@pytest.fixture
def sessions(cast: Cast) -> dict[str, ConsoleSession]:
    """One at a VM of each site, one at a VM that is gone."""
    made = {
        vm.name: ConsoleSession.objects.create(vm=vm, vm_uuid=vm.pk, vm_name=vm.name, user_label="canary@eve.test")
        for vm in (cast.acme_vm, cast.ottos_vm)
    }
    made["gone"] = ConsoleSession.objects.create(vm_uuid=uuid.uuid4(), vm_name="gone", user_label="canary@eve.test")
    return made


def test_staff_see_those_of_their_sites(cast: Cast, sessions: dict[str, ConsoleSession]) -> None:
    here, there = cast.acme_vm.name, cast.ottos_vm.name
    seen = {
        cast.staff_here: {here},
        cast.staff_there: {there},
        cast.staff_everywhere: {here, there, "gone"},
        cast.superuser: {here, there, "gone"},
    }
    for user, names in seen.items():
        client = cast.pages(user)
        page = client.get(LIST)
        assert {row.vm_name for row in page.context["cl"].result_list} == names
        for name, session in sessions.items():
            status = client.get(f"{LIST}{session.pk}/change/").status_code
            assert status == (200 if name in names else 302), (user, name)


def test_nobody_changes_them(cast: Cast, sessions: dict[str, ConsoleSession]) -> None:
    client = cast.pages(cast.superuser)
    session = sessions["gone"]
    assert client.post(f"{LIST}{session.pk}/change/", data={"user_label": "nobody"}).status_code == 403
    assert client.post(f"{LIST}{session.pk}/delete/", data={"post": "yes"}).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403


def test_customers_have_no_admin(cast: Cast, sessions: dict[str, ConsoleSession]) -> None:
    for user in (cast.owner, cast.outsider):
        assert b"canary" not in cast.pages(user).get(LIST, follow=True).content
