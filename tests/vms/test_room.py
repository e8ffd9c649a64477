"""What a host has is promised once: to new machines, to those that grow, and to those that go back to what they were."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from operations.models import Operation
from tests.cast import Cast
from tests.together import at_once
from vms import placement
from vms.errors import NoRoom
from vms.models import Snapshot, Vm
from vms.services import vm_resize

from .stub_host import GIB, equip
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]


def left(cast: Cast) -> float:
    cast.hypervisor_here.refresh_from_db()
    return placement.memory_left([cast.hypervisor_here])[cast.hypervisor_here.pk] / GIB


def test_a_machine_does_not_grow_beyond_what_its_host_has_left(cast: Cast, host: Any, vm: Vm) -> None:
    equip(cast.hypervisor_here, memory_bytes=8 * GIB)
    room = int(left(cast) * 1024)
    answer = ask(cast, vm, "put", "resources", {"vcpus": 2, "memory_bytes": 8 * GIB})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    assert answer.json()["detail"] == (
        f"Its host has {room} MiB of memory left, and this needs {6 * 1024} MiB more. Choose less, or ask the staff."
    )
    vm.refresh_from_db()
    assert vm.memory_bytes == 2 * GIB
    all_that_is_left = {"vcpus": 2, "memory_bytes": vm.memory_bytes + room * 2**20}
    assert ask(cast, vm, "put", "resources", all_that_is_left).status_code == 202
    assert 0 <= left(cast) < 1


def test_what_shrinks_or_has_fewer_processors_asks_for_nothing(cast: Cast, host: Any, vm: Vm) -> None:
    equip(cast.hypervisor_here, memory_bytes=2 * GIB)
    assert left(cast) < 0
    assert ask(cast, vm, "put", "resources", {"vcpus": 1, "memory_bytes": GIB}).status_code == 202


def snapshot_of(vm: Vm, memory_bytes: int) -> Snapshot:
    return Snapshot.objects.create(vm=vm, name="large", vcpus=2, memory_bytes=memory_bytes, state="ready")


def test_a_return_is_promised_what_the_machine_was(cast: Cast, host: Any, vm: Vm) -> None:
    snapshot = snapshot_of(vm, 6 * GIB)
    equip(cast.hypervisor_here, memory_bytes=6 * GIB)
    answer = ask(cast, vm, "post", f"snapshots/{snapshot.pk}/revert")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    equip(cast.hypervisor_here, memory_bytes=16 * GIB)
    before = left(cast)
    assert ask(cast, vm, "post", f"snapshots/{snapshot.pk}/revert").status_code == 202
    assert before - left(cast) == 4, "from the request on"


def test_a_return_that_fails_promises_nothing_any_more(cast: Cast, host: Any, vm: Vm) -> None:
    snapshot = snapshot_of(vm, 6 * GIB)
    before = left(cast)
    ask(cast, vm, "post", f"snapshots/{snapshot.pk}/revert")
    assert work().state == "failed", "the host does not have it"
    assert left(cast) == before
    vm.refresh_from_db()
    assert vm.memory_bytes == 2 * GIB


def test_nothing_is_made_with_more_processors_than_a_host_has(cast: Cast, host: Any) -> None:
    body = {"name": "many", "vcpus": 60, "memory_bytes": GIB, "disks": [{"size_bytes": GIB}]}
    answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    assert answer.json()["detail"] == (
        "No host there has 60 processors; the most is 4. Choose fewer vCPUs, or another site."
    )
    assert not Vm.objects.filter(name="many").exists()
    assert cast.api(cast.owner).post("/api/v1/vms", {**body, "vcpus": 4}, format="json").status_code == 202


def test_a_smaller_host_is_passed_over(cast: Cast, host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it has more memory left."""
    equip(cast.hypervisor_there, memory_bytes=256 * GIB)
    cast.hypervisor_there.facts["cpu"]["threads_total"] = 2
    cast.hypervisor_there.save()
    body = {"name": "three", "vcpus": 3, "memory_bytes": GIB, "disks": [{"size_bytes": GIB}]}
    assert cast.api(cast.owner).post("/api/v1/vms", body, format="json").status_code == 202
    assert Vm.objects.get(name="three").hypervisor == cast.hypervisor_here


@pytest.mark.django_db(transaction=True)
def test_of_many_that_grow_at_once_no_more_do_than_fit(cast: Cast, host: Any, vm: Vm) -> None:
    vms = [vm]
    for number in range(3):
        body = {"name": f"m{number}", "vcpus": 1, "memory_bytes": GIB, "disks": [{"size_bytes": GIB}]}
        cast.api(cast.owner).post("/api/v1/vms", {**body, "project": str(cast.acme.pk)}, format="json")
        work()
        vms.append(Vm.objects.get(name=f"m{number}"))
    Vm.objects.update(memory_bytes=GIB)
    equip(cast.hypervisor_here, memory_bytes=(1 + 5 + 2 * 2) * GIB)  # the cast's own machine is on it, too
    refused: list[NoRoom] = []

    def grow(each: Vm) -> None:
        try:
            vm_resize(vm=each, user=cast.owner, vcpus=1, memory_bytes=3 * GIB)
        except NoRoom as error:
            refused.append(error)

    at_once(*(partial(grow, each) for each in vms))
    assert Operation.objects.filter(kind="vm.resize").count() == 4 - len(refused) == 2
    assert left(cast) >= 0
