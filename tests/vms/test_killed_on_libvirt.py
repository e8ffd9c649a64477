"""On real libvirt and QEMU: Eve is killed at each border of making a machine, and of taking it back; it ends whole or gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db.models import QuerySet
from eve_agent.driver.libvirt import LibvirtDriver
from pytest_django.live_server_helper import LiveServer

from hypervisors.models import Hypervisor
from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.worker import operation_run
from tests.cast import Cast
from tests.hypervisors.conftest import ca
from tests.hypervisors.real_agent import RealAgent
from tests.services.libvirt import LibvirtSandbox
from tests.services.mortal import MortalRun
from tests.services.root import as_root
from vms.models import Disk, Seed, Vm, VmState

from .agreement import differences
from .images.conftest import agent, hypervisor
from .images.test_coming import DATA, begin, send
from .test_killed import taken_over, until_it_lives
from .test_killed_undo import BEFORE

__all__ = ["agent", "ca", "hypervisor"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]
MIB = 2**20
STEPS = ("/disks/", "/seeds/", "/libvirt/domains/", "/state")
"""What a border's name has of each step that a machine's making takes on its host."""


@pytest.fixture
def enrolled(
    hypervisor: Hypervisor,
    live_server: LiveServer,
    tmp_path: Path,
    settings: LazySettings,
    libvirt_sandbox: LibvirtSandbox,
) -> Iterator[RealAgent]:
    """The agent of a host with real libvirt."""
    settings.AGENT_REQUEST_TIMEOUT_SECONDS = 60.0
    running = RealAgent(hypervisor, tmp_path / "agent")
    running.driver = LibvirtDriver(libvirt_sandbox.uri)  # type: ignore[assignment]
    running.folder.mkdir()
    running.enrol(live_server.url)
    running.start()
    yield running
    running.stop()
    libvirt_sandbox.remove_all()


def test_a_create_is_finished(
    cast: Cast, agent: RealAgent, libvirt_sandbox: LibvirtSandbox, mortal_run: MortalRun, settings: LazySettings
) -> None:
    borders = []
    image = image_make(cast)
    for border in until_it_lives(mortal_run, settings, lambda: ask(cast, image)):
        borders.append(border)
        assert taken_over().state == OperationState.SUCCEEDED, border
        assert differences(agent) == [], border
        vm = made().get()
        assert vm.state == VmState.RUNNING, border
        assert on_host(libvirt_sandbox) == wanted(image), border
        assert cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}").status_code == 202
        assert done().state == OperationState.SUCCEEDED, border
    assert on_host(libvirt_sandbox) == wanted(image)
    assert not [step for step in STEPS if not any(step in border for border in borders)], borders


def test_a_create_that_fails_is_taken_back(
    cast: Cast, agent: RealAgent, libvirt_sandbox: LibvirtSandbox, mortal_run: MortalRun, settings: LazySettings
) -> None:
    borders = []
    image = image_make(cast)
    for border in until_it_lives(mortal_run, settings, lambda: ask(cast, image), fails_at=""):
        borders.append(border)
        operation, is_made = taken_over(), border == BEFORE
        assert operation.state == (OperationState.SUCCEEDED if is_made else OperationState.FAILED), border
        assert differences(agent) == [], border
        assert on_host(libvirt_sandbox) == wanted(image), border
        assert made().filter(pk=operation.target_id).exists() == is_made, border
    assert len(borders) > 3, borders


def image_make(cast: Cast) -> str:
    """The id of an image that is in the pool."""
    path = begin(cast)
    assert send(cast, path, 0, len(DATA)).status_code == 200
    assert cast.api(cast.owner).post(path).status_code == 202
    assert done().state == OperationState.SUCCEEDED
    return path.split("/")[-2]


def ask(cast: Cast, image: str) -> None:
    """For a machine with a disk of the image, and a seed."""
    body = {
        "name": f"killed-{Operation.objects.count()}",
        "project": str(cast.acme.pk),
        "vcpus": 1,
        "memory_bytes": 64 * MIB,
        "image": image,
        "disks": [{"size_bytes": 16 * MIB}],
        "nics": [],
    }
    answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    assert answer.status_code == 202, answer.content


def done() -> Operation:
    """What waits, once it is done."""
    operation = operation_claim(worker="w")
    assert operation is not None
    operation_run(operation)
    operation.refresh_from_db()
    return operation


def made() -> QuerySet[Vm]:
    """The machines that Eve made."""
    return Vm.objects.filter(is_made_by_eve=True)


def on_host(sandbox: LibvirtSandbox) -> dict[str, Any]:
    """What libvirt and the pool's folder have, asked past Eve and the agent."""
    listed = subprocess.run(
        [*as_root(), "ls", "-A", str(sandbox.pool_folder)], check=True, capture_output=True, text=True
    )
    return {
        "machines": set(sandbox.virsh("list", "--all", "--uuid").split()),
        "running": set(sandbox.virsh("list", "--uuid").split()),
        "files": set(listed.stdout.split()),
    }


def wanted(image: str) -> dict[str, Any]:
    """The same, as Eve has it."""
    machines = {str(pk) for pk in made().values_list("pk", flat=True)}
    disks = {f"{pk}.qcow2" for pk in Disk.objects.values_list("pk", flat=True)}
    seeds = {f"seed-{pk}.iso" for pk in Seed.objects.values_list("vm_id", flat=True)}
    return {"machines": machines, "running": machines, "files": {f"{image}.img"} | disks | seeds}
