"""Serial lines of made-up guests: a prompt, and an echo."""

from __future__ import annotations

import asyncio
import socket
import uuid

from eve_agent.driver.rules import refuse_lineless
from eve_agent.errors import ConsoleBusy
from eve_agent.wire.domain import Domain


class FakeLines:
    """One line for each guest, which one viewer holds at a time."""

    def __init__(self) -> None:
        self._held: dict[uuid.UUID, tuple[asyncio.StreamWriter, asyncio.Task[None]]] = {}

    async def open(self, domain: Domain, *, is_forced: bool) -> socket.socket:
        """The viewer's end. Raises DomainOff, NoDisplay, ConsoleBusy."""
        refuse_lineless(domain)
        if domain.uuid in self._held:
            if not is_forced:
                raise ConsoleBusy(f"Somebody else holds the serial line of “{domain.name}”.")
            self._let_go(domain.uuid)
        near, far = socket.socketpair()
        far.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=near)
        task = asyncio.create_task(self._echo(domain, reader, writer))
        self._held[domain.uuid] = writer, task
        return far

    def end(self, domain_uuid: uuid.UUID) -> None:
        """The guest stopped."""
        if domain_uuid in self._held:
            self._let_go(domain_uuid)

    def close(self) -> None:
        """Ends all."""
        for key in tuple(self._held):
            self._let_go(key)

    def _let_go(self, key: uuid.UUID) -> None:
        writer, task = self._held.pop(key)
        task.cancel()
        writer.close()

    async def _echo(self, domain: Domain, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"\r\n{domain.name} login: ".encode())
        while data := await reader.read(4096):
            writer.write(data.replace(b"\r", b"\r\n"))
            await writer.drain()
        held = self._held.get(domain.uuid)
        if held is not None and held[0] is writer:
            del self._held[domain.uuid]
        writer.close()
