"""Samples one host for as long as it is watched."""

from __future__ import annotations

import asyncio
import contextlib
import time

import structlog
from django.db import Error as DatabaseFault
from django.utils import timezone
from eve_agent.wire.stats import Stats

from common.errors import EveError
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.errors import NotTrusted
from hypervisors.leases import Assignment
from hypervisors.models import Hypervisor
from hypervisors.signals import host_sampled
from hypervisors.workers import Workers

from .recorder import STEP_SECONDS, Block, Recorder
from .store import block_store

log = structlog.get_logger(__name__)

ASK_SECONDS = 5.0
"""What an agent may take to answer: it holds up the counting of others for so long at most."""
PAUSE_SECONDS = 60.0
"""A host that did not answer, or is too old to count, is asked again after that."""


async def sample_forever(host: Assignment, workers: Workers) -> None:
    """Until cancelled. What goes wrong leaves a gap in the graphs and a warning at its begin, and nothing else."""
    recorder = Recorder(host.hypervisor_id)
    is_failing = False
    try:
        while True:
            await asyncio.sleep(STEP_SECONDS - (time.time() - _offset(host)) % STEP_SECONDS)
            try:
                stats = await workers.sample_host(_ask, host)
                ended = recorder.record(stats, now=timezone.now())
                await workers.sample_host(_announce, host, recorder.minute)
                if ended is not None:
                    await workers.write(block_store, hypervisor_id=host.hypervisor_id, block=ended)
                is_failing = False
            except (EveError, DatabaseFault) as error:
                tell = log.info if is_failing else log.warning
                tell("not_sampled", hypervisor=host.name, why=str(error))
                is_failing = True
                await asyncio.sleep(PAUSE_SECONDS)
            except Exception:  # whatever a host answers, the counting goes on
                log.exception("sampling_failed", hypervisor=host.name)
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        block = recorder.end()
        if block is not None:
            with contextlib.suppress(Exception):  # the watcher ends, or the database is away
                await asyncio.shield(workers.write(block_store, hypervisor_id=host.hypervisor_id, block=block))


def _announce(host: Assignment, minute: Block | None) -> None:
    """Open graphs show a sample at once, long before its minute is a row."""
    host_sampled.send_robust(sender=Recorder, hypervisor_id=host.hypervisor_id, block=minute)


def _ask(host: Assignment) -> Stats:
    hypervisor = Hypervisor.objects.filter(pk=host.hypervisor_id, enrolled_at=host.enrolled_at).first()
    if hypervisor is None:
        raise NotTrusted(_("%(name)s is no hypervisor of Eve's any more.") % {"name": host.name})
    with AgentClient(hypervisor, seconds=ASK_SECONDS) as agent:
        return agent.stats()


def _offset(host: Assignment) -> float:
    """So that hosts are asked one after the other, and each always at the same second."""
    return host.hypervisor_id.int % (STEP_SECONDS * 100) / 100
