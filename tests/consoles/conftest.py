"""A console's websocket without a network: the consumer behind Channels' communicator, and a link that the test holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from channels.testing import WebsocketCommunicator
from django.conf import settings
from eve_agent.wire.close import CloseCode

from consoles import admission, consumers, warm
from consoles.errors import LinkLost
from consoles.routing import websocket_urlpatterns
from tests.agent.transport.conftest import pytest_asyncio_loop_factories
from tests.cast import Cast, make_cast

__all__ = ["pytest_asyncio_loop_factories"]

APPLICATION = CookieMiddleware(URLRouter(websocket_urlpatterns))
GOOD_ORIGIN = settings.PUBLIC_URL


class StubLink:
    """An agent's link whose far end is the test."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed_with: int | None = None
        self._incoming: asyncio.Queue[bytes | LinkLost] = asyncio.Queue()

    def start(self) -> None:
        """Messages may come."""

    async def receive(self) -> bytes:
        item = await self._incoming.get()
        if isinstance(item, LinkLost):
            raise LinkLost(item.close_code, item.reason)  # a new one: `item` would hold this frame, and so itself
        return item

    async def send(self, data: bytes) -> None:
        self.sent.append(data)

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        self.closed_with = code

    def show(self, data: bytes) -> None:
        """The display says something."""
        self._incoming.put_nowait(data)

    def lose(self, code: int, said: str = "") -> None:
        """The agent ends the link."""
        self._incoming.put_nowait(LinkLost(code, said=said))


@pytest.fixture
def links(monkeypatch: pytest.MonkeyPatch) -> list[StubLink]:
    """The links that were opened; each is a :class:`StubLink`."""
    opened: list[StubLink] = []

    async def open_stub(*_: Any) -> StubLink:
        opened.append(StubLink())
        return opened[-1]

    monkeypatch.setattr(admission, "agent_tls", lambda _hypervisor: None)
    monkeypatch.setattr(warm.WarmLinks, "prepare", lambda *_, **__: None)
    monkeypatch.setattr(consumers, "display_link", open_stub)
    return opened


@pytest.fixture
def committed_cast(transactional_db: None) -> Cast:
    """The cast, visible to other threads."""
    return make_cast()


def websocket(
    vm_id: object, *, query: str = "", origin: str | list[str] | None = None, cookie: str = "", bearer: str = ""
) -> WebsocketCommunicator:
    """A console's websocket as a browser or program would open it."""
    origins = [origin] if isinstance(origin, str) else origin or []
    headers = [(b"origin", value.encode()) for value in origins]
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    if bearer:
        headers.append((b"authorization", f"Bearer {bearer}".encode()))
    return WebsocketCommunicator(APPLICATION, f"/ws/vms/{vm_id}/console?{query}", headers=headers)
