"""What the path of typing does. What is typed is not logged, how much of it is."""

from __future__ import annotations

import structlog
from aiohttp import web

from eve_agent.service.typist import Typist
from eve_agent.wire.typing import TextToType

from .http import Call, answer

log = structlog.get_logger(__name__)


class TypingHandlers:
    """The text that is being typed at a domain."""

    def __init__(self, typist: Typist) -> None:
        self._typist = typist

    async def status(self, call: Call) -> web.StreamResponse:
        """``GET …/typing``"""
        return answer(self._typist.status(call.ids["uuid"]))

    async def begin(self, call: Call) -> web.StreamResponse:
        """``PUT …/typing``"""
        wanted = await call.body(TextToType)
        status = await self._typist.begin(call.ids["uuid"], wanted)
        log.info("typing_began", domain=str(call.ids["uuid"]), total=status.total, layout=wanted.layout.value)
        return answer(status)

    async def cancel(self, call: Call) -> web.StreamResponse:
        """``DELETE …/typing``"""
        return answer(await self._typist.cancel(call.ids["uuid"]))
