"""Blocking calls off the event loop, in a bounded number of threads that a hung call cannot use up.

Each thread has a resource of its own (a connection), opened at its first call, opened again when it is found dead, and
closed by the same thread when that ends.

A call has a deadline. One that is still running then is *stuck*: its caller gets :class:`CallTimeout` at once, another
thread takes its thread's place, and the stuck thread ends when its call returns (a late result goes to `discard`).
No more than `max_stuck` threads may be stuck; beyond that calls are refused with :class:`PoolExhausted` until some return.
All threads are daemons: a call that never returns does not keep the process alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


class CallTimeout(Exception):
    """The call did not return in time; it may still take effect."""


class PoolExhausted(Exception):
    """So many calls are stuck that no more are begun."""


class Resource(Protocol):
    """What a thread keeps between calls."""

    def is_alive(self) -> bool:
        """Whether the next call may use it."""

    def close(self) -> None:
        """Gives it up. Never raises."""


R = TypeVar("R", bound=Resource)


class _Stage(enum.Enum):
    WAITING = enum.auto()
    RUNNING = enum.auto()
    STUCK = enum.auto()
    OVER = enum.auto()


class _Job:
    """One call. `stage` is guarded by `lock`; everything else belongs to the event loop's thread once it was made."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        future: asyncio.Future[Any],
        tags: tuple[Hashable, ...],
        discard: Callable[[Any], None] | None,
    ) -> None:
        self.function = function
        self.future = future
        self.tags = tags
        self.discard = discard
        self.timer: asyncio.TimerHandle | None = None
        self.stage = _Stage.WAITING
        self.lock = threading.Lock()

    def move(self, *, to: _Stage) -> _Stage:
        """Moves on, and tells the stage before."""
        with self.lock:
            before, self.stage = self.stage, to
        return before

    def begin(self) -> bool:
        """Whether a thread is still to run it."""
        with self.lock:
            if self.stage is not _Stage.WAITING or self.future.cancelled():
                return False
            self.stage = _Stage.RUNNING
            return True

    def expire(self) -> bool:
        """Gives it up; whether it was running, so that its thread is stuck now."""
        with self.lock:
            was_running = self.stage is _Stage.RUNNING
            self.stage = _Stage.STUCK if was_running else _Stage.OVER
            return was_running


class CallPool(Generic[R]):
    """Threads for blocking calls. Made, used and closed on one event loop's thread.

    Args:
        open_resource: what a thread calls before its first call; what it raises goes to the call's caller.
        name: of the threads.
        workers: threads that take calls.
        max_stuck: threads beside them that may wait for a call that does not return.
    """

    def __init__(self, open_resource: Callable[[], R], *, name: str, workers: int = 4, max_stuck: int = 16) -> None:
        self._open_resource = open_resource
        self._name = name
        self._workers = workers
        self._max_stuck = max_stuck
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._live = 0
        self._stuck_total = 0
        self._stuck: Counter[Hashable] = Counter()
        self._busy: Counter[Hashable] = Counter()
        self._is_closed = False

    def stuck(self, tag: Hashable) -> int:
        """How many calls with `tag` are stuck just now."""
        return self._stuck[tag]

    def busy(self, tag: Hashable) -> int:
        """How many calls with `tag` were begun or wait for a thread, stuck ones included."""
        return self._busy[tag]

    async def run(
        self,
        function: Callable[[R], T],
        *,
        timeout_seconds: float | None,
        tags: tuple[Hashable, ...] = (),
        discard: Callable[[T], None] | None = None,
    ) -> T:
        """What `function` returns or raises, called in a thread with that thread's resource.

        `timeout_seconds` includes the wait for a thread; ``None``: no deadline. `discard` takes a result that nobody waits
        for any more (timed out, cancelled, pool or loop closed) and is called in any thread.

        Raises:
            CallTimeout: it did not return in time.
            PoolExhausted: too many calls are stuck, or the pool is closed.
        """
        if self._is_closed or self._stuck_total >= self._max_stuck:
            raise PoolExhausted(f"{self._stuck_total} calls have not returned")
        job = _Job(function, self._loop.create_future(), tags, discard)
        self._busy.update(tags)
        if timeout_seconds is not None:
            job.timer = self._loop.call_later(timeout_seconds, self._expire, job)
        self._queue.put(job)
        if self._live < self._workers:
            self._spawn()
        result: T = await job.future
        return result

    def close(self) -> None:
        """Ends idle threads now and the others when their call returns; begins no call any more."""
        self._is_closed = True
        for _ in range(self._live):
            self._queue.put(None)

    def _spawn(self) -> None:
        self._live += 1
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        resource: R | None = None
        while (job := self._queue.get()) is not None:
            if not job.begin():
                self._on_loop(self._release, job)
                continue
            result, error = None, None
            try:
                if resource is None or not resource.is_alive():
                    resource = self._replaced(resource)
                result = job.function(resource)
            except BaseException as raised:  # whatever it is, it belongs to the caller
                error = raised
            was_stuck = job.move(to=_Stage.OVER) is _Stage.STUCK
            if was_stuck:
                self._throw_away(job, result)
                self._on_loop(self._release_stuck, job)
                break
            if not self._on_loop(self._deliver, job, result, error):
                self._throw_away(job, result)
            del job, result, error
        if resource is not None:
            resource.close()

    def _replaced(self, dead: R | None) -> R:
        if dead is not None:
            dead.close()
        return self._open_resource()

    def _on_loop(self, function: Callable[..., None], *arguments: Any) -> bool:
        """Whether the loop still lives to call `function`."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)
            return True
        return False

    def _deliver(self, job: _Job, result: Any, error: BaseException | None) -> None:
        self._release(job)
        if job.future.done():
            self._throw_away(job, result)
        elif error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(result)

    def _release(self, job: _Job) -> None:
        if job.timer is not None:
            job.timer.cancel()
        self._forget(self._busy, job)

    def _release_stuck(self, job: _Job) -> None:
        self._stuck_total -= 1
        self._forget(self._stuck, job)
        self._release(job)

    def _expire(self, job: _Job) -> None:
        if job.stage is _Stage.OVER:
            return
        if job.expire():
            self._live -= 1
            self._stuck_total += 1
            self._stuck.update(job.tags)
            _log.warning("a call is stuck", extra={"calls_stuck": self._stuck_total})
            if not self._is_closed:
                self._spawn()
        if not job.future.done():
            job.future.set_exception(CallTimeout)

    @staticmethod
    def _forget(counter: Counter[Hashable], job: _Job) -> None:
        counter.subtract(job.tags)
        for tag in job.tags:
            if counter[tag] <= 0:
                del counter[tag]

    @staticmethod
    def _throw_away(job: _Job, result: Any) -> None:
        if job.discard is None or result is None:
            return
        try:
            job.discard(result)
        except Exception:
            _log.exception("a late result could not be put away")
