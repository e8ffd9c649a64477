"""A large installation in the database, made row by row in bulk: hosts, VMs as hosts report them, operations."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from dataclasses import dataclass

from django.db import connection
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.domain import Disk, Domain, DomainState, Graphics, GraphicsKind, Nic
from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool
from eve_agent.wire.version import CONTRACT_VERSION

from accounts.models import Membership, Project, Role, User
from hypervisors.inventory import facts_as_plain
from hypervisors.models import Hypervisor, HypervisorState, Site
from operations.models import Operation, OperationState
from vms.models import Vm, VmState

GIB = 2**30
CHUNK = 1000
STATES = (*[VmState.RUNNING] * 16, VmState.OFF, VmState.OFF, VmState.CRASHED, VmState.UNKNOWN)
"""What each twentieth VM is."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who looks at it."""

    customer: User
    """Operator of all projects."""
    staff: User
    """Superuser."""
    project: Project
    hypervisor: Hypervisor


def fleet_make(*, hosts: int, vms_each: int, projects: int) -> Fleet:
    """Makes one: two sites, every twentieth VM in trouble, every tenth with an operation of this hour."""
    customer = User.objects.create(email="customer@eve.local", name="Customer")
    staff = User.objects.create(email="staff@eve.local", name="Staff", is_staff=True, is_superuser=True)
    sites = [Site.objects.create(name=name) for name in ("east", "west")]
    owned = [Project.objects.create(name=f"Project {number:02}") for number in range(projects)]
    Membership.objects.bulk_create(Membership(user=customer, project=each, role=Role.OPERATOR) for each in owned)
    rows = Hypervisor.objects.bulk_create(
        Hypervisor(
            name=f"hv-{number:03}",
            site=sites[number % len(sites)],
            address=f"127.0.0.1:{number + 1}",
            state=HypervisorState.ONLINE,
            facts=facts_as_plain(_host_facts(f"hv-{number:03}")),
            contract_version=CONTRACT_VERSION,
            last_seen_at=timezone.now(),
            certificate_fingerprint=uuid.uuid4().hex * 2,
        )
        for number in range(hosts)
    )
    now, turn, states = timezone.now(), itertools.cycle(owned), itertools.cycle(STATES)
    vms = [
        _vm(f"{host.name}-vm-{number:03}", next(turn), host, next(states), now)
        for host in rows
        for number in range(vms_each)
    ]
    Vm.objects.bulk_create(vms, batch_size=CHUNK)
    Operation.objects.bulk_create((_operation(vm, customer) for vm in vms[::10]), batch_size=CHUNK)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")  # as autovacuum does within a minute, which would be amid the first lists
    return Fleet(customer=customer, staff=staff, project=owned[0], hypervisor=rows[0])


def _host_facts(name: str) -> HostFacts:
    return HostFacts(
        host_name=name,
        agent_version="1",
        contract_version=CONTRACT_VERSION,
        libvirt_version="9.0.0",
        hypervisor_version="7.2.0",
        cpu=Cpu(
            architecture="x86_64", model="x", sockets=2, cores_per_socket=64, threads_per_core=2, threads_total=256
        ),
        memory_bytes=512 * GIB,
        memory_free_bytes=256 * GIB,
        time=timezone.now(),
        networks=(HostNetwork(name="default", is_active=True, bridge="virbr0"),),
        pools=(
            HostPool(name="default", kind="dir", is_active=True, capacity_bytes=4096 * GIB, available_bytes=1024 * GIB),
        ),
    )


def _vm(name: str, project: Project, host: Hypervisor, state: VmState, now: dt.datetime) -> Vm:
    vm_id = uuid.uuid4()
    domain = Domain(
        uuid=vm_id,
        name=name,
        state=DomainState.RUNNING,
        reason="booted",
        vcpus=2,
        memory_bytes=2 * GIB,
        disks=(Disk(target="vda", bus="virtio", format="qcow2", capacity_bytes=20 * GIB),),
        nics=(Nic(mac="52:54:00:00:00:01", kind="network", source="default", model="virtio"),),
        graphics=(Graphics(kind=GraphicsKind.VNC, index=0),),
    )
    return Vm(
        pk=vm_id,
        name=name,
        project=project,
        hypervisor=host,
        vcpus=2,
        memory_bytes=2 * GIB,
        seen_vcpus=2,
        seen_memory_bytes=2 * GIB,
        state=state,
        state_since=now - dt.timedelta(seconds=vm_id.int % 86_400),
        facts=codec.to_plain(domain),
        last_seen_at=now,
    )


def _operation(vm: Vm, user: User) -> Operation:
    return Operation(
        kind="vm.start",
        target_type="vm",
        target_id=vm.pk,
        target_label=vm.name,
        project=vm.project,
        requested_by=user,
        state=OperationState.SUCCEEDED,
        finished_at=timezone.now(),
    )
