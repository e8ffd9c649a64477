"""The websocket by which open pages learn that something changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseFault
from eve_agent.wire.close import CloseCode

from accounts.selectors import projects_for
from accounts.sessions import session_digest, session_user
from common.origins import origin_is_good
from common.publish import LAYER_AWAY
from hypervisors.selectors import sites_for

from . import live

log = structlog.get_logger(__name__)

RECHECK_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Audience:
    """Which groups a login session hears."""

    personal: frozenset[str]
    """For revocation: of the user and of the login session."""
    shared: frozenset[str]
    """Of projects and sites; they come and go with memberships."""

    @property
    def groups(self) -> frozenset[str]:
        """All of them."""
        return self.personal | self.shared


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """Tells a signed-in page of Eve's own what changed; takes no messages.

    Only with the cookie of a living login session and an Origin of :data:`settings.ALLOWED_ORIGINS`. At each revocation, and
    every 30 s, it looks whether that still holds.

    ======================================================  =====================================================
    ``{"type": "vm", "id", "state"}``                       a VM is other than it was
    ``{"type": "operation", "id", "kind", "state", "target"}``  an operation moved
    ``{"type": "host", "id", "state"}``, ``{"type": "drift"}``  for staff
    ``{"type": "access"}``                                  what one may see has changed: load everything again
    ======================================================  =====================================================
    """

    _audience: Audience | None = None
    _recheck: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Refuses the handshake without saying why, or joins the user's groups."""
        if not origin_is_good(self.scope["headers"], is_required=True):
            await self.close()
            return
        audience = await database_sync_to_async(audience_of)(self._session_key)
        if audience is None:
            await self.close()
            return
        await self._join(audience.groups)
        self._audience = audience
        await self.accept()
        self._recheck = asyncio.create_task(self._recheck_forever())

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Nothing is expected from a page."""

    async def disconnect(self, code: int) -> None:
        """The page is gone."""
        if self._recheck is not None:
            self._recheck.cancel()
        if self._audience is not None:
            await self._leave(self._audience.groups)

    async def live_vms(self, event: dict[str, Any]) -> None:
        """VMs changed."""
        for each in event["vms"]:
            await self.send_json({"type": "vm", **each})

    async def live_message(self, event: dict[str, Any]) -> None:
        """Something else changed."""
        await self.send_json(event["message"])

    async def live_check(self, event: dict[str, Any]) -> None:
        """Somebody's access was revoked, perhaps this one's."""
        await self._check()

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            with contextlib.suppress(DatabaseFault, *LAYER_AWAY):  # one of them is away; the next look will tell
                await self._check()

    async def _check(self) -> None:
        before = self._audience
        if before is None:
            return
        now = await database_sync_to_async(audience_of)(self._session_key)
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
            await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self, groups: Iterable[str]) -> None:
        for group in groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    @property
    def _session_key(self) -> str:
        key: str = self.scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME, "")
        return key


def audience_of(session_key: str) -> Audience | None:
    """What the login session's user may hear now; None where it is no living session."""
    user = session_user(session_key)
    if user is None:
        return None
    projects = projects_for(user).values_list("pk", flat=True)
    sites = sites_for(user).values_list("pk", flat=True)
    return Audience(
        personal=frozenset({live.user_group(user.pk), live.login_group(session_digest(session_key))}),
        shared=frozenset({*map(live.project_group, projects), *map(live.site_group, sites)}),
    )
