"""An image comes from one host of its site to another, between real agents, for the machine that needs it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from accounts.models import Membership, Role
from hypervisors.client import AgentClient
from hypervisors.models import Hypervisor, HypervisorState
from operations.models import Operation, OperationState
from operations.services import operation_cancel
from tests.cast import Cast
from tests.factories import make_hypervisor
from tests.hypervisors.real_agent import RealAgent
from tests.vms.mortal_worker import instrument
from tests.vms.stub_host import equip
from vms.models import Image, Vm, VmState

from .test_coming import DATA, MIB, SHA256, Work, begin, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def image(cast: Cast, agent: RealAgent, work: Work) -> Image:
    """Is on the only host that there is so far."""
    path = begin(cast, kind="cloud", sha256=SHA256)
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    assert work().state == OperationState.SUCCEEDED
    return Image.objects.get()


@pytest.fixture
def second(cast: Cast, image: Image, live_server: LiveServer, tmp_path: Path) -> Iterator[RealAgent]:
    """Another host of the site, with an agent of its own."""
    (tmp_path / "second").mkdir()
    running = RealAgent(make_hypervisor(cast.here, "second"), tmp_path / "second")
    running.enrol(live_server.url)
    running.start()
    equip(running.hypervisor)
    Hypervisor.objects.filter(pk=running.hypervisor.pk).update(state=HypervisorState.ONLINE)
    yield running
    running.stop()


def create(cast: Cast, image: Image, host: RealAgent) -> Any:
    """Somebody of the site's staff, who is in the project as well, asks for a machine there."""
    Membership.objects.create(project=cast.acme, user=cast.staff_here, role=Role.OPERATOR)
    body = {
        "name": "web",
        "vcpus": 1,
        "memory_bytes": 256 * MIB,
        "image": str(image.pk),
        "hypervisor": str(host.hypervisor.pk),
        "project": str(cast.acme.pk),
    }
    return cast.api(cast.staff_here).post("/api/v1/vms", body, format="json")


def names(host: RealAgent) -> set[str]:
    """What is in its pool."""
    with AgentClient(host.hypervisor) as client:
        return {volume.name for volume in client.volumes("default")}


def test_it_is_copied_to_where_the_machine_is(cast: Cast, image: Image, second: RealAgent, work: Work) -> None:
    answer = create(cast, image, second)
    assert answer.status_code == 202, answer.content
    operation = work()
    assert operation.state == OperationState.SUCCEEDED, operation.error
    vm = Vm.objects.get(pk=answer.json()["id"])
    assert (vm.hypervisor, vm.state) == (second.hypervisor, VmState.RUNNING)
    assert names(second) == {f"{image.pk}.img", f"{vm.disks.get().pk}.qcow2", f"seed-{vm.pk}.iso"}
    assert image.copies.filter(is_ready=True).count() == 2


def test_cancelled_on_its_way_nothing_of_it_stays(
    cast: Cast, image: Image, second: RealAgent, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def border(name: str) -> None:
        if name.startswith("after _send ('PUT'") and f"/images/{image.pk}/data" in name:
            operation_cancel(operation=Operation.objects.get(state=OperationState.RUNNING), user=cast.staff_here)

    instrument(border, monkeypatch.setattr)
    monkeypatch.setattr("operations.run.PROGRESS_EVERY_SECONDS", 0.0)
    assert create(cast, image, second).status_code == 202
    assert work().state == OperationState.CANCELLED
    assert names(second) == set()
    assert (image.copies.count(), Vm.objects.filter(is_made_by_eve=True).count()) == (1, 0)
