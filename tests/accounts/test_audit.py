"""Who did what: what is kept, who sees it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.services import audit_record
from common.context import RequestContext, request_context
from hypervisors.models import Certificate, Hypervisor
from operations.claims import end_if
from operations.services import operation_create
from tests.cast import Cast

URL = "/api/v1/audit"


def test_who_sees_what(cast: Cast) -> None:
    for user in cast.everybody.values():
        audit_record(action="vm.start", actor=user, target=cast.acme_vm, project=cast.acme)
    audit_record(action="login", actor_label="canary@nowhere.example", outcome="failure")
    for part, user in cast.everybody.items():
        rows = cast.api(user).get(f"{URL}?page_size=200").json()["results"]
        actors = {row["actor"] for row in rows}
        if part in ("staff_everywhere", "superuser"):
            assert len(actors) == 9, part
        elif part == "staff_here":
            assert actors == {each.email for each in cast.everybody.values()}, "the VM is on their host"
        else:
            assert actors == {user.email}, part
    assert cast.api().get(URL).status_code == 401


def certificate(hypervisor: Hypervisor) -> Certificate:
    serial = f"{hypervisor.pk.int:032x}"
    life = {"not_before": timezone.now(), "not_after": timezone.now()}
    return Certificate.objects.create(serial=serial, fingerprint=serial, hypervisor=hypervisor, usage="agent", **life)


def test_staff_of_a_site_see_what_is_done_to_what_is_theirs(cast: Cast) -> None:
    here = [cast.here, cast.hypervisor_here, cast.acme_vm, certificate(cast.hypervisor_here)]
    there = [cast.there, cast.hypervisor_there, cast.ottos_vm, certificate(cast.hypervisor_there)]
    for target in (*here, *there, cast.acme, cast.owner):
        audit_record(action="canary", actor=cast.superuser, target=target)

    def seen(user: User) -> set[tuple[str, str]]:
        api = cast.api(user).get(f"{URL}?page_size=200&action=canary").json()["results"]
        told = {(row["target_type"], row["target_id"]) for row in api}
        page = cast.pages(user).get("/manage/audit/?q=canary")
        admin = cast.pages(user).get("/admin/accounts/auditevent/?action=canary")
        listed = (
            {(row.target_type, row.target_id) for row in page.context["page_obj"]} if page.status_code == 200 else told
        )
        changelist = (
            {(row.target_type, row.target_id) for row in admin.context["cl"].result_list}
            if admin.status_code == 200
            else told
        )
        assert told == listed == changelist
        return told

    def names(targets: list[Any]) -> set[tuple[str, str]]:
        return {(target._meta.model_name, str(target.pk)) for target in targets}

    assert seen(cast.staff_here) == names(here)
    assert seen(cast.staff_there) == names(there)
    assert seen(cast.superuser) == names([*here, *there, cast.acme, cast.owner])
    assert seen(cast.owner) == set()
    User.objects.filter(pk=cast.staff_here.pk).update(is_staff=False)
    assert seen(User.objects.get(pk=cast.staff_here.pk)) == set()


def test_it_is_read_only(cast: Cast) -> None:
    api = cast.api(cast.superuser)
    for method in (api.post, api.put, api.patch, api.delete):
        assert method(URL, {}).status_code == 405


def test_filters_and_pages(cast: Cast, django_assert_max_num_queries: Any) -> None:
    for n in range(30):
        audit_record(
            action="vm.start" if n % 2 else "console.open", actor=cast.owner, target=cast.acme_vm, project=cast.acme
        )
    api = cast.api(cast.superuser)
    api.get(URL)
    with django_assert_max_num_queries(2):
        page = api.get(
            f"{URL}?action=vm.&page_size=10&project={cast.acme.pk}&target_id={cast.acme_vm.pk}&outcome=success"
        ).json()
    assert len(page["results"]) == 10
    following = api.get(page["next"]).json()
    assert {row["action"] for row in following["results"]} == {"vm.start"}
    assert not {row["id"] for row in page["results"]} & {row["id"] for row in following["results"]}
    assert api.get(f"{URL}?project=nonsense").status_code == 400
    assert api.get(f"{URL}?page_size=100000").json()["next"] is None


def test_a_filter_tells_nothing_of_what_is_not_yours(cast: Cast) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    api = cast.api(cast.outsider)
    assert api.get(f"{URL}?project={cast.acme.pk}").json() == api.get(f"{URL}?project={missing}").json()


@pytest.mark.django_db
def test_where_from_and_which_request() -> None:
    with request_context(RequestContext(address="2001:db8::7", request_id="r-1")):
        event = audit_record(action="x" * 10)
    assert (event.address, event.request_id) == ("2001:db8::7", "r-1")


@pytest.mark.django_db
def test_what_people_and_hosts_call_things_is_bounded_and_printable() -> None:
    label = "\x00\x1b[31mred\u202e" + "x" * 500
    event = audit_record(
        action="login", actor_label=label, target_label=label, target_id="y" * 99, target_type="z" * 99
    )
    event.refresh_from_db()
    assert event.actor_label.startswith("��[31mred�x")
    assert (len(event.actor_label), len(event.target_id), len(event.target_type)) == (254, 36, 30)


def test_one_row_an_action(cast: Cast) -> None:
    from accounts.services import password_set, user_disable

    password_set(user=cast.owner, password="another long battery 9", by=cast.owner)
    user_disable(user=cast.owner, by=cast.superuser)
    assert list(AuditEvent.objects.order_by("at").values_list("action", flat=True)) == ["password.set", "user.disable"]


def test_staff_of_a_site_go_on_seeing_what_was_done_to_what_is_gone(cast: Cast) -> None:
    """Also the deletion itself, which ends once its target is no more; staff of another site see none of it."""
    vm, vm_id = cast.acme_vm, str(cast.acme_vm.pk)
    asked = operation_create(kind="vm.delete", target=vm, project=cast.acme, user=cast.owner)
    audit_record(action="console.open", actor=cast.owner, target=vm)
    vm.delete()
    assert end_if(asked, None)
    audit_record(action="console.close", actor=cast.owner, target_type="vm", target_id=vm_id, target_label="web-1")
    told = {row["action"] for row in cast.api(cast.staff_here).get(f"{URL}?page_size=200").json()["results"]}
    assert told >= {"vm.delete", "console.open", "console.close"}
    assert cast.api(cast.staff_here).get(f"/api/v1/operations/{asked.pk}").json()["state"] == "succeeded"
    assert vm_id not in cast.api(cast.staff_there).get(f"{URL}?page_size=200").content.decode()
    assert cast.api(cast.staff_there).get(f"/api/v1/operations/{asked.pk}").status_code == 404
