"""Threads for the database: who is asked, and what becomes of work for which none is free."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait

import pytest

from common.threads import DatabaseThreads


@pytest.fixture
def threads() -> Iterator[DatabaseThreads]:
    made = DatabaseThreads(3, "test")
    yield made
    made.shutdown()


class Held:
    """Work that lasts until it is let go."""

    def __init__(self, threads: DatabaseThreads, count: int) -> None:
        self._free = threading.Event()
        self.begun = threading.Semaphore(0)
        self.futures = [threads.submit(self._work) for _ in range(count)]

    def _work(self) -> int:
        self.begun.release()
        assert self._free.wait(5)
        return threading.get_ident()

    def let_go(self) -> set[int]:
        """Returns which threads did it."""
        self._free.set()
        return {future.result(5) for future in self.futures}


def test_the_thread_that_has_worked_last_is_asked_first(threads: DatabaseThreads) -> None:
    assert len(Held(threads, 3).let_go()) == 3
    assert len({threads.submit(threading.get_ident).result(5) for _ in range(20)}) == 1


def test_what_finds_no_thread_waits_in_turn(threads: DatabaseThreads) -> None:
    held, done = Held(threads, 3), list[int]()
    waiting: list[Future[None]] = [threads.submit(done.append, number) for number in range(5)]
    assert not wait(waiting, 0.05).done
    held.let_go()
    wait(waiting, 5)
    assert sorted(done) == list(range(5))


def test_an_error_reaches_the_caller_and_leaves_nothing_for_the_collector(threads: DatabaseThreads) -> None:
    class Fault(Exception):
        pass

    def fail() -> None:
        raise Fault

    gc.disable()
    try:
        future = threads.submit(fail)
        fault = weakref.ref(future.exception(5))  # type: ignore[type-var] # there is one
        assert isinstance(fault(), Fault)
        del future
        threads.submit(threading.get_ident).result(5)
        assert fault() is None
    finally:
        gc.enable()


def test_shut_down_it_does_what_runs_and_drops_what_waits(threads: DatabaseThreads) -> None:
    held = Held(threads, 3)
    for _ in held.futures:
        assert held.begun.acquire(timeout=5)
    waiting = threads.submit(threading.get_ident)
    threads.shutdown(wait=False, cancel_futures=True)
    assert len(held.let_go()) == 3
    with pytest.raises(CancelledError):
        waiting.result(5)
    with pytest.raises(RuntimeError):
        threads.submit(threading.get_ident)
