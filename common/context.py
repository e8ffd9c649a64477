"""What is known of the request (or websocket) that is being served: for logs and audit events."""

from __future__ import annotations

import contextlib
import ipaddress
import time
import uuid
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

import structlog


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request, websocket or operation."""

    address: str | None = None
    """Where it comes from: the client's IP address, past trusted proxies only."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began_at: float = field(default_factory=time.time)
    """Seconds since 1970: what is read for it is no older."""
    afterwards: list[Callable[[], object]] | None = None
    """What is to be done once it was answered, its transactions over; None where nobody would do it."""


_current: ContextVar[RequestContext | None] = ContextVar("eve_request_context", default=None)


def current_context() -> RequestContext:
    """Of what is being served now; a fresh one without an address outside of any request."""
    return _current.get() or RequestContext()


@contextlib.contextmanager
def request_context(context: RequestContext) -> Iterator[RequestContext]:
    """Makes `context` the current one inside the block, and names its request in every log line."""
    mark = _current.set(context)
    try:
        with structlog.contextvars.bound_contextvars(request_id=context.request_id):
            yield context
    finally:
        _current.reset(mark)


def clean_address(text: str | None) -> str | None:
    """`text` as an IP address in its usual form (an IPv4-mapped IPv6 address as IPv4), or None where it is none."""
    try:
        address = ipaddress.ip_address((text or "").split("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
