"""Routes, problems, versions and logs: HTTP as the wire contract has it, on aiohttp's low-level server."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web

from eve_agent.errors import (
    AgentError,
    BadRequest,
    BadUuid,
    BodyTooLarge,
    ContractUnsupported,
    MethodNotAllowed,
    PathNotFound,
)
from eve_agent.wire import codec, paths
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER, is_supported

MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 30.0
"""What the body of a request may take, but for images' bytes."""
KEEPALIVE_SECONDS = 75.0
NAMES = frozenset({"pool", "mac"})
"""Parts of paths that are no UUIDs."""
_MAX_LOGGED_PATH = 200
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with what its path names."""

    request: web.BaseRequest
    route: str
    """The template of :mod:`eve_agent.wire.paths`."""
    ids: Mapping[str, uuid.UUID]
    names: Mapping[str, str] = field(default_factory=dict)
    """Of what has no UUID in the path: pools, network cards."""

    async def body(self, cls: type[T], *, limit_bytes: int = MAX_BODY_BYTES) -> T:
        """The body, decoded. Raises BadRequest, BodyTooLarge."""
        if (self.request.content_length or 0) > limit_bytes:
            raise BodyTooLarge(f"a body has at most {limit_bytes} bytes")
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for piece in self.request.content.iter_any():
                    data += piece
                    if len(data) > limit_bytes:
                        raise BodyTooLarge(f"a body has at most {limit_bytes} bytes")
            return codec.decode(cls, bytes(data))
        except TimeoutError as error:
            raise BadRequest(f"the body did not come within {BODY_SECONDS:g} s") from error
        except (codec.DecodeError, web.RequestPayloadError) as error:
            raise BadRequest(f"the body is not understood: {error}") from error

    def number(self, name: str, *, default: int) -> int:
        """A whole number of the query. Raises BadRequest."""
        text = self.request.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise BadRequest(f"{name} has to be a whole number")
        return int(text)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]
Observer = Callable[[str, str, int, float], None]
"""Told of each request: method, route, status, seconds."""


def answer(message: Any, *, status: int = 200) -> web.Response:
    """`message` (of the wire) as a response."""
    return web.Response(body=codec.encode(message), status=status, content_type="application/json")


async def long_answer(messages: Any) -> web.Response:
    """As :func:`answer`, for lists: 500 domains take 30 ms to write down, in which no console's key may wait."""
    body = await asyncio.to_thread(codec.encode, messages)
    return web.Response(body=body, content_type="application/json")


def problem(what: Problem) -> web.Response:
    """The response for a problem."""
    return answer(what, status=what.code.status)


class Router:
    """Templates of :mod:`eve_agent.wire.paths` to handlers, by method."""

    def __init__(self, routes: Mapping[str, Mapping[str, Handler]]) -> None:
        self._routes = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template)), template, dict(methods))
            for template, methods in routes.items()
        ]

    def find(self, request: web.BaseRequest) -> tuple[Handler, Call]:
        """Raises PathNotFound, BadUuid, MethodNotAllowed."""
        for pattern, template, methods in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            handler = methods.get(request.method)
            if handler is None:
                raise MethodNotAllowed(f"{template} takes {', '.join(sorted(methods))}, not {request.method[:20]}")
            parts = match.groupdict()
            names = {name: parts.pop(name) for name in NAMES & parts.keys()}
            return handler, Call(request, template, {name: _uuid(text) for name, text in parts.items()}, names)
        raise PathNotFound("this agent has no such path")


class HttpServer(web.Server):
    """aiohttp's server with our router, our answers to broken requests, and one log line a request."""

    def __init__(
        self, router: Router, *, observe: Observer, on_request: Callable[[web.BaseRequest], Awaitable[None]]
    ) -> None:
        """`on_request` sees each request before its handler."""
        self._router = router
        self._observe = observe
        self._on_request = on_request
        super().__init__(
            self._handle,
            request_factory=self._make_bounded_request,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=2.0,
            auto_decompress=False,
            access_log=None,
        )

    def __call__(self) -> web.RequestHandler:
        """A protocol for one connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)

    def _make_bounded_request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=MAX_BODY_BYTES)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        started_at = time.monotonic()
        route, failure = "unknown", ""
        try:
            handler, call = self._router.find(request)
            route = call.route
            _check_version(request, route)
            await self._on_request(request)
            response = await handler(call)
        except AgentError as error:
            failure = str(error)
            response = problem(error.as_problem())
            if "Upgrade" in request.headers:
                response.force_close()  # what follows such a request was never meant as HTTP
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("request_failed", method=request.method, path=request.path[:_MAX_LOGGED_PATH])
            failure = "internal"
            response = problem(Problem(ErrorCode.INTERNAL, "the agent failed on this request; its log says how"))
            response.force_close()
        if not response.prepared:
            response.headers[VERSION_HEADER] = str(CONTRACT_VERSION)
        self._log(request, route, response.status, time.monotonic() - started_at, failure)
        return response

    def _log(self, request: web.BaseRequest, route: str, status: int, seconds: float, failure: str) -> None:
        self._observe(request.method if route != "unknown" else "unknown", route, status, seconds)
        fields = {"why": failure} if failure else {}
        log.info(
            "request",
            method=request.method[:20],
            path=request.path[:_MAX_LOGGED_PATH],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **fields,
        )


class _Connection(web.RequestHandler):
    """Answers what is no HTTP with a problem, too."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """As aiohttp: the response to a request that could not be parsed, or whose handler failed."""
        log.info("request_refused", status=status, why=type(exc).__name__ if exc else "")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        code = ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_REQUEST
        response = problem(Problem(code, "that is no HTTP request" if status < 500 else "the agent failed"))
        response.headers[VERSION_HEADER] = str(CONTRACT_VERSION)
        response.force_close()
        return response


def _check_version(request: web.BaseRequest, route: str) -> None:
    text = request.headers.get(VERSION_HEADER, "")
    if not text and route == paths.METRICS:
        return
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"the header {VERSION_HEADER} has to name the contract's version, as in {CONTRACT_VERSION}")
    if not is_supported(int(text)):
        raise ContractUnsupported(
            f"this agent speaks version {CONTRACT_VERSION} of the contract and one older or newer, not {text}; "
            "update the older side"
        )


def _uuid(text: str) -> uuid.UUID:
    if not _UUID.fullmatch(text):
        raise BadUuid(f"{text[:60]!r} is no UUID")
    return uuid.UUID(text)
