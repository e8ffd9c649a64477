"""Who did what: what is kept, who sees it."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent
from accounts.services import audit_record
from common.context import RequestContext, request_context
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
        else:
            assert actors == {user.email}, part
    assert cast.api().get(URL).status_code == 401


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
