"""What Prometheus is told of virtual machines at ``/metrics``: a series a machine and figure, of so many machines at most."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Iterator

from django.conf import settings
from django.db import Error as DatabaseFault
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from hypervisors.metrics.blocks import FIELDS, Sample
from hypervisors.metrics.reading import metrics_now

from .models import Vm

_LABELS = ("vm", "name", "project", "hypervisor")
Row = tuple[uuid.UUID, uuid.UUID, str, str, str]


class VmsCollector(Collector):
    """The newest minute of each machine, the oldest :data:`settings.METRICS_VMS` of them; none of one that was not measured lately."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing in advance: registering asks no database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Three queries. While the database is away there is nothing to tell of machines, and the rest is told all the same."""
        try:
            rows, left_out = _told(settings.METRICS_VMS)
            samples = _samples(rows)
        except DatabaseFault:
            return
        for position, field in enumerate(FIELDS):
            family = GaugeMetricFamily(f"eve_vm_{field}", f"In its newest minute, on average: {field}.", labels=_LABELS)
            for pk, _host, *names in rows:
                value = samples[pk][position] if pk in samples else math.nan
                if not math.isnan(value):
                    family.add_metric([str(pk), *names], value)
            yield family
        yield GaugeMetricFamily("eve_vms_left_out", "Machines beyond EVE_METRICS_VMS.", value=left_out)


def _told(most: int) -> tuple[list[Row], int]:
    """Of whom something is told, and how many others there are. Those that are there stay, whatever comes after them."""
    columns = ("pk", "hypervisor_id", "name", "project__name", "hypervisor__name")
    rows = list(Vm.objects.order_by("created_at", "pk").values_list(*columns)[:most])
    return rows, max(0, Vm.objects.count() - most)


def _samples(rows: list[Row]) -> dict[uuid.UUID, Sample]:
    on: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for pk, host, *_names in rows:
        on[host].append(pk)
    return metrics_now(on)


REGISTRY.register(VmsCollector())
