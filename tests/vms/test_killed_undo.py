"""A worker that is killed at any border of taking something back: the next one goes on, and nothing of it is left, or all of it is there."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from tests.services.mortal import MortalRun
from vms.models import Disk, Quota, Vm

from .test_killed import MOST_BORDERS, agent, ca, enrolled, hypervisor, on_host, until_it_lives, work
from .test_killed_changes import CHANGES, GIB, Asking, differences

__all__ = ["agent", "ca", "enrolled", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


def take_over(work: Any) -> str:
    """What becomes of it once the killed worker's lease is over. Before its failure was written down, it is begun anew."""
    last = Operation.objects.order_by("-created_at")[0]
    if last.state == OperationState.RUNNING:
        Operation.objects.filter(pk=last.pk).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        last = work()
    return str(last.state)


def test_making(cast: Cast, agent: RealAgent, work: Any, mortal_run: MortalRun) -> None:
    Quota.objects.create(project=cast.acme, vms=2 * MOST_BORDERS)

    def ask(border: int) -> None:
        body = {"name": f"vm-{border}", "vcpus": 1, "memory_bytes": GIB // 4, "disks": [{"size_bytes": GIB}]}
        answer = cast.api(cast.owner).post("/api/v1/vms", {**body, "project": str(cast.acme.pk)}, format="json")
        assert answer.status_code == 202, answer.content

    borders, whole = [], 0
    for border in until_it_lives(mortal_run, ask, is_undone=True):
        borders.append(border)
        state = take_over(work)
        whole += state == OperationState.SUCCEEDED
        assert state == OperationState.FAILED or border == "killed at before the undo is written", border
        assert Vm.objects.filter(is_made_by_eve=True).count() == whole
        assert Disk.objects.count() == whole
        domains, volumes = on_host(agent)
        assert (len(domains), volumes) == (whole, whole), border
    assert len(borders) > 4, borders


@pytest.mark.parametrize("change", ["disk-add", "resize", "settings", "snapshot"])
def test_a_change(cast: Cast, agent: RealAgent, work: Any, mortal_run: MortalRun, change: str) -> None:
    asking = Asking(cast, work, "")
    Quota.objects.create(project=cast.acme, vms=2 * MOST_BORDERS, vcpus=4 * MOST_BORDERS)

    def start(border: int) -> None:
        asking.make(border)
        asking.ask(border, *CHANGES[change][0])

    borders = []
    for border in until_it_lives(mortal_run, start, is_undone=True):
        borders.append(border)
        state = take_over(work)
        assert state == OperationState.FAILED or border == "killed at before the undo is written", border
        assert asking.vm is not None
        assert differences(agent, asking.vm) == [], border
    assert len(borders) > 3, borders
