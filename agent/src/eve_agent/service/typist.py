"""Types texts at guests' keyboards: one at a time for each domain, key by key at a pace that firmware keeps up with."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass

import structlog

from eve_agent.driver.base import Driver
from eve_agent.errors import AgentError, TypingBusy
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.keyboard import Chord, chords
from eve_agent.wire.typing import TextToType, TypingState, TypingStatus

REMEMBER_SECONDS = 600.0
MAX_REMEMBERED = 1000
MAX_AT_ONCE = 32
"""On one host; each asks libvirt as often as it presses a key."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Run:
    """One text. What is left of it is held by its task alone, and gone with that."""

    typing_id: uuid.UUID
    total: int
    typed: int = 0
    state: TypingState = TypingState.RUNNING
    problem: Problem | None = None
    ended_at: float | None = None
    task: asyncio.Task[None] | None = None

    def status(self) -> TypingStatus:
        return TypingStatus(
            state=self.state, typing_id=self.typing_id, typed=self.typed, total=self.total, problem=self.problem
        )


class Typist:
    """All typing of one agent. Used on the event loop's thread."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._runs: dict[uuid.UUID, _Run] = {}
        """By domain: the one that runs, or ended last."""

    async def begin(self, domain_uuid: uuid.UUID, wanted: TextToType) -> TypingStatus:
        """Begins with the first key, so that a guest that takes none is known at once.

        Raises:
            TypingBusy: another text is being typed there, or too many on this host.
            AgentError: the driver's refusal.
        """
        known = self._runs.get(domain_uuid)
        if known is not None and known.typing_id == wanted.typing_id:
            return known.status()
        if known is not None and known.state is TypingState.RUNNING:
            raise TypingBusy("another text is being typed there; wait for its end, or cancel it")
        if sum(run.state is TypingState.RUNNING for run in self._runs.values()) >= MAX_AT_ONCE:
            raise TypingBusy("too many texts are being typed on this host just now; try again in a minute")
        self._forget()
        run = self._runs[domain_uuid] = _Run(wanted.typing_id, total=len(wanted.text))
        pressed = [chords(wanted.layout)[character] for character in wanted.text]
        period_seconds = 1 / wanted.keys_per_second
        try:
            await self._press(domain_uuid, pressed[0], period_seconds)
        except BaseException:
            del self._runs[domain_uuid]
            raise
        run.typed = 1
        run.task = asyncio.create_task(
            self._carry_out(domain_uuid, run, pressed[1:], period_seconds), name=f"typing {domain_uuid}"
        )
        return run.status()

    def status(self, domain_uuid: uuid.UUID) -> TypingStatus:
        """Of the text that is being typed, or was last."""
        run = self._runs.get(domain_uuid)
        return run.status() if run is not None else TypingStatus(state=TypingState.UNKNOWN)

    async def cancel(self, domain_uuid: uuid.UUID) -> TypingStatus:
        """Stops it, wherever it is."""
        run = self._runs.get(domain_uuid)
        if run is not None and run.task is not None:
            run.task.cancel()
            await asyncio.wait({run.task})
        return self.status(domain_uuid)

    async def close(self) -> None:
        """Stops all."""
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(
        self, domain_uuid: uuid.UUID, run: _Run, pressed: list[tuple[Chord, ...]], period_seconds: float
    ) -> None:
        try:
            for each in pressed:
                await self._press(domain_uuid, each, period_seconds)
                run.typed += 1
            run.state = TypingState.DONE
        except asyncio.CancelledError:
            run.state = TypingState.CANCELLED
        except AgentError as error:
            run.state, run.problem = TypingState.FAILED, error.as_problem()
        except Exception:
            log.exception("typing_failed", domain=str(domain_uuid))
            run.state = TypingState.FAILED
            run.problem = Problem(ErrorCode.INTERNAL, "the agent failed while it typed; its log says how")
        finally:
            run.ended_at, run.task = time.monotonic(), None
            log.info("typing_ended", domain=str(domain_uuid), state=run.state.value, typed=run.typed, total=run.total)

    async def _press(self, domain_uuid: uuid.UUID, pressed: tuple[Chord, ...], period_seconds: float) -> None:
        """Half the time down, half the time up: a guest that sees no pause takes two equal letters for one held key."""
        loop = asyncio.get_running_loop()
        for chord in pressed:
            until = loop.time() + period_seconds
            keys = tuple(key.linux for key in chord)
            await self._driver.press_keys(domain_uuid, keys, max(1, round(period_seconds * 500)))
            await asyncio.sleep(max(period_seconds / 2, until - loop.time()))

    def _forget(self) -> None:
        """Drops what ended long ago, and the oldest of too many."""
        ended = sorted((run.ended_at, key) for key, run in self._runs.items() if run.ended_at is not None)
        surplus = len(self._runs) - MAX_REMEMBERED
        for number, (ended_at, key) in enumerate(ended):
            if number < surplus or time.monotonic() - ended_at > REMEMBER_SECONDS:
                del self._runs[key]
