"""What graphs read. Callers have checked who asks."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from hypervisors.models import MetricBlock

from .blocks import FIELDS, UNKNOWN, Sample, find, mean, pick
from .recorder import SAMPLES, STEP_SECONDS

NEW: Final = dt.timedelta(minutes=3)
"""A minute that began longer ago says nothing of now: a row is written once its minute is over."""

MINUTES: Final = 60
"""So many make up :func:`metrics_recent`."""


@dataclass(frozen=True, slots=True)
class Range:
    """How far a graph looks back, and how far apart its points are."""

    length: dt.timedelta
    step_seconds: int
    is_coarse: bool


RANGES: Final[dict[str, Range]] = {
    "1h": Range(dt.timedelta(hours=1), STEP_SECONDS, is_coarse=False),
    "24h": Range(dt.timedelta(hours=24), 300, is_coarse=False),
    "30d": Range(dt.timedelta(days=30), 900, is_coarse=True),
}


@dataclass(frozen=True, slots=True)
class Graph:
    """Points at even distances, oldest first."""

    step_seconds: int
    times: list[int]
    """When each begins, in seconds since 1970."""
    columns: dict[str, list[float | None]]
    """For each of :data:`~.blocks.FIELDS` as many figures; None where nothing is known."""


def metrics_graph(*, hypervisor_id: uuid.UUID, key: uuid.UUID, range_name: str) -> Graph:
    """What is known of a machine on that host, or of the host itself where `key` is its own id. One query.

    Args:
        range_name: of :data:`RANGES`.
    """
    span = RANGES[range_name]
    until = int(timezone.now().timestamp()) // span.step_seconds * span.step_seconds
    since = until - int(span.length.total_seconds())
    samples = 1 if span.is_coarse else SAMPLES
    distance = span.step_seconds if span.is_coarse else STEP_SECONDS
    rows = MetricBlock.objects.filter(
        hypervisor_id=hypervisor_id,
        is_coarse=span.is_coarse,
        began_at__gte=dt.datetime.fromtimestamp(since, dt.UTC) - dt.timedelta(minutes=1),
    )
    points: dict[int, list[Sample]] = defaultdict(list)
    for began_at, payload in rows.order_by().values_list("began_at", "payload").iterator(chunk_size=100):
        for index, sample in enumerate(find(payload, key, samples) or ()):
            at = int(began_at.timestamp()) + index * distance
            points[at // span.step_seconds * span.step_seconds].append(sample)
    times = list(range(since, until, span.step_seconds))
    means = [mean(points[at]) if at in points else UNKNOWN for at in times]
    return Graph(step_seconds=span.step_seconds, times=times, columns=columns_of(means))


def metrics_now(keys: Mapping[uuid.UUID, Collection[uuid.UUID]]) -> dict[uuid.UUID, Sample]:
    """The mean of the newest minute of each of these machines, `keys` by the host on which they are. One query.

    What was not measured in the last :data:`NEW` is left out.
    """
    rows = MetricBlock.objects.filter(
        hypervisor_id__in=list(keys), is_coarse=False, began_at__gte=timezone.now() - NEW
    ).order_by("began_at")
    newest = dict(rows.values_list("hypervisor_id", "payload"))  # of each host the last one stays
    return {
        key: mean(samples) for host, payload in newest.items() for key, samples in pick(payload, keys[host], SAMPLES)
    }


def metrics_recent(keys: Mapping[uuid.UUID, Collection[uuid.UUID]]) -> dict[uuid.UUID, list[Sample]]:
    """The last hour of these machines, `keys` by the host on which they are: :data:`MINUTES` means, oldest first. One query.

    The minute that is not over is not among them; what was not measured is :data:`~.blocks.UNKNOWN`.
    """
    until = int(timezone.now().timestamp()) // 60 * 60
    since = dt.datetime.fromtimestamp(until - MINUTES * 60, dt.UTC)
    rows = MetricBlock.objects.filter(hypervisor_id__in=list(keys), is_coarse=False, began_at__gte=since).order_by()
    found = {key: [UNKNOWN] * MINUTES for machines in keys.values() for key in machines}
    for host, began_at, payload in rows.values_list("hypervisor_id", "began_at", "payload").iterator(chunk_size=100):
        minute = int((began_at - since).total_seconds()) // 60
        if minute < MINUTES:
            for key, samples in pick(payload, keys[host], SAMPLES):
                found[key][minute] = mean(samples)
    return found


def columns_of(samples: Sequence[Sample]) -> dict[str, list[float | None]]:
    """The samples column by column, as graphs show them."""
    return {name: [_shown(sample[index]) for sample in samples] for index, name in enumerate(FIELDS)}


def _shown(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
