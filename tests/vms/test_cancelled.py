"""The making of a machine is cancelled at any border of its work: the machine is whole, or nothing is there that was not there before."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from hypervisors.client import AgentClient
from operations.models import ACTIVE_STATES, Operation, OperationState
from operations.services import operation_cancel
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.models import Disk, Nic, Seed, Vm, VmState
from vms.quotas import usage_of

from .images.conftest import agent, ca, enrolled, hypervisor, work
from .mortal_worker import instrument
from .test_changing import ask
from .test_copies import vm

__all__ = ["agent", "ca", "enrolled", "hypervisor", "vm", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
MIB, GIB = 2**20, 2**30
Make = Callable[[], Any]


@pytest.fixture(params=["new", "copy"])
def make(request: pytest.FixtureRequest, cast: Cast, vm: Vm) -> Make:
    """Asks for a machine from a cloud image, or for a copy of one."""
    image = str(vm.disks.get(position=0).image_id)
    body = {
        "name": "web-2",
        "vcpus": 1,
        "memory_bytes": 256 * MIB,
        "project": str(vm.project_id),
        "image": image,
        "disks": [{"size_bytes": GIB}, {"size_bytes": GIB}],
        "nics": [{"network": "default"}],
    }
    if request.param == "new":
        return lambda: cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    return lambda: ask(cast, vm, "post", "clone", {"name": "web-2", "start": True})


def all_there_is(agent: RealAgent, vm: Vm) -> dict[str, Any]:
    """In Eve and on the host."""
    with AgentClient(agent.hypervisor) as client:
        domains = {domain.uuid for domain in client.domains()}
        volumes = {volume.name for volume in client.volumes("default")}
    rows = {model.__name__: set(model.objects.values_list("pk", flat=True)) for model in (Vm, Disk, Nic, Seed)}
    return {**rows, "domains": domains, "volumes": volumes, "used": usage_of(vm.project)}


def test_making(cast: Cast, agent: RealAgent, vm: Vm, make: Make, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left, cancelled_at = 0, ""

    def border(name: str) -> None:
        nonlocal left, cancelled_at
        left -= 1
        if left == 0:
            cancelled_at = name
            operation_cancel(operation=Operation.objects.get(state__in=ACTIVE_STATES), user=cast.owner)

    instrument(border, monkeypatch.setattr)
    before, ends = all_there_is(agent, vm), {}
    for number in itertools.count(1):
        left, cancelled_at = number, ""
        answer = make()
        assert answer.status_code == 202, answer.content
        state = work().state
        if not cancelled_at:
            break
        ends[f"{number}: {cancelled_at}"] = state
        if state == OperationState.SUCCEEDED:
            made = Vm.objects.get(pk=answer.json()["id"])
            assert (made.state, made.disks.count(), made.nics.count()) == (VmState.RUNNING, 2, 1), cancelled_at
            assert made.pk in all_there_is(agent, vm)["domains"], cancelled_at
            assert ask(cast, made, "delete", "").status_code == 202
            assert work().state == OperationState.SUCCEEDED
        assert all_there_is(agent, vm) == before, cancelled_at
    *early, last = ends.values()
    assert len(early) > 10, ends
    assert set(early) <= {OperationState.CANCELLED, OperationState.SUCCEEDED}, ends
    assert (early[0], last) == (OperationState.CANCELLED, OperationState.SUCCEEDED), ends
