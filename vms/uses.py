"""How busy running machines are, as lists show it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from hypervisors.metrics.blocks import FIELDS, Sample
from hypervisors.metrics.reading import metrics_now, metrics_recent

from .models import Vm, VmState

_CORES, _MEMORY = FIELDS.index("cpu_cores"), FIELDS.index("memory_bytes")


@dataclass(frozen=True, slots=True)
class Use:
    """What a running VM used in the last minute that is known."""

    cpu_percent: int
    """Of its vCPUs."""
    memory_bytes: int | None
    """None where its guest does not tell."""


def uses_of(vms: Sequence[Vm]) -> dict[UUID, Use]:
    """What those of them that run used in the last minute. One query, none where none runs."""
    running = _by_host(vm for vm in vms if vm.state == VmState.RUNNING)
    if not running:
        return {}
    samples = metrics_now(running)
    return {vm.pk: use for vm in vms if vm.pk in samples and (use := _use_of(vm, samples[vm.pk]))}


def recent_uses(vms: Iterable[Vm]) -> dict[UUID, list[float | None]]:
    """The last hour of each, oldest minute first: the share of its vCPUs, 0 to 1; None where nothing was measured. Two queries."""
    rows = {vm.pk: vm for vm in vms}
    recent = metrics_recent(_by_host(rows.values()))
    shares = {key: [_share(vm, sample) for sample in recent[key]] for key, vm in rows.items()}
    return {key: [None if each is None else round(each, 3) for each in minutes] for key, minutes in shares.items()}


def _use_of(vm: Vm, sample: Sample) -> Use | None:
    share, memory = _share(vm, sample), sample[_MEMORY]
    return None if share is None else Use(round(100 * share), None if math.isnan(memory) else round(memory))


def _share(vm: Vm, sample: Sample) -> float | None:
    """Of its vCPUs, 0 to 1; None where that is not known."""
    cores = sample[_CORES]
    return None if math.isnan(cores) else min(1.0, max(0.0, cores / max(1, vm.vcpus)))


def _by_host(vms: Iterable[Vm]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for vm in vms:
        found[vm.hypervisor_id].append(vm.pk)
    return found
