"""Many ask at once for what a project's quota has not enough of: as much is promised as fits, and never more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.cast import Cast
from tests.together import at_once
from vms.models import Quota, Vm
from vms.quotas import usage_of

from .changing_host import ChangingHost
from .test_changing import ask, host, work

__all__ = ["host"]

pytestmark = pytest.mark.django_db(transaction=True)
GIB = 2**30
MACHINES, FITTING = 8, 3


@pytest.fixture
def machines(cast: Cast, host: ChangingHost) -> list[Vm]:
    """Machines of Acme's: each can be changed while the others are."""
    body = {"vcpus": 1, "memory_bytes": GIB // 4, "disks": [{"size_bytes": GIB}], "project": str(cast.acme.pk)}
    for number in range(MACHINES):
        answer = cast.api(cast.owner).post("/api/v1/vms", {**body, "name": f"vm-{number}"}, format="json")
        assert answer.status_code == 202, answer.content
        assert work().state == "succeeded"
    return list(Vm.objects.filter(project=cast.acme, is_made_by_eve=True).prefetch_related("disks"))


def answers_of(asking: list[Callable[[], Any]]) -> list[tuple[int, str]]:
    """The statuses, with the codes of errors, of requests that are begun together."""
    found: list[tuple[int, str]] = []

    def one(ask_it: Callable[[], Any]) -> None:
        answer = ask_it()
        found.append((answer.status_code, answer.json().get("code", "")))

    at_once(*(partial(one, each) for each in asking))
    return sorted(found)


EXPECTED = sorted([(202, "")] * FITTING + [(409, "quota_exceeded")] * (MACHINES - FITTING))


def test_disks_that_are_added_and_grow(cast: Cast, machines: list[Vm]) -> None:
    limit = usage_of(cast.acme).disk_bytes + FITTING * GIB
    Quota.objects.create(project=cast.acme, disk_bytes=limit)
    adding = [partial(ask, cast, vm, "post", "disks", {"size_bytes": GIB}) for vm in machines[::2]]
    growing = [
        partial(ask, cast, vm, "patch", f"disks/{vm.disks.all()[0].pk}", {"size_bytes": 2 * GIB})
        for vm in machines[1::2]
    ]

    assert answers_of([*adding, *growing]) == EXPECTED
    assert usage_of(cast.acme).disk_bytes == limit


def test_snapshots(cast: Cast, machines: list[Vm]) -> None:
    Quota.objects.create(project=cast.acme, snapshots=FITTING)

    assert answers_of([partial(ask, cast, vm, "post", "snapshots", {"name": "before"}) for vm in machines]) == EXPECTED
    assert usage_of(cast.acme).snapshots == FITTING
