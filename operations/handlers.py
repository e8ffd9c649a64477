"""Who does what: apps register a function for each kind of operation."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


@dataclass(frozen=True, slots=True)
class Handler:
    """How operations of one kind are done."""

    handle: Handle
    is_idempotent: bool
    """Whether doing it twice does no harm: then a killed worker's operation is begun again, else it fails."""
    undo: Handle | None
    """Takes back what was begun. It may be called at any time after the operation was queued, and again."""
    can_cancel: bool
    """Whether it may be ended at the border of a step."""
    lane: Lane


_handlers: dict[str, Handler] = {}


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
        if kind in _handlers:
            raise ValueError(f"{kind} has a handler already")
        _handlers[kind] = Handler(
            handle=handle, is_idempotent=is_idempotent, undo=undo, can_cancel=can_cancel, lane=lane
        )
        return handle

    return add


def find(kind: str) -> Handler:
    """The handler of `kind`. Raises :class:`operations.errors.UnknownKind`."""
    try:
        return _handlers[kind]
    except KeyError:
        raise UnknownKind() from None


def find_undo(kind: str) -> Handle | None:
    """What takes back an operation of `kind`; None where nothing does."""
    handler = _handlers.get(kind)
    return handler.undo if handler else None


def may_cancel(kind: str) -> bool:
    """Whether operations of `kind` may be ended at the border of a step."""
    handler = _handlers.get(kind)
    return handler is not None and handler.can_cancel


def lane_of(kind: str) -> Lane:
    """Where operations of `kind` are done; of one that nobody knows, where it fails soonest."""
    handler = _handlers.get(kind)
    return handler.lane if handler else Lane.QUICK


def kinds_in(lane: Lane) -> Collection[str]:
    """The kinds that have handlers in that lane."""
    return [kind for kind, handler in _handlers.items() if handler.lane is lane]
