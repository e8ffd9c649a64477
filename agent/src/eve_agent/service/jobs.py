"""What takes longer than a request: run beside the server, reported, cancelled, and remembered for an hour."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Awaitable, Callable

import structlog

from eve_agent.errors import AgentError
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.jobs import Job, JobState

REMEMBER_SECONDS = 3600.0
MAX_REMEMBERED = 1000

log = structlog.get_logger(__name__)


class JobCancelled(Exception):
    """Somebody asked the job to end."""


class JobRun:
    """A job from inside: what it reports and asks. Its methods may be called from any thread."""

    def __init__(self, operation_id: uuid.UUID) -> None:
        self.operation_id = operation_id
        self.sha256 = ""
        self._phase = ""
        self._done_bytes = 0
        self._total_bytes = 0
        self._percent = 0
        self._cancelled = threading.Event()
        self.problem: Problem | None = None
        self.state = JobState.RUNNING
        self.ended_at: float | None = None

    def begin(self, phase: str, total_bytes: int = 0) -> None:
        """A phase begins. Raises JobCancelled."""
        self._phase, self._done_bytes, self._total_bytes, self._percent = phase, 0, total_bytes, 0
        self.advance(0)

    def advance(self, done_bytes: int) -> None:
        """So much of the phase is done. Raises JobCancelled."""
        self._done_bytes = done_bytes
        if self._total_bytes:
            self._percent = min(100, 100 * done_bytes // self._total_bytes)
        if self._cancelled.is_set():
            raise JobCancelled

    def show_percent(self, percent: int) -> None:
        """For a phase that knows no bytes."""
        self._percent = max(0, min(100, percent))

    @property
    def is_cancelled(self) -> bool:
        """Whether it should end."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Asks it to end."""
        self._cancelled.set()

    def report(self) -> Job:
        """What the wire tells of it."""
        return Job(
            operation_id=self.operation_id,
            state=self.state,
            phase=self._phase,
            percent=100 if self.state is JobState.SUCCEEDED else self._percent,
            done_bytes=self._done_bytes,
            total_bytes=self._total_bytes,
            problem=self.problem,
            sha256=self.sha256,
        )


Work = Callable[[JobRun], Awaitable[None]]


class Jobs:
    """All jobs of one agent. Used on the event loop's thread."""

    def __init__(self) -> None:
        self._runs: dict[uuid.UUID, JobRun] = {}
        self._tasks: dict[uuid.UUID, asyncio.Task[None]] = {}

    def begin(self, operation_id: uuid.UUID, work: Work) -> JobRun:
        """Runs `work`, unless the job of that id runs or has succeeded already: then that one is meant."""
        self._forget()
        known = self._runs.get(operation_id)
        if known is not None and known.state in (JobState.RUNNING, JobState.SUCCEEDED):
            return known
        run = self._runs[operation_id] = JobRun(operation_id)
        self._tasks[operation_id] = asyncio.create_task(self._carry_out(run, work), name=f"job {operation_id}")
        return run

    def report(self, operation_id: uuid.UUID) -> Job:
        """What it is at; ``unknown`` where there is none."""
        run = self._runs.get(operation_id)
        return run.report() if run is not None else Job(operation_id=operation_id, state=JobState.UNKNOWN)

    def cancel(self, operation_id: uuid.UUID) -> Job:
        """Asks it to end, which it does at its next step."""
        if (run := self._runs.get(operation_id)) is not None:
            run.cancel()
        return self.report(operation_id)

    async def close(self) -> None:
        """Cancels what runs, and waits for it. What was fetched or sent so far stays, and is resumed."""
        for run in self._runs.values():
            run.cancel()
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, run: JobRun, work: Work) -> None:
        log.info("job_began", operation=str(run.operation_id))
        try:
            await work(run)
            run.state = JobState.SUCCEEDED
        except (JobCancelled, asyncio.CancelledError):
            run.state = JobState.CANCELLED
        except AgentError as error:
            run.state, run.problem = JobState.FAILED, error.as_problem()
        except Exception:
            log.exception("job_failed", operation=str(run.operation_id))
            words = "the agent failed on this job; its log says how"
            run.state, run.problem = JobState.FAILED, Problem(ErrorCode.INTERNAL, words)
        finally:
            run.ended_at = time.monotonic()
            self._tasks.pop(run.operation_id, None)
            why = run.problem.message if run.problem else ""
            log.info("job_ended", operation=str(run.operation_id), state=run.state.value, why=why)

    def _forget(self) -> None:
        """Drops what ended an hour ago, and the oldest of too many."""
        ended = sorted((run.ended_at, key) for key, run in self._runs.items() if run.ended_at is not None)
        surplus = len(self._runs) - MAX_REMEMBERED
        for number, (ended_at, key) in enumerate(ended):
            if number < surplus or time.monotonic() - ended_at > REMEMBER_SECONDS:
                del self._runs[key]
