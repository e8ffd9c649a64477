"""Hands events to whoever subscribed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from eve_agent.wire.events import Event

from .base import EventListener

_log = logging.getLogger(__name__)


class EventFeed:
    """Listeners, called in the order in which they came. A listener that fails does not keep the event from the others."""

    def __init__(self) -> None:
        self._listeners: dict[object, EventListener] = {}

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        """Calls `listener` from now on, until the returned function is called (more than once does no harm)."""
        key = object()
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def publish(self, event: Event) -> None:
        """Calls every listener with `event`."""
        for listener in tuple(self._listeners.values()):
            try:
                listener(event)
            except Exception:
                _log.exception("a listener failed", extra={"event_kind": event.kind})
