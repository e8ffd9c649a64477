"""What Eve and a host say about the same: where they differ, and all that there is."""

from __future__ import annotations

from typing import Any

from hypervisors.client import AgentClient
from operations.models import ACTIVE_STATES, Operation
from tests.hypervisors.real_agent import RealAgent
from vms.models import Disk, Image, ImageCopy, ImageState, Lifecycle, Nic, Seed, Snapshot, Vm, VmState

_ROWS = (Vm, Disk, Nic, Seed, Snapshot)
_RESTING = (ImageState.READY, ImageState.FAILED)


def differences(agent: RealAgent) -> list[tuple[str, Any, Any]]:
    """In what Eve (first) and the host differ about machines that Eve made, disks and images; none of them is half-way to something."""
    machines = Vm.objects.filter(is_made_by_eve=True)
    with AgentClient(agent.hypervisor) as client:
        domains = {domain.uuid for domain in client.domains() if domain.is_made_by_eve}
        found = _volumes(client)
        pairs = [pair for vm in machines if vm.pk in domains for pair in _of_machine(client, vm)]
    volumes = {key: size for key, size in found.items() if key[1].endswith(".qcow2")}
    disks = {(disk.pool, f"{disk.pk}.qcow2"): disk.size_bytes for disk in Disk.objects.all()}
    images = {(copy.pool, f"{copy.image_id}.img") for copy in ImageCopy.objects.filter(is_ready=True)}
    seeds = {(seed.pool, f"seed-{seed.vm_id}.iso") for seed in Seed.objects.all()}
    pairs += [
        ("machines", set(machines.values_list("pk", flat=True)), domains),
        ("volumes", disks, volumes),
        ("files", images | seeds, set(found) - set(volumes)),
        ("first boots", Seed.objects.exclude(user_data="").count(), 0),
        ("images on their way", Image.objects.exclude(state__in=_RESTING).count(), 0),
        ("operations on their way", Operation.objects.filter(state__in=ACTIVE_STATES).count(), 0),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _of_machine(client: AgentClient, vm: Vm) -> list[tuple[str, Any, Any]]:
    domain, snapshots = client.domain(vm.pk), client.snapshots(vm.pk)
    then = domain.next_start or domain
    uuids = {
        kind: {disk.uuid for disk in domain.disks if disk.device == kind and disk.uuid} for kind in ("disk", "cdrom")
    }
    return [
        ("lifecycle", vm.lifecycle, Lifecycle.KEPT),
        ("state", VmState(vm.state), VmState(domain.state)),
        ("title", vm.name, domain.title),
        ("autostart", vm.is_autostarted, domain.is_autostarted),
        ("size", (vm.vcpus, vm.memory_bytes), (then.vcpus, then.memory_bytes)),
        ("disks", set(vm.disks.values_list("pk", flat=True)), uuids["disk"]),
        ("disc", {vm.cd_image_id} - {None}, uuids["cdrom"]),
        ("nics", set(vm.nics.values_list("mac", flat=True)), {nic.mac for nic in domain.nics}),
        ("snapshots", set(vm.snapshots.values_list("pk", flat=True)), {each.uuid for each in snapshots}),
    ]


def _volumes(client: AgentClient) -> dict[tuple[str, str], int]:
    """How large what is in pools is, by pool and name."""
    return {
        (pool.name, volume.name): volume.capacity_bytes
        for pool in client.pools()
        for volume in client.volumes(pool.name)
    }


def all_there_is(agent: RealAgent) -> dict[str, Any]:
    """By their ids, in Eve and on the host. An image counts once, in however many pools it is; one that failed is but a word about why."""
    with AgentClient(agent.hypervisor) as client:
        domains = {domain.uuid for domain in client.domains()}
        volumes = {key for key in _volumes(client) if not key[1].endswith(".img")}
    rows = {model.__name__: set(model.objects.values_list("pk", flat=True)) for model in _ROWS}
    images = set(Image.objects.exclude(state=ImageState.FAILED).values_list("pk", flat=True))
    return {**rows, "images": images, "domains": domains, "volumes": volumes}
