"""TCP connections from an event loop, by whichever of a host's addresses answers first (RFC 8305; uvloop has no such)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

STAGGER_SECONDS = 0.25
MAX_ADDRESSES = 8


async def connect_tcp(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket; the caller owns it. To be bounded in time by the caller.

    Raises:
        OSError: no address, or none that answers: why the first did not.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [(entry[0], entry[4]) for entry in _interleaved(found)][:MAX_ADDRESSES]
    waiting: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while addresses or waiting:
            if addresses:
                waiting.add(asyncio.create_task(_attempt(*addresses.pop(0))))
            timeout = STAGGER_SECONDS if addresses else None
            done, waiting = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                try:
                    return task.result()
                except OSError as error:
                    errors.append(error)
    finally:
        await _discard(waiting)
    raise errors[0] if errors else OSError("the name has no address")


def _interleaved(found: list[Any]) -> list[Any]:
    """The system's order, but families by turns: one family that is broken costs one attempt."""
    first = [entry for entry in found if entry[0] == found[0][0]]
    other = [entry for entry in found if entry[0] != found[0][0]]
    turns = [entry for pair in zip(first, other, strict=False) for entry in pair]
    shorter = min(len(first), len(other))
    return turns + first[shorter:] + other[shorter:]


async def _attempt(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _discard(tasks: set[asyncio.Task[socket.socket]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            (await task).close()
