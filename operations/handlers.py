"""Who does what: apps register a function for each kind of operation, which makes it a task of Django's tasks API (DEP 14).

Where tasks are queued and who runs them is :mod:`operations.backend`'s.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django_tasks.base import Task

from .errors import UnknownKind

if TYPE_CHECKING:
    from .run import OperationRun

Handle = Callable[["OperationRun"], None]


class Lane(enum.StrEnum):
    """How long operations of a kind take. Each lane has slots of its own, so that no lane waits for another."""

    QUICK = "quick"
    """Seconds: power, hardware, what takes something away."""
    MAKING = "making"
    """As long as a host's disk needs: what makes a machine, or keeps or brings back its memory."""
    COPYING = "copying"
    """As long as a server far away lets it take: images, and copies of whole disks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationTask(Task[..., None]):
    """How operations of one kind are done. Its function is called with the run, and finds what is wanted in the operation."""

    kind: str
    is_idempotent: bool
    """Whether doing it twice does no harm: then a killed worker's operation is begun again, else it fails."""
    undo: Handle | None
    """Takes back what was begun. It may be called at any time after the operation was queued, and again."""
    can_cancel: bool
    """Whether it may be ended at the border of a step."""

    @property
    def name(self) -> str:
        """What it is called by: its kind."""
        return self.kind

    @property
    def module_path(self) -> str:
        """Where it is found: by its kind, since several kinds may share a function."""
        return f"{__name__}.find({self.kind!r})"

    @property
    def lane(self) -> Lane:
        """Its queue."""
        return Lane(self.queue_name)


_tasks: dict[str, OperationTask] = {}


def register(
    kind: str,
    *,
    is_idempotent: bool = False,
    undo: Handle | None = None,
    can_cancel: bool = False,
    lane: Lane = Lane.QUICK,
) -> Callable[[Handle], Handle]:
    """Makes the decorated function do operations of `kind`.

    It runs in a thread of its own, outside of any transaction, with the requester's context for the logs. An
    :class:`common.errors.EveError` that it raises fails the operation with that error's problem details.

    With `undo`, an operation that fails, is cancelled or is never begun is taken back before it is over. An undo that
    raises is tried again, later each time, for as long as its error may pass.
    """

    def add(handle: Handle) -> Handle:
        if kind in _tasks:
            raise ValueError(f"{kind} has a handler already")
        _tasks[kind] = OperationTask(
            func=handle, queue_name=lane, kind=kind, is_idempotent=is_idempotent, undo=undo, can_cancel=can_cancel
        )
        return handle

    return add


def find(kind: str) -> OperationTask:
    """The task of `kind`. Raises :class:`operations.errors.UnknownKind`."""
    try:
        return _tasks[kind]
    except KeyError:
        raise UnknownKind() from None


def find_undo(kind: str) -> Handle | None:
    """What takes back an operation of `kind`; None where nothing does."""
    task = _tasks.get(kind)
    return task.undo if task else None


def lane_of(kind: str) -> Lane:
    """Where operations of `kind` are done; of one that nobody knows, where it fails soonest."""
    task = _tasks.get(kind)
    return task.lane if task else Lane.QUICK


def kinds_in(lane: Lane) -> Collection[str]:
    """The kinds that have handlers in that lane."""
    return [kind for kind, task in _tasks.items() if task.lane is lane]
