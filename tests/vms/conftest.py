"""Fixtures of the tests of virtual machines."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from eve_agent.wire.domain import Disk, Domain, DomainState, Graphics, GraphicsKind, Nic

from vms.handlers import power
from vms.models import Vm

GIB = 1024**3


def make_domain(name: str = "web", **fields: Any) -> Domain:
    """A running domain as an agent would describe it."""
    defaults: dict[str, Any] = {
        "uuid": uuid.uuid4(),
        "name": name,
        "state": DomainState.RUNNING,
        "reason": "booted",
        "vcpus": 2,
        "memory_bytes": 2 * GIB,
        "disks": (
            Disk(target="vda", bus="virtio", format="qcow2", source="/pool/secret-path.qcow2", capacity_bytes=20 * GIB),
        ),
        "nics": (Nic(mac="52:54:00:00:00:01", kind="network", source="default", model="virtio"),),
        "graphics": (Graphics(kind=GraphicsKind.VNC, index=0),),
    }
    return Domain(**{**defaults, **fields})


def domain_of_vm(vm: Vm, **fields: Any) -> Domain:
    """What `vm`'s host would report of it, as it was agreed."""
    agreed = {"uuid": vm.pk, "name": vm.name, "vcpus": vm.vcpus, "memory_bytes": vm.memory_bytes}
    return make_domain(**{**agreed, **fields})


class StubAgent:
    """Stands for :class:`hypervisors.client.AgentClient`: answers what the test puts into `answer`, or raises it."""

    answer: Any = None
    asked: list[tuple[Any, ...]] = []

    def __init__(self, hypervisor: Any) -> None:
        self.hypervisor = hypervisor

    def __enter__(self) -> StubAgent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def change_state(self, domain_uuid: Any, action: Any, operation_id: str = "") -> Any:
        return self._answer("change_state", self.hypervisor.name, domain_uuid, action, operation_id)

    def screenshot(self, domain_uuid: Any) -> Any:
        return self._answer("screenshot", self.hypervisor.name, domain_uuid)

    def _answer(self, *asked: Any) -> Any:
        type(self).asked.append(asked)
        answer = type(self).answer
        if callable(answer):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> type[StubAgent]:
    """What power actions and screenshots talk to."""
    stub = type("Stub", (StubAgent,), {"answer": None, "asked": []})
    monkeypatch.setattr(power, "AgentClient", stub)
    monkeypatch.setattr("vms.screens.AgentClient", stub)
    return stub
