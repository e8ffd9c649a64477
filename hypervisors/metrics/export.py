"""What Prometheus is told of hosts at ``/metrics``: a series a host and figure, read from the rows, so in any process."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

from django.db import Error as DatabaseFault
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from hypervisors.models import MetricBlock

from .blocks import FIELDS, find
from .recorder import SAMPLES

FRESH = dt.timedelta(minutes=3)


class HostsCollector(Collector):
    """The newest figures of each host; none of a host that was not heard for :data:`FRESH`."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing in advance: registering asks no database."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One query. While the database is away there is nothing to tell of hosts, and the rest is told all the same."""
        families = [
            GaugeMetricFamily(
                f"eve_hypervisor_{name}", f"Of the host itself, as last sampled: {name}.", labels=["hypervisor"]
            )
            for name in FIELDS
        ]
        rows = MetricBlock.objects.filter(is_coarse=False, began_at__gte=timezone.now() - FRESH).order_by("began_at")
        newest = {}
        try:
            found = list(rows.values_list("hypervisor_id", "hypervisor__name", "payload"))
        except DatabaseFault:
            return
        for hypervisor_id, name, payload in found:
            for sample in find(payload, hypervisor_id, SAMPLES) or ():
                if not math.isnan(sample[0]):
                    newest[name] = sample
        for name, sample in newest.items():
            for family, value in zip(families, sample, strict=True):
                family.add_metric([name], value)
        yield from families


REGISTRY.register(HostsCollector())
