"""A worker that is killed at any border of a change: the next one finishes it, and Eve and the host agree about all of the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hypervisors.client import AgentClient
from operations.models import OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.models import Disk, Vm

from .test_changing import ask
from .test_killed import agent, ca, enrolled, finish, hypervisor, until_it_lives, work

__all__ = ["agent", "ca", "enrolled", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
GIB = 2**30
PREPARED: list[tuple[str, str, Any]] = [
    ("post", "disks", {"size_bytes": GIB}),
    ("post", "nics", {"network": "default"}),
]
KEPT = ("delete", "disks/{second}?keep=true", None)
SNAPSHOT = ("post", "snapshots", {"name": "before"})
CHANGES: dict[str, list[tuple[str, str, Any]]] = {
    # what is asked for before, and last what the worker is killed at
    "settings": [("patch", "", {"name": "other-{number}", "autostart": True})],
    "boot": [("put", "boot", {"devices": ["{second}", "cdrom"]})],
    "resize": [("put", "resources", {"vcpus": 2, "memory_bytes": GIB // 2})],
    "disk-add": [("post", "disks", {"size_bytes": GIB})],
    "disk-grow": [("patch", "disks/{second}", {"size_bytes": 2 * GIB})],
    "disk-remove": [("delete", "disks/{second}", None)],
    "disk-detach": [KEPT],
    "disk-attach": [KEPT, ("put", "disks/{kept}", None)],
    "disk-delete": [KEPT, ("delete", "/disks/{kept}", None)],
    "nic-add": [("post", "nics", {"network": "default"})],
    "nic-remove": [("delete", "nics/{nic}", None)],
    "cd": [("put", "cd", {"image": None})],
    "snapshot": [SNAPSHOT],
    "snapshot-revert": [SNAPSHOT, ("post", "snapshots/{snapshot}/revert", None)],
    "snapshot-delete": [SNAPSHOT, ("delete", "snapshots/{snapshot}", None)],
}


@dataclass
class Asking:
    """Makes machines and asks for changes of them."""

    cast: Cast
    work: Callable[[], Any]
    vm: Vm | None = None

    def make(self, number: int) -> Vm:
        """A running machine with two disks and cards."""
        body = {
            "name": f"vm-{number}",
            "vcpus": 1,
            "memory_bytes": GIB // 4,
            "disks": [{"size_bytes": GIB}],
            "project": str(self.cast.acme.pk),
        }
        made = self.cast.api(self.cast.owner).post("/api/v1/vms", body, format="json")
        assert self.work().state == OperationState.SUCCEEDED
        self.vm = Vm.objects.get(pk=made.json()["id"])
        for change in PREPARED:
            self.ask(number, *change)
            assert self.work().state == OperationState.SUCCEEDED
        return self.vm

    def ask(self, number: int, method: str, path: str, body: Any) -> None:
        """Asks for one change, with the machine's own ids in path and body."""
        assert self.vm is not None
        ids = {
            "number": number,
            "second": (self.vm.disks.order_by("position").last() or Disk()).pk,
            "kept": (Disk.objects.filter(vm=None).order_by("kept_since").last() or Disk()).pk,
            "nic": self.vm.nics.values_list("mac", flat=True)[0],
            "snapshot": (self.vm.snapshots.first() or Disk()).pk,
        }
        if path.startswith("/"):
            send = getattr(self.cast.api(self.cast.operator), method)
            answer = send(f"/api/v1{path}".format(**ids))
        else:
            answer = ask(self.cast, self.vm, method, path.format(**ids), fill(body, ids))
        assert answer.status_code == 202, answer.content


def fill(value: Any, ids: dict[str, Any]) -> Any:
    """`value` with the ids in its texts."""
    if isinstance(value, dict):
        return {key: fill(each, ids) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, ids) for each in value]
    return value.format(**ids) if isinstance(value, str) else value


def differences(agent: RealAgent, vm: Vm) -> list[tuple[str, Any, Any]]:
    """In what Eve (first) and the host differ about the machine and the disks."""
    vm.refresh_from_db()
    with AgentClient(agent.hypervisor) as client:
        domain = client.domain(vm.pk)
        snapshots = client.snapshots(vm.pk)
        volumes = {volume.name: volume.capacity_bytes for volume in client.volumes("default")}
    then = domain.next_start or domain
    pairs = [
        ("title", vm.name, domain.title),
        ("autostart", vm.is_autostarted, domain.is_autostarted),
        ("size", (vm.vcpus, vm.memory_bytes), (then.vcpus, then.memory_bytes)),
        ("disks", set(vm.disks.values_list("pk", flat=True)), {disk.uuid for disk in domain.disks if disk.uuid}),
        ("nics", set(vm.nics.values_list("mac", flat=True)), {nic.mac for nic in domain.nics}),
        ("snapshots", set(vm.snapshots.values_list("pk", flat=True)), {each.uuid for each in snapshots}),
        ("volumes", {f"{disk.pk}.qcow2": disk.size_bytes for disk in Disk.objects.all()}, volumes),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change(cast: Cast, agent: RealAgent, work: Any, change: str) -> None:
    asking = Asking(cast, work)
    *before, last = CHANGES[change]

    def begin(border: int) -> None:
        asking.make(border)
        for each in before:
            asking.ask(border, *each)
            assert work().state == OperationState.SUCCEEDED
        asking.ask(border, *last)

    borders = []
    for border in until_it_lives(begin):
        borders.append(border)
        finish(work)
        assert asking.vm is not None
        assert differences(agent, asking.vm) == [], border
    assert len(borders) > 3, borders
