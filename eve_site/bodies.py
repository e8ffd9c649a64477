"""How long a request's body may be, on every server that Eve runs on."""

from __future__ import annotations

import json
from typing import Any

import structlog

from common.pieces import PIECE_BYTES, PIECE_PATH
from common.problems import CONTENT_TYPE, problem
from common.sentences import gettext as _

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""Nothing else that is sent to Eve is longer than this, or a piece of an image; Django would otherwise spool any length to the disk before it looks at it."""


class BoundedBodies:
    """Answers 413, and ends the connection, as soon as a body is known to be too long; the rest is never read."""

    def __init__(self, application: Any, *, most_bytes: int = MAX_BODY_BYTES) -> None:
        self.application = application
        self.most_bytes = most_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one request."""
        if self._declared(scope) > self.most_for(scope):
            await self._refuse(scope, send)
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

    async def _refuse(self, scope: Any, send: Any) -> None:
        log.info("body refused", method=scope["method"], path=scope["path"][:200])
        words = _("A request to Eve has at most %(most)d KiB.") % {"most": self.most_for(scope) // 1024}
        title = _("That is too long")
        body = json.dumps(problem(status_code=413, code="body_too_large", title=title, detail=words)).encode()
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Exchange:
    """One request whose body is counted while it comes."""

    def __init__(self, limit: BoundedBodies, scope: Any, receive: Any, send: Any) -> None:
        self._limit, self._scope, self._receive, self._send = limit, scope, receive, send
        self._most_bytes = limit.most_for(scope)
        self._received_bytes = 0
        self._is_begun = self._is_refused = False

    async def run(self) -> None:
        await self._limit.application(self._scope, self._counted, self._unless_refused)

    async def _counted(self) -> Any:
        if self._is_refused:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes <= self._most_bytes:
            return message
        self._is_refused = True
        if not self._is_begun:
            await self._limit._refuse(self._scope, self._send)
        return {"type": "http.disconnect"}

    async def _unless_refused(self, message: Any) -> None:
        self._is_begun = True
        if not self._is_refused:
            await self._send(message)
