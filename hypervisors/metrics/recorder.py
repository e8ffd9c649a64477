"""From the counters of a host to a block a minute. Knows no database and no network."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from dataclasses import dataclass

from eve_agent.wire.stats import DomainStats, HostStats, Stats

from .blocks import FIELDS, UNKNOWN, Sample

STEP_SECONDS = 10
BLOCK_SECONDS = 60
SAMPLES = BLOCK_SECONDS // STEP_SECONDS
MOST_SERIES = 2048
"""Of one host: one that claims more machines is not heard beyond that."""
LONGEST_GAP_SECONDS = 60.0
"""Counters further apart make no rate: it would hide what was between."""
_NANO = 1e9


@dataclass(frozen=True, slots=True)
class Block:
    """A minute of a host: the host's own series is under its id in Eve, a machine's under its UUID."""

    began_at: dt.datetime
    series: dict[uuid.UUID, list[Sample]]


class Recorder:
    """Of one host, between two connections to it."""

    def __init__(self, hypervisor_id: uuid.UUID) -> None:
        self._id = hypervisor_id
        self._before: Stats | None = None
        self._counters: dict[uuid.UUID, _Counters] = {}
        self._block: Block | None = None

    def record(self, stats: Stats, *, now: dt.datetime) -> Block | None:
        """Takes a sample in. Returns the minute that it ended, if it did.

        Args:
            now: by Eve's clock, where the sample belongs; the host's own clock only says how far apart two samples are.
        """
        ended = self._turn(now)
        assert self._block is not None
        seconds = _seconds_between(self._before, stats)
        counters = {self._id: _of_host(stats.host)}
        for domain in stats.domains[:MOST_SERIES]:
            counters.setdefault(domain.uuid, _of_domain(domain))
        place = int((now - self._block.began_at).total_seconds()) // STEP_SECONDS
        for key, counted in counters.items():
            samples = self._block.series.get(key)
            if samples is None:
                samples = self._block.series[key] = [UNKNOWN] * SAMPLES
            samples[place] = _sample(self._counters.get(key), counted, seconds)
        self._before, self._counters = stats, counters
        return ended

    @property
    def minute(self) -> Block | None:
        """The minute that has not ended, as far as it is known."""
        return self._block

    def end(self) -> Block | None:
        """What there is of a minute that has not ended; nothing follows."""
        block, self._block = self._block, None
        return block

    def _turn(self, now: dt.datetime) -> Block | None:
        began_at = now.replace(second=0, microsecond=0)
        if self._block is not None and self._block.began_at == began_at:
            return None
        ended, self._block = self._block, Block(began_at, {})
        return ended


@dataclass(frozen=True, slots=True)
class _Counters:
    memory_bytes: float
    """Now; NaN where it is not known."""
    cumulative: tuple[float, float, float, float, float]
    """Seconds of processor, then bytes as in :data:`FIELDS`."""


def _of_host(host: HostStats) -> _Counters:
    return _Counters(
        memory_bytes=max(0, host.memory_bytes - host.memory_free_bytes),
        cumulative=(
            host.cpu_busy_nanoseconds / _NANO,
            host.disk_read_bytes,
            host.disk_write_bytes,
            host.network_received_bytes,
            host.network_sent_bytes,
        ),
    )


def _of_domain(domain: DomainStats) -> _Counters:
    return _Counters(
        memory_bytes=domain.memory_used_bytes if domain.memory_used_bytes > 0 else math.nan,
        cumulative=(
            domain.cpu_nanoseconds / _NANO,
            sum(disk.read_bytes for disk in domain.disks),
            sum(disk.write_bytes for disk in domain.disks),
            sum(nic.received_bytes for nic in domain.nics),
            sum(nic.sent_bytes for nic in domain.nics),
        ),
    )


def _seconds_between(before: Stats | None, now: Stats) -> float:
    seconds = (now.time - before.time).total_seconds() if before else 0.0
    return seconds if 0 < seconds <= LONGEST_GAP_SECONDS else 0.0


def _sample(before: _Counters | None, now: _Counters, seconds: float) -> Sample:
    rates = [math.nan] * (len(FIELDS) - 1)
    if before is not None and seconds:
        pairs = zip(before.cumulative, now.cumulative, strict=True)
        rates = [(new - old) / seconds if new >= old else math.nan for old, new in pairs]  # less: it began anew
    return (rates[0], float(now.memory_bytes), *rates[1:])
