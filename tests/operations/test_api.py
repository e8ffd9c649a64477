"""Operations in the API: whose they are, and what is said of them."""

from __future__ import annotations

import uuid

import pytest

from common.problems import problem
from operations.claims import operation_claim, operation_end
from operations.services import operation_create


@pytest.fixture
def operations(cast, kinds):
    """One of Acme's VM, one of Otto's."""
    return {
        "acme": operation_create(kind="test.do", target=cast.acme_vm, project=cast.acme, user=cast.owner),
        "ottos": operation_create(kind="test.once", target=cast.ottos_vm, project=cast.ottos, user=cast.outsider),
    }


SEES = {
    "owner": {"acme"},
    "operator": {"acme"},
    "viewer": {"acme"},
    "outsider": {"ottos"},
    "staff_here": {"acme"},
    "staff_there": {"ottos"},
    "staff_everywhere": {"acme", "ottos"},
    "superuser": {"acme", "ottos"},
}


@pytest.mark.parametrize("part", SEES)
def test_everybody_sees_their_own_only(cast, operations, part):
    api = cast.api(getattr(cast, part))
    listed = {each["id"] for each in api.get("/api/v1/operations").json()["results"]}
    assert listed == {str(operations[name].pk) for name in SEES[part]}
    for name, operation in operations.items():
        answer = api.get(f"/api/v1/operations/{operation.pk}")
        assert answer.status_code == (200 if name in SEES[part] else 404)
        if answer.status_code == 404:
            assert operation.target_label not in answer.content.decode()


def test_strangers_are_asked_who_they_are(cast, operations):
    assert cast.api().get("/api/v1/operations").status_code == 401


def test_an_unknown_one_is_404(cast):
    assert cast.api(cast.owner).get(f"/api/v1/operations/{uuid.uuid4()}").status_code == 404


def test_it_says_what_of_what_by_whom_and_how_it_ended(cast, operations):
    wrong = problem(status_code=409, code="wrong", title="Wrong", detail="It went wrong.")
    operation_end(operation=operation_claim(worker="w"), problem=wrong)
    body = cast.api(cast.viewer).get(f"/api/v1/operations/{operations['acme'].pk}").json()
    assert body["kind"] == "test.do"
    assert body["target"] == {"type": "vm", "id": str(cast.acme_vm.pk), "name": "acme-web"}
    assert body["requested_by"] == {"id": str(cast.owner.pk), "name": "Olivia Owner"}
    assert body["state"] == "failed"
    assert body["error"]["detail"] == "It went wrong."
    assert body["finished_at"]
    assert {"address", "worker", "lease_until"}.isdisjoint(body)


def test_lists_are_narrowed(cast, operations):
    api = cast.api(cast.superuser)
    assert len(api.get("/api/v1/operations?kind=test.once").json()["results"]) == 1
    assert len(api.get(f"/api/v1/operations?target={cast.acme_vm.pk}").json()["results"]) == 1
    assert len(api.get("/api/v1/operations?state=running").json()["results"]) == 0
    assert api.get("/api/v1/operations?state=nonsense").status_code == 400


def test_nothing_can_be_written(cast, operations):
    api = cast.api(cast.superuser)
    address = f"/api/v1/operations/{operations['acme'].pk}"
    assert api.patch(address, {"state": "succeeded"}).status_code == 405
    assert api.delete(address).status_code == 405
    assert api.post("/api/v1/operations", {"kind": "vm.stop"}).status_code == 405


def test_a_list_costs_the_same_however_long_it_is(cast, kinds, django_assert_num_queries):
    from tests.factories import make_vm

    for number in range(10):
        vm = make_vm(cast.acme, cast.hypervisor_here, f"vm-{number}")
        operation_create(kind="test.do", target=vm, project=cast.acme, user=cast.owner)
    api = cast.api(cast.owner)
    api.get("/api/v1/operations")
    with django_assert_num_queries(2):  # the token with its user; the operations
        assert len(api.get("/api/v1/operations").json()["results"]) == 10
