"""The websocket of a console."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, cast

import structlog
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseFault
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleKind, ConsoleMode, ConsoleRequest
from eve_agent.wire.errors import ErrorCode

from common.arrival import CONNECTION
from common.context import RequestContext, clean_address, request_context
from common.sentences import gettext as _
from common.threads import in_database_thread

from . import metrics
from .admission import Admission, Admitted, admit
from .backlog import Backlog
from .credentials import Handshake
from .errors import BadCredential, ConsoleRefused, DisplayRefused, LinkLost
from .frames import FrameRelay
from .framing import short_reason
from .leftovers import left_over_end
from .link import AgentLink, open_link
from .live import LiveConsole
from .models import ConsoleSession
from .pump import splice
from .relay import HANDOVER, Ending, Relay, ViewerLeft, ViewerSpokeEarly
from .services import session_end
from .switchboard import Position, switchboard
from .warm import warm_links

log = structlog.get_logger(__name__)


class ConsoleConsumer(AsyncWebsocketConsumer):
    """Authenticates, authorises, opens the agent's display, and relays until somebody ends it.

    A bad credential refuses the handshake and says nothing; whatever else fails (VM off, host away, no display, no database) accepts it
    and closes with a code of :class:`eve_agent.wire.close.CloseCode`, so that the page can say why.
    """

    channel_layer_alias = ""
    """None of Channels' own: its end would be the console's. What must be heard, :class:`LiveConsole` hears."""
    live: LiveConsole | None = None
    frames: FrameRelay | None = None
    """Where the server does not hand its socket over."""

    async def connect(self) -> None:
        """The handshake."""
        begun, since = time.perf_counter(), switchboard().position
        client = self.scope.get("client") or ("", 0)
        with request_context(RequestContext(address=clean_address(client[0]))):
            try:
                handshake = Handshake.of(self.scope)
                admission: Admission = await in_database_thread(admit)(
                    handshake, self.scope["url_route"]["kwargs"]["vm_id"]
                )
            except BadCredential as error:
                log.info("console handshake refused", why=str(error), address=clean_address(client[0]))
                await self.close()
                return
            except DatabaseFault:
                log.exception("console admission failed")
                admission = ConsoleRefused(
                    CloseCode.INTERNAL_ERROR, _("Eve's database does not answer. Try again in a moment.")
                )
            await self.accept("binary" if "binary" in self.scope["subprotocols"] else None)
            try:
                await self._open(admission, handshake.session_key, since)
                metrics.SETUP.observe(time.perf_counter() - begun)
            except ConsoleRefused as refusal:
                await self.close(code=refusal.close_code, reason=short_reason(str(refusal.detail)))
                return
        if self.frames is None:
            raise StopConsumer  # the sockets are joined: nothing comes through the server any more

    async def dispatch(self, message: Any) -> None:
        """As Channels, but without its visit to a thread with the database before each message: all visits are our own."""
        if message["type"] == "websocket.connect":
            await self.websocket_connect(message)
        elif message["type"] == "websocket.disconnect":
            await self.websocket_disconnect(message)
        elif self.frames is not None:
            if message.get("bytes") is not None:
                await self.frames.from_viewer(message["bytes"])
            else:
                self.frames.finish(Ending(CloseCode.UNSUPPORTED_DATA, _("A console takes binary frames only.")))

    async def disconnect(self, code: int) -> None:
        """The viewer left, or the server stops."""
        if self.frames is not None:
            self.frames.finish(Ending(code, viewer_is_gone=True))
        if self.live is not None:
            await self.live.end(code)
        self.frames = self.live = (
            None  # they hold this, and would stay with all their buffers until the collector comes
        )

    async def _open(self, admission: Admission, session_key: str, since: Position) -> None:
        if isinstance(admission, ConsoleRefused):
            raise admission
        session = admission.session
        try:
            relay = self._relay(await display_link(admission))
        except Exception as error:
            refusal = refusal_of(error, session)
            await in_database_thread(session_end)(
                session_id=session.id,
                code=refusal.close_code,
                reason=str(refusal.detail),
                request_id=session.request_id,
            )
            raise refusal from error
        self.live = LiveConsole(
            grant=admission.grant,
            session=session,
            relay=relay,
            session_key=session_key if session.session_digest else "",
            since=since,
        )
        self.live.start()
        warm_links().prepare(admission.grant.vm.hypervisor_id, admission.trust, since=since)

    def _relay(self, link: AgentLink) -> Relay:
        """From socket to socket where the server hands its own over, else message by message. Raises ConsoleRefused."""
        handover = cast("dict[str, Any]", self.scope.get("extensions") or {}).get(HANDOVER)
        try:
            if handover is not None:
                return splice(handover, link)
            self.frames = FrameRelay(
                link,
                send_bytes=lambda data: self.send(bytes_data=data),
                close_viewer=lambda code, reason: self.close(code=code, reason=short_reason(reason)),
                backlog=Backlog(cast("dict[str, Any]", self.scope).get(CONNECTION)),
            )
        except (LinkLost, ViewerLeft, ViewerSpokeEarly) as error:
            link.abort()
            raise refusal_to_splice(error) from error
        return self.frames


async def display_link(admission: Admitted) -> AgentLink:
    """The link to the VM's display; a link that an earlier process of Eve left over under this session is ended first.

    Raises:
        ConsoleRefused: with the close code that says why.
    """
    vm, trust = admission.grant.vm, admission.trust
    request = ConsoleRequest(
        session=admission.session.id,
        mode=ConsoleMode(admission.grant.mode),
        kind=ConsoleKind(admission.grant.kind),
        idle_seconds=settings.CONSOLE_IDLE_SECONDS,
        total_seconds=settings.CONSOLE_TOTAL_SECONDS,
        force=admission.grant.is_forced,
    )
    timeout_seconds = settings.AGENT_CONNECT_TIMEOUT_SECONDS
    ready = partial(warm_links().take, vm.hypervisor_id, trust)
    try:
        return await open_link(trust, request, domain=vm.pk, timeout_seconds=timeout_seconds, warm=ready)
    except DisplayRefused as refusal:
        if refusal.agent_code is not ErrorCode.SESSION_EXISTS:
            raise
        # Not in the one thread that all consumers share: the host may take its time.
        await in_database_thread(left_over_end)(vm, admission.session.id)
        return await open_link(trust, request, domain=vm.pk, timeout_seconds=timeout_seconds)


def refusal_of(error: Exception, session: ConsoleSession) -> ConsoleRefused:
    """What the viewer is told; a fault of Eve's own goes into the log and is named as such."""
    if isinstance(error, ConsoleRefused):
        if error.for_staff:
            log.info(
                "console_refused_by_host", session=str(session.id), code=int(error.close_code), said=error.for_staff
            )
        return error
    log.error("console failed", session=str(session.id), exc_info=error)
    return ConsoleRefused(CloseCode.INTERNAL_ERROR, _("Something in Eve failed; its log says what."))


def refusal_to_splice(error: Exception) -> ConsoleRefused:
    """Why the two sockets could not be joined."""
    if isinstance(error, LinkLost):
        return ConsoleRefused(CloseCode.HOST_AWAY, error.reason)
    if isinstance(error, ViewerSpokeEarly):
        return ConsoleRefused(CloseCode.BAD_MESSAGE, _("In this protocol the display speaks first."))
    return ConsoleRefused(CloseCode.NORMAL)
