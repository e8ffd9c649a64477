"""A host in memory, as :class:`hypervisors.client.AgentClient` shows it: for faults that no real host makes on demand."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

from eve_agent.wire.domain import Disk, Domain, DomainState, Nic, StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.spec import DomainDelete, DomainSpec
from eve_agent.wire.storage import (
    Deleted,
    DiskSpec,
    DiskStatus,
    ImageState,
    ImageStatus,
    SeedSpec,
    SeedStatus,
)

from hypervisors.errors import AgentRefused
from hypervisors.inventory import facts_as_plain
from hypervisors.models import Hypervisor

GIB = 2**30


def host_facts(*, memory_bytes: int = 64 * GIB, space_bytes: int = 500 * GIB) -> HostFacts:
    """What a host tells that has a pool, a network and a bridge."""
    return HostFacts(
        host_name="hv",
        agent_version="1",
        contract_version=2,
        libvirt_version="9.0.0",
        hypervisor_version="7.2.0",
        cpu=Cpu(architecture="x86_64", model="x", sockets=1, cores_per_socket=4, threads_per_core=1, threads_total=4),
        memory_bytes=memory_bytes,
        memory_free_bytes=memory_bytes,
        time=dt.datetime.now(dt.UTC),
        bridges=("virbr0", "br-lan"),
        networks=(
            HostNetwork(name="default", is_active=True, bridge="virbr0"),
            HostNetwork(name="off", is_active=False),
        ),
        pools=(
            HostPool(
                name="default", kind="dir", is_active=True, capacity_bytes=space_bytes, available_bytes=space_bytes
            ),
            HostPool(name="asleep", kind="dir", is_active=False),
            HostPool(name="lvm", kind="logical", is_active=True, capacity_bytes=GIB, available_bytes=GIB),
        ),
    )


def equip(hypervisor: Hypervisor, **facts: Any) -> None:
    """Gives a row what a host with storage tells."""
    hypervisor.facts, hypervisor.contract_version = facts_as_plain(host_facts(**facts)), 2
    hypervisor.save()


class StubHost:
    """What is on the host, and what was asked of it. `before` is called with each request's name and may raise."""

    def __init__(self) -> None:
        self.domains: dict[UUID, Domain] = {}
        self.disks: dict[UUID, DiskSpec] = {}
        self.seeds: dict[UUID, SeedSpec] = {}
        self.images: dict[UUID, ImageStatus] = {}
        self.specs: dict[UUID, DomainSpec] = {}
        self.asked: list[str] = []
        self.before: Callable[[str], None] = lambda name: None

    def client(self, _hypervisor: Hypervisor) -> StubHost:
        """In place of AgentClient's constructor."""
        return self

    def __enter__(self) -> StubHost:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def is_empty(self) -> bool:
        """Whether nothing of any VM is left."""
        return not (self.domains or self.disks or self.seeds)

    def image(self, _pool: str, image_uuid: UUID) -> ImageStatus:
        self._ask("image")
        if image_uuid not in self.images:
            raise AgentRefused("There is no such image.", agent_code=ErrorCode.IMAGE_NOT_FOUND)
        return self.images[image_uuid]

    def job_cancel(self, operation_id: UUID) -> Job:
        self._ask("job_cancel")
        return Job(operation_id=operation_id, state=JobState.UNKNOWN)

    def has_image(self, image_uuid: UUID) -> None:
        """Puts a ready image there."""
        self.images[image_uuid] = ImageStatus(image_uuid=image_uuid, state=ImageState.READY, size_bytes=1)

    def disk_make(self, _pool: str, disk_uuid: UUID, wanted: DiskSpec) -> DiskStatus:
        self._ask("disk_make")
        self.disks[disk_uuid] = wanted
        return DiskStatus(disk_uuid=disk_uuid, size_bytes=wanted.size_bytes)

    def seed_make(self, _pool: str, vm_uuid: UUID, wanted: SeedSpec) -> SeedStatus:
        self._ask("seed_make")
        self.seeds[vm_uuid] = wanted
        return SeedStatus(vm_uuid=vm_uuid, size_bytes=1)

    def domain_define(self, wanted: DomainSpec) -> Domain:
        self._ask("domain_define")
        self.specs[wanted.uuid] = wanted
        return self.domains.setdefault(
            wanted.uuid,
            Domain(
                uuid=wanted.uuid,
                name=wanted.name,
                state=DomainState.OFF,
                vcpus=wanted.vcpus,
                memory_bytes=wanted.memory_bytes,
                disks=tuple(Disk(target="vda", uuid=disk.disk_uuid) for disk in wanted.disks),
                nics=tuple(Nic(nic.mac, nic.kind, nic.source, nic.model) for nic in wanted.nics),
                is_made_by_eve=True,
            ),
        )

    def change_state(self, domain_uuid: UUID, action: StateAction, operation_id: str = "") -> Domain:
        self._ask(f"change_state {action}")
        if domain_uuid not in self.domains:
            raise AgentRefused("Refused.", agent_code=ErrorCode.DOMAIN_NOT_FOUND)
        state = DomainState.OFF if action is StateAction.STOP else DomainState.RUNNING
        self.domains[domain_uuid] = dataclasses.replace(self.domains[domain_uuid], state=state)
        return self.domains[domain_uuid]

    def domain_delete(self, domain_uuid: UUID, wanted: DomainDelete) -> Deleted:
        self._ask("domain_delete")
        was_there = self.domains.pop(domain_uuid, None) is not None
        for disk in wanted.disks:
            self.disks.pop(disk.disk_uuid, None)
        self.seeds.pop(domain_uuid, None)
        return Deleted(was_there=was_there)

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        self.before(name)
