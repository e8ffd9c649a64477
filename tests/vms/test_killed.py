"""A worker that is killed at any border of making or deleting a VM: the next one finishes it, and nothing is there twice or left over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from hypervisors.client import AgentClient
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from tests.services.mortal import MortalRun
from vms.models import Disk, Vm, VmState

from .images.conftest import agent, ca, enrolled, hypervisor, work
from .mortal_worker import work_until

__all__ = ["agent", "ca", "enrolled", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
GIB = 2**30
MOST_BORDERS = 60


def until_it_lives(run: MortalRun, start: Any, *, is_undone: bool = False) -> Iterator[str]:
    """Has `start` make an operation, and kills its worker at the first border, the second, …; yields after each what it died at.

    Where it `is_undone` the operation fails at its end, and the borders are those of taking it back.
    """
    for border in range(MOST_BORDERS):
        start(border)
        was_killed, said = run(work_until, border, database(), Path(settings.CA_DIR), is_undone)
        yield said
        if not was_killed:
            return
    raise AssertionError("it has no end of borders")


def database() -> dict[str, str]:
    """How another process reaches the test's."""
    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {name: str(connection.settings_dict.get(name, "")) for name in names}


def finish(work: Any) -> None:
    """What the next worker does once the killed one's lease is over."""
    if Operation.objects.filter(state=OperationState.RUNNING).exists():
        Operation.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
        assert work().state == OperationState.SUCCEEDED


def on_host(agent: RealAgent) -> tuple[set[str], int]:
    """The domains of Eve's, and how many disks and seeds there are."""
    with AgentClient(agent.hypervisor) as client:
        domains = {str(domain.uuid) for domain in client.domains() if domain.is_made_by_eve}
        return domains, len(client.volumes("default"))


def test_making(cast: Cast, agent: RealAgent, work: Any, mortal_run: MortalRun):
    def ask(border: int) -> None:
        body = {"name": f"vm-{border}", "vcpus": 1, "memory_bytes": GIB // 4, "disks": [{"size_bytes": GIB}]}
        answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
        assert answer.status_code == 202, answer.content

    borders = []
    for border in until_it_lives(mortal_run, ask):
        borders.append(border)
        finish(work)
        assert Vm.objects.get(is_made_by_eve=True, name=f"vm-{len(borders) - 1}").state == VmState.RUNNING
        domains, disks = on_host(agent)
        assert (len(domains), disks) == (len(borders), len(borders)), border
    assert Disk.objects.count() == len(borders)
    assert len(borders) > 10, borders


def test_deleting(cast: Cast, agent: RealAgent, work: Any, mortal_run: MortalRun):
    def ask(border: int) -> None:
        body = {"name": f"vm-{border}", "vcpus": 1, "memory_bytes": GIB // 4, "disks": [{"size_bytes": GIB}]}
        vm_id = cast.api(cast.owner).post("/api/v1/vms", body, format="json").json()["id"]
        assert work().state == OperationState.SUCCEEDED
        assert cast.api(cast.owner).delete(f"/api/v1/vms/{vm_id}").status_code == 202

    borders = []
    for border in until_it_lives(mortal_run, ask):
        borders.append(border)
        finish(work)
        assert not Vm.objects.filter(is_made_by_eve=True).exists()
        assert not Disk.objects.exists()
        assert on_host(agent) == (set(), 0), border
    assert len(borders) > 4, borders
