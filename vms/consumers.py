"""The websocket by which open pages learn that something changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseFault
from eve_agent.wire.close import CloseCode

from accounts.models import User
from accounts.selectors import is_unlimited_staff, projects_for
from accounts.sessions import session_digest, session_user
from common.origins import origin_is_good
from common.publish import LAYER_AWAY
from common.threads import in_database_thread
from hypervisors.metrics.blocks import find
from hypervisors.metrics.reading import columns_of
from hypervisors.metrics.recorder import SAMPLES, STEP_SECONDS
from hypervisors.selectors import hypervisor_for, sites_for

from . import live
from .changes import changes
from .selectors import vm_for

log = structlog.get_logger(__name__)

PING = "ping"
RECHECK_SECONDS = 30
SETTLE_SECONDS = 0.3
"""What was told just before a page began to listen has been heard of after that long."""

_open_sockets: Counter[UUID] = Counter()
"""How many of these websockets each user has open in this process; the server's loop alone touches it."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Which groups a login session hears."""

    user_id: UUID
    personal: frozenset[str]
    """For revocation: of the user and of the login session."""
    shared: frozenset[str]
    """Of projects and sites; they come and go with memberships."""
    sampled: UUID | None = None
    """Whose samples it hears: a VM's or a host's."""

    @property
    def groups(self) -> frozenset[str]:
        """All of them."""
        return self.personal | self.shared


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Tells a signed-in page of Eve's own what changed; takes no message but ``ping``.

    Only with the cookie of a living login session and an Origin of :data:`settings.ALLOWED_ORIGINS`. At each revocation, and
    every 30 s, it looks whether that still holds. One beyond :data:`settings.LIVE_SOCKETS_PER_USER` is closed with 4012.

    ======================================================  =====================================================
    ``{"type": "vm", "id", "state"}``                       a VM is other than it was
    ``{"type": "operation", "id", "kind", "state", "target"}``  an operation moved
    ``{"type": "viewers", "id"}``                           somebody came to or left a VM's consoles, or got the keyboard
    ``{"type": "host", "id", "state"}``, ``{"type": "drift"}``  for staff
    ``{"type": "event", "what", "target"}``                 an audit event: the first word of its action, and of whom or what
    ``{"type": "image", "id"}``                             a public image came, is other than it was, or is gone
    ``{"type": "notification"}``                            one's notifications are others, or were read
    ``{"type": "samples", "times", …}``                     columns of the minute so far, for ``?samples=vm:ID`` or ``host:ID``
    ``{"type": "pong"}``                                    the answer to ``ping``, by which a page measures its line
    ``{"type": "access"}``                                  what one may see has changed: load everything again
    ``{"type": "missed"}``                                  a page that was made at ``?since=`` (seconds since 1970) may be out of date by now
    ======================================================  =====================================================
    """

    _audience: Audience | None = None
    _recheck: asyncio.Task[None] | None = None
    _user_id: UUID | None = None
    """Whose count it is part of."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checking = asyncio.Lock()
        self._joined: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves the websocket; however that ends, it counts no more and looks no more.

        While the channel layer is away it hears nothing, and a page that believes itself live would be wrong: the handshake is refused, an open one is
        closed. The page says so quietly, comes back by itself, and then catches up.
        """
        try:
            await super().__call__(scope, receive, send)
        except LAYER_AWAY as error:
            log.warning("no live websocket", why="channel layer away", error=type(error).__name__)
            with contextlib.suppress(OSError, RuntimeError):  # the page is gone too
                await send({"type": "websocket.close", "code": CloseCode.SERVICE_RESTART})
        finally:
            self._stop()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Straight to the handler: what asks the database does so in a thread that looks after its own connection."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Refuses the handshake without saying why, or joins the user's groups."""
        if not origin_is_good(self.scope["headers"], is_required=True):
            await self.close()
            return
        audience = await in_database_thread(audience_of)(self._session_key, self._wanted_samples)
        if audience is None:
            await self.close()
            return
        if not self._count_in(audience.user_id):
            log.info("too many live websockets", user=str(audience.user_id))
            await self.accept()
            await self.close(code=CloseCode.TOO_MANY)
            return
        await self._join(audience.groups)
        self._audience = audience
        await self.accept()
        self._recheck = asyncio.create_task(self._recheck_forever())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Nothing else is expected from a page."""
        if text_data == PING:
            await self.send_json({"type": "pong"})

    async def disconnect(self, code: int) -> None:
        """The page is gone."""
        self._stop()
        with contextlib.suppress(*LAYER_AWAY):  # the layer forgets its members by itself, after a day
            await self._leave(set(self._joined))

    async def live_vms(self, event: dict[str, Any]) -> None:
        """VMs changed."""
        for each in event["vms"]:
            await self.send_json({"type": "vm", **each})

    async def live_samples(self, event: dict[str, Any]) -> None:
        """The host of the graphs on the page was sampled: only what the page shows goes out."""
        if self._audience is None or self._audience.sampled is None:
            return
        samples = find(event["payload"], self._audience.sampled, SAMPLES)
        if samples is not None:
            times = [event["began_at"] + place * STEP_SECONDS for place in range(SAMPLES)]
            await self.send_json({"type": "samples", "times": times, **columns_of(samples)})

    async def live_message(self, event: dict[str, Any]) -> None:
        """Something else changed."""
        await self.send_json(event["message"])

    async def live_check(self, event: dict[str, Any]) -> None:
        """Somebody's access was revoked, perhaps this one's."""
        await self._look()

    async def _recheck_forever(self) -> None:
        await self._catch_up()
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            await self._look()

    async def _catch_up(self) -> None:
        """Tells a page whether something happened between its making and its listening."""
        if self._made_at is None or self._audience is None:
            return
        changes().begin()
        await asyncio.sleep(SETTLE_SECONDS)
        if self._audience is not None and changes().may_have_missed(self._audience.groups, since=self._made_at):
            await self.send_json({"type": "missed"})

    async def _look(self) -> None:
        """Looks whether it may go on. One look at a time: each compares with what the last one found."""
        async with self._checking:
            with contextlib.suppress(DatabaseFault, *LAYER_AWAY):  # one of them is away; the next look will tell
                await self._check()

    async def _check(self) -> None:
        if self._audience is None:
            return
        now = await in_database_thread(audience_of)(self._session_key, self._wanted_samples)
        before = self._audience
        if before is None:  # the page left meanwhile
            return
        if now is None:
            await self._leave(before.groups)
            self._audience = None
            await self.close(code=CloseCode.ACCESS_ENDED)
            return
        await self._leave(before.groups - now.groups)
        await self._join(now.groups - before.groups)
        self._audience = now
        if before.shared != now.shared:
            await self.send_json({"type": "access"})

    async def _join(self, groups: Iterable[str]) -> None:
        for group in groups:
            self._joined.add(group)
            await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self, groups: Iterable[str]) -> None:
        for group in groups:
            await self.channel_layer.group_discard(group, self.channel_name)
            self._joined.discard(group)

    def _count_in(self, user_id: UUID) -> bool:
        if _open_sockets[user_id] >= settings.LIVE_SOCKETS_PER_USER:
            return False
        self._user_id = user_id
        _open_sockets[user_id] += 1
        return True

    def _stop(self) -> None:
        self._audience = None
        if self._recheck is not None:
            self._recheck.cancel()
        if self._user_id is not None:
            _open_sockets[self._user_id] -= 1
            if not _open_sockets[self._user_id]:
                del _open_sockets[self._user_id]
            self._user_id = None

    @property
    def _session_key(self) -> str:
        key: str = self.scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME, "")
        return key

    @property
    def _wanted_samples(self) -> str:
        return self._asked("samples")

    @property
    def _made_at(self) -> float | None:
        """When the page was made; None where it does not ask what it missed."""
        try:
            return float(self._asked("since"))
        except ValueError:
            return None

    def _asked(self, name: str) -> str:
        query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        return query.get(name, [""])[0]


def audience_of(session_key: str, wanted_samples: str = "") -> Audience | None:
    """What the login session's user may hear now; None where it is no living session.

    Args:
        wanted_samples: ``vm:ID`` or ``host:ID``; what does not exist for the user is as if nothing were wanted.
    """
    user = session_user(session_key)
    if user is None:
        return None
    projects = projects_for(user).values_list("pk", flat=True)
    sites = sites_for(user).values_list("pk", flat=True)
    sampled = _sampled(user, wanted_samples)
    samples = {live.samples_group(sampled.hypervisor_id)} if sampled else set()
    staff = {live.staff_group()} if is_unlimited_staff(user) else set()
    everybody = {live.public_group()}
    return Audience(
        user_id=user.pk,
        personal=frozenset({live.user_group(user.pk), live.login_group(session_digest(session_key))}),
        shared=frozenset(
            {*map(live.project_group, projects), *map(live.site_group, sites), *staff, *everybody, *samples}
        ),
        sampled=sampled.key if sampled else None,
    )


@dataclass(frozen=True, slots=True)
class _Sampled:
    hypervisor_id: UUID
    key: UUID


def _sampled(user: User, wanted: str) -> _Sampled | None:
    kind, _, text = wanted.partition(":")
    try:
        key = UUID(text)
    except ValueError:
        return None
    if kind == "vm" and (vm := vm_for(user, key)):
        return _Sampled(vm.hypervisor_id, key)
    if kind == "host" and hypervisor_for(user, key):
        return _Sampled(key, key)
    return None
