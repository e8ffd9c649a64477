"""What each path does: decode, ask one service or the driver, encode."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable
from functools import partial

import structlog
from aiohttp import web

from eve_agent.driver.base import Driver
from eve_agent.service.consoles import Consoles
from eve_agent.service.identity import Identity
from eve_agent.service.once import Once
from eve_agent.wire.certs import CertificateInstall, CertificateSigningRequest, Pins
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleModeChange
from eve_agent.wire.domain import Domain, StateAction, StateChange

from .http import Call, answer, long_answer
from .tls import Listener, peer_fingerprint

log = structlog.get_logger(__name__)

_ONCE = (StateAction.REBOOT, StateAction.RESET)
"""What loses work once more when it is done twice; the others are true already then."""


class HostHandlers:
    """The host and its domains."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._once: Once[Domain] = Once()

    async def host(self, _call: Call) -> web.StreamResponse:
        """``GET /libvirt``"""
        return answer(await self._driver.host_facts())

    async def stats(self, _call: Call) -> web.StreamResponse:
        """``GET /libvirt/stats``"""
        return answer(await self._driver.stats())

    async def domains(self, _call: Call) -> web.StreamResponse:
        """``GET /libvirt/domains``"""
        return await long_answer(await self._driver.domains())

    async def domain(self, call: Call) -> web.StreamResponse:
        """``GET /libvirt/domains/{uuid}`` and ``…/state``"""
        return answer(await self._driver.domain(call.ids["uuid"]))

    async def change_state(self, call: Call) -> web.StreamResponse:
        """``PATCH …/state``"""
        change, domain_uuid = await call.body(StateChange), call.ids["uuid"]
        work = partial(self._change_state, domain_uuid, change)
        if change.action in _ONCE and change.operation_id:
            return answer(await self._once.do((domain_uuid, change.action, change.operation_id), work))
        return answer(await work())

    async def screenshot(self, call: Call) -> web.StreamResponse:
        """``GET …/screenshot``"""
        picture = await self._driver.screenshot(call.ids["uuid"])
        return web.Response(body=picture.data, content_type=picture.content_type)

    async def _change_state(self, domain_uuid: uuid.UUID, change: StateChange) -> Domain:
        domain = await self._driver.change_state(domain_uuid, change.action)
        log.info(
            "state_changed",
            domain=str(domain.uuid),
            action=change.action.value,
            state=domain.state.value,
            operation=change.operation_id[:64],
        )
        return domain


class SessionHandlers:
    """One open console session."""

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles

    async def status(self, call: Call) -> web.StreamResponse:
        """``GET …/console/{session}``"""
        return answer(self._consoles.status(call.ids["uuid"], call.ids["session"]))

    async def change_mode(self, call: Call) -> web.StreamResponse:
        """``PATCH …/console/{session}``"""
        change = await call.body(ConsoleModeChange)
        return answer(self._consoles.change_mode(call.ids["uuid"], call.ids["session"], change.mode))

    async def end(self, call: Call) -> web.StreamResponse:
        """``DELETE …/console/{session}``"""
        return answer(self._consoles.end(call.ids["uuid"], call.ids["session"], CloseCode.ENDED_BY_STAFF))


class CertificateHandlers:
    """The agent's certificate and Eve's pins. The identity writes to the disk, hence the threads."""

    def __init__(self, identity: Identity, listener: Listener, cut_unpinned: Callable[[], None]) -> None:
        self._identity = identity
        self._listener = listener
        self._cut_unpinned = cut_unpinned
        self._lock = asyncio.Lock()

    async def seen(self, request: web.BaseRequest) -> None:
        """A request arrived: a new certificate over which it came is the one in use from now on."""
        if request.transport is None or not self._identity.is_pending:
            return
        shown = self._listener.shown_to(request.transport)
        if not shown:
            return
        async with self._lock:
            if await asyncio.to_thread(self._identity.confirm, shown):
                log.info("certificate_confirmed", fingerprint=shown)

    async def drop_unconfirmed(self) -> None:
        """Shows the old certificate again where nobody came over the new one in time; to be called now and then."""
        async with self._lock:
            if await asyncio.to_thread(self._identity.drop_unconfirmed):
                log.warning("certificate_dropped", why="nobody came over it", shown=self._identity.serving.fingerprint)
                await self._listener.reload()

    async def status(self, _call: Call) -> web.StreamResponse:
        """``GET /certificate``"""
        return answer(self._identity.status())

    async def request(self, _call: Call) -> web.StreamResponse:
        """``POST /certificate``"""
        async with self._lock:
            csr = await asyncio.to_thread(self._identity.new_signing_request, socket.gethostname())
        log.info("certificate_requested")
        return answer(CertificateSigningRequest(csr_pem=csr))

    async def install(self, call: Call) -> web.StreamResponse:
        """``PUT /certificate``"""
        wanted = await call.body(CertificateInstall)
        async with self._lock:
            status = await asyncio.to_thread(self._identity.install, wanted.certificate_pem)
            await self._listener.reload()
        log.info("certificate_installed", fingerprint=status.pending_fingerprint or status.fingerprint)
        return answer(status)

    async def replace_pins(self, call: Call) -> web.StreamResponse:
        """``PUT /certificate/pins``"""
        wanted = await call.body(Pins)
        transport = call.request.transport
        speaker = peer_fingerprint(transport) if transport is not None else ""
        async with self._lock:
            pins = await asyncio.to_thread(self._identity.replace_pins, wanted.eve_fingerprints, speaker=speaker)
        self._cut_unpinned()
        log.info("pins_replaced", pins=list(pins.eve_fingerprints))
        return answer(pins)
