"""Reading many things one after the other, of which any may hang, without waiting for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from eve_agent.errors import LibvirtTimeout

R = TypeVar("R")
Item = tuple[Hashable, Callable[[], R]]


class PatientReader(Generic[R]):
    """Reads in a thread beside the caller's, which is left behind where it hangs; another goes on with what comes next.

    Args:
        seconds: how long one reading may take.
        most_hanging: how many may hang at a time.
    """

    def __init__(self, *, seconds: float, most_hanging: int) -> None:
        self._seconds = seconds
        self._most_hanging = most_hanging
        self._hanging: dict[Hashable, threading.Thread] = {}

    def read_all(self, items: Sequence[Item[R]]) -> Iterator[R | None]:
        """What each of `items` (its name and how to read it) returns, in order; None of one that hangs, or still does.

        Raises:
            LibvirtTimeout: too many hang.
        """
        waiting = [item for item in items if not self._is_hanging(item[0])]
        run = _Run(waiting)
        try:
            for name, _read in items:
                if not run.is_next(name):
                    yield None
                    continue
                answer = run.answer(self._seconds)
                if answer is None:
                    self._hanging[name] = run.thread
                    if len(self._hanging) > self._most_hanging:
                        raise LibvirtTimeout(
                            "Too many virtual machines of this host do not answer; try again in a minute."
                        )
                    run = _Run(run.rest)
                    yield None
                else:
                    yield answer.result()
        finally:
            run.is_given_up = True

    def _is_hanging(self, name: Hashable) -> bool:
        for other, thread in list(self._hanging.items()):
            if not thread.is_alive():
                self._hanging.pop(other, None)
        return name in self._hanging


class _Run(Generic[R]):
    """One thread, and what it is to read."""

    def __init__(self, items: Sequence[Item[R]]) -> None:
        self._items = list(items)
        self._answered = 0
        self._answers: queue.SimpleQueue[Future[R]] = queue.SimpleQueue()
        self.is_given_up = False
        self.thread = threading.Thread(target=self._work, name="libvirt read", daemon=True)
        if self._items:
            self.thread.start()

    @property
    def rest(self) -> list[Item[R]]:
        """What comes after that which was waited for last."""
        return self._items[self._answered :]

    def is_next(self, name: Hashable) -> bool:
        """Whether that is what is answered next."""
        return bool(self.rest) and self.rest[0][0] == name

    def answer(self, seconds: float) -> Future[R] | None:
        """What the next reading returned or raised; None where it takes longer, and no more is read then."""
        self._answered += 1
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            self.is_given_up = True
            return None

    def _work(self) -> None:
        for _name, read in self._items:
            if self.is_given_up:
                return
            answer: Future[R] = Future()
            try:
                answer.set_result(read())
            except BaseException as raised:  # whatever it is, it belongs to the caller
                answer.set_exception(raised)
            self._answers.put(answer)
