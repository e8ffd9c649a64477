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
from tests.services.mortal import MortalRun
from vms.models import Disk, ImageCopy, Lifecycle, Quota, Seed, Vm, VmState

from .images.test_coming import DATA, begin, send
from .test_changing import ask
from .test_killed import MOST_BORDERS, agent, ca, enrolled, finish, hypervisor, until_it_lives, work

__all__ = ["agent", "ca", "enrolled", "hypervisor", "work"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]
GIB = 2**30
PREPARED: list[tuple[str, str, Any]] = [
    ("post", "disks", {"size_bytes": GIB}),
    ("post", "nics", {"network": "default"}),
]
KEPT = ("delete", "disks/{second}?keep=true", None)
STOP = ("patch", "state", {"action": "stop"})
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
    "clone": [STOP, ("post", "clone", {"name": "copy-{number}"})],
    "template": [STOP, ("post", "template", {"name": "image {number}"})],
    "rescue": [("put", "rescue", {"image": "{iso}"})],
    "rescue-end": [("put", "rescue", {"image": "{iso}"}), ("delete", "rescue", None)],
    "reinstall": [("post", "reinstall", {"image": "{iso}"})],
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
    iso: str
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
            "iso": self.iso,
            "second": (self.vm.disks.order_by("position").last() or Disk()).pk,
            "kept": (Disk.objects.filter(vm=None).order_by("kept_since").last() or Disk()).pk,
            "nic": self.vm.nics.values_list("mac", flat=True)[0],
            "snapshot": (self.vm.snapshots.first() or Disk()).pk,
        }
        if path.startswith("/"):
            send = getattr(self.cast.api(self.cast.operator), method)
            answer = send(f"/api/v1{path}".format(**ids))
        else:
            answer = ask(self.cast, self.vm, method, path.format(**ids), fill(body, ids), who="owner")
        assert answer.status_code == 202, answer.content


def iso_ready(cast: Cast, work: Callable[[], Any]) -> str:
    """The id of an ISO that the host has."""
    path = begin(cast, kind="iso", name="rescue")
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    assert work().state == OperationState.SUCCEEDED
    return path.split("/")[-2]


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
        domains = {each.uuid for each in client.domains() if each.is_made_by_eve}
        found = client.volumes("default")
    images = {volume.name for volume in found if volume.name.endswith((".img", ".part"))}
    volumes = {volume.name: volume.capacity_bytes for volume in found if volume.name.endswith(".qcow2")}
    then = domain.next_start or domain
    uuids = {
        kind: {disk.uuid for disk in domain.disks if disk.device == kind and disk.uuid} for kind in ("disk", "cdrom")
    }
    pairs = [
        ("lifecycle", vm.lifecycle, Lifecycle.KEPT),
        ("first boot", Seed.objects.exclude(user_data="").count(), 0),
        ("state", VmState(vm.state), VmState(domain.state)),
        ("machines", set(Vm.objects.filter(is_made_by_eve=True).values_list("pk", flat=True)), domains),
        ("images", {f"{copy.image_id}.img" for copy in ImageCopy.objects.filter(is_ready=True)}, images),
        ("title", vm.name, domain.title),
        ("autostart", vm.is_autostarted, domain.is_autostarted),
        ("size", (vm.vcpus, vm.memory_bytes), (then.vcpus, then.memory_bytes)),
        ("disks", set(vm.disks.values_list("pk", flat=True)), uuids["disk"]),
        ("disc", {vm.cd_image_id} - {None}, uuids["cdrom"]),
        ("nics", set(vm.nics.values_list("mac", flat=True)), {nic.mac for nic in domain.nics}),
        ("snapshots", set(vm.snapshots.values_list("pk", flat=True)), {each.uuid for each in snapshots}),
        ("volumes", {f"{disk.pk}.qcow2": disk.size_bytes for disk in Disk.objects.all()}, volumes),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change(cast: Cast, agent: RealAgent, work: Any, mortal_run: MortalRun, change: str) -> None:
    asking = Asking(cast, work, iso_ready(cast, work) if "{iso}" in str(CHANGES[change]) else "")
    *before, last = CHANGES[change]
    Quota.objects.create(project=cast.acme, vms=2 * MOST_BORDERS, vcpus=4 * MOST_BORDERS, images=MOST_BORDERS)

    def start(border: int) -> None:
        asking.make(border)
        for each in before:
            asking.ask(border, *each)
            assert work().state == OperationState.SUCCEEDED
        asking.ask(border, *last)

    borders = []
    for border in until_it_lives(mortal_run, start):
        borders.append(border)
        finish(work)
        assert asking.vm is not None
        assert differences(agent, asking.vm) == [], border
    assert len(borders) > 3, borders
