"""Writes what was sampled: a row a host and minute for a day, a row a host and quarter of an hour for 30 days."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict

from django.utils import timezone

from common.sweeping import rows_sweep
from hypervisors.models import Hypervisor, MetricBlock

from .blocks import Sample, mean, pack, unpack
from .recorder import SAMPLES, Block

FINE_KEPT = dt.timedelta(hours=24)
COARSE_KEPT = dt.timedelta(days=30)
COARSE = dt.timedelta(minutes=15)


def block_store(*, hypervisor_id: uuid.UUID, block: Block) -> None:
    """Writes a minute; with the first of a quarter of an hour, the quarter before too, and sweeps what is too old.

    A minute that is there already stays as it is. Of a host that is gone nothing is written.
    """
    if not Hypervisor.objects.filter(pk=hypervisor_id).exists():
        return
    quarter = _quarter(block.began_at)
    is_first = not MetricBlock.objects.filter(
        hypervisor_id=hypervisor_id, is_coarse=False, began_at__gte=quarter
    ).exists()
    _insert(hypervisor_id, block, is_coarse=False)
    if is_first:
        _roll_up(hypervisor_id, before=quarter)
        metrics_sweep()


def metrics_sweep() -> None:
    """Deletes some of what is too old, whatever became of its host."""
    now = timezone.now()
    for is_coarse, kept in ((False, FINE_KEPT), (True, COARSE_KEPT)):
        rows_sweep(MetricBlock.objects.filter(is_coarse=is_coarse, began_at__lt=now - kept).order_by("pk"))


def _roll_up(hypervisor_id: uuid.UUID, *, before: dt.datetime) -> None:
    """The last quarter of an hour before that which has minutes: the one before a gap, where there is one."""
    minutes = MetricBlock.objects.filter(hypervisor_id=hypervisor_id, is_coarse=False, began_at__lt=before)
    last = minutes.order_by("-began_at").values_list("began_at", flat=True).first()
    if last is None:
        return
    began_at = _quarter(last)
    collected: dict[uuid.UUID, list[Sample]] = defaultdict(list)
    for payload in minutes.filter(began_at__gte=began_at).values_list("payload", flat=True):
        for key, samples in unpack(payload, SAMPLES):
            collected[key] += samples
    series = {key: [mean(samples)] for key, samples in collected.items()}
    _insert(hypervisor_id, Block(began_at, series), is_coarse=True)


def _insert(hypervisor_id: uuid.UUID, block: Block, *, is_coarse: bool) -> None:
    row = MetricBlock(
        hypervisor_id=hypervisor_id, is_coarse=is_coarse, began_at=block.began_at, payload=pack(block.series)
    )
    MetricBlock.objects.bulk_create([row], ignore_conflicts=True)


def _quarter(moment: dt.datetime) -> dt.datetime:
    return moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
