"""Who does what: apps register a function for each kind of operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import UnknownKind
from .models import Operation

Handle = Callable[[Operation], None]


@dataclass(frozen=True, slots=True)
class Handler:
    """How operations of one kind are done."""

    handle: Handle
    is_idempotent: bool
    """Whether doing it twice does no harm: then a killed worker's operation is begun again, else it fails."""


_handlers: dict[str, Handler] = {}


def register(kind: str, *, is_idempotent: bool = False) -> Callable[[Handle], Handle]:
    """Makes the decorated function do operations of `kind`.

    It runs in a thread of its own, outside of any transaction, with the requester's context for the logs. An
    :class:`common.errors.EveError` that it raises fails the operation with that error's problem details.
    """

    def add(handle: Handle) -> Handle:
        if kind in _handlers:
            raise ValueError(f"{kind} has a handler already")
        _handlers[kind] = Handler(handle=handle, is_idempotent=is_idempotent)
        return handle

    return add


def find(kind: str) -> Handler:
    """The handler of `kind`. Raises :class:`operations.errors.UnknownKind`."""
    try:
        return _handlers[kind]
    except KeyError:
        raise UnknownKind() from None
