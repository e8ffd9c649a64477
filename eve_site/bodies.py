"""How long a request's body may be, on every server that Eve runs on, and how long it may take."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import structlog

from common.pieces import PIECE_BYTES, PIECE_PATH
from common.problems import CONTENT_TYPE, problem
from common.sentences import gettext as _

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Nothing else that is sent to Eve is longer than this, or a piece of an image; Django would otherwise spool any length to the disk before it looks at it."""
BODY_SECONDS = 20.0
"""What any body may take; a long one so much longer as its bytes take at :data:`LEAST_BYTES_PER_SECOND`."""
LEAST_BYTES_PER_SECOND = 4096


class BoundedBodies:
    """Answers 413 as soon as a body is known to be too long, or 408 where it does not come, and ends the connection; the rest is never read."""

    def __init__(self, application: Any, *, most_bytes: int = MAX_BODY_BYTES) -> None:
        self.application = application
        self.most_bytes = most_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one request."""
        if self._declared(scope) > self.most_for(scope):
            await self.refuse_long(scope, send)
            return
        await _Exchange(self, scope, receive, send).run()

    def most_for(self, scope: Any) -> int:
        """How long the body of that request may be."""
        return PIECE_BYTES if scope["method"] == "PUT" and PIECE_PATH.fullmatch(scope["path"]) else self.most_bytes

    def _declared(self, scope: Any) -> int:
        """What the request says of its length, at most just beyond the limit: Python refuses to read thousands of digits."""
        most_bytes = self.most_for(scope)
        lengths = [value for name, value in scope["headers"] if name.lower() == b"content-length"]
        if not lengths or not lengths[0].isdigit():
            return 0
        digits = lengths[0].lstrip(b"0")
        return most_bytes + 1 if len(digits) > len(str(most_bytes)) else int(digits or b"0")

    async def refuse_long(self, scope: Any, send: Any) -> None:
        """Answers 413."""
        words = _("A request to Eve has at most %(most)d KiB.") % {"most": self.most_for(scope) // 1024}
        title = _("That is too long")
        await _refuse(scope, send, problem(status_code=413, code="body_too_large", title=title, detail=words))

    async def refuse_slow(self, scope: Any, send: Any) -> None:
        """Answers 408."""
        words = _("The request did not arrive in time. Send it again.")
        title = _("That took too long")
        await _refuse(scope, send, problem(status_code=408, code="body_too_slow", title=title, detail=words))


class _Exchange:
    """One request whose body is counted while it comes."""

    def __init__(self, limit: BoundedBodies, scope: Any, receive: Any, send: Any) -> None:
        self._limit, self._scope, self._receive, self._send = limit, scope, receive, send
        self._most_bytes = limit.most_for(scope)
        self._received_bytes = 0
        self._seconds_left = BODY_SECONDS
        self._is_whole = self._is_begun = self._is_refused = False

    async def run(self) -> None:
        await self._limit.application(self._scope, self._counted, self._unless_refused)

    async def _counted(self) -> Any:
        if self._is_refused:
            return {"type": "http.disconnect"}
        try:
            message = await self._next()
        except TimeoutError:
            return await self._refused(self._limit.refuse_slow)
        size = len(message.get("body", b""))
        self._received_bytes += size
        self._seconds_left += size / LEAST_BYTES_PER_SECOND
        self._is_whole = not message.get("more_body", False)
        if self._received_bytes > self._most_bytes:
            return await self._refused(self._limit.refuse_long)
        return message

    async def _next(self) -> Any:
        """Once the body is whole, what is waited for is the peer's end. Raises TimeoutError."""
        begun = time.monotonic()
        async with asyncio.timeout(None if self._is_whole else max(0.0, self._seconds_left)):
            message = await self._receive()
        self._seconds_left -= time.monotonic() - begun
        return message

    async def _refused(self, refuse: Any) -> Any:
        self._is_refused = True
        if not self._is_begun:
            await refuse(self._scope, self._send)
        return {"type": "http.disconnect"}

    async def _unless_refused(self, message: Any) -> None:
        self._is_begun = True
        if not self._is_refused:
            await self._send(message)


async def _refuse(scope: Any, send: Any, what: dict[str, Any]) -> None:
    log.info("body refused", code=what["code"], method=scope["method"], path=scope["path"][:200])
    body = json.dumps(what).encode()
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": what["status"], "headers": headers})
    await send({"type": "http.response.body", "body": body})
