"""One host, watched: the websocket ``/events`` of its agent, held open, and what follows from what it says."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import random
from functools import partial
from typing import Any, cast

import structlog
from django.conf import settings
from django.utils import timezone
from eve_agent.wire import codec, paths
from eve_agent.wire.events import Event, EventKind
from eve_agent.wire.version import CONTRACT_VERSION, VERSION_HEADER, is_supported
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from common.errors import EveError
from common.sentences import gettext as _

from .client import contract_mismatch
from .dial import connect_tcp
from .errors import AgentTimeout, BadAnswer, HostAway, LibvirtAway, LibvirtTimeout, NotTrusted
from .failures import as_agent_error
from .inventory import events_apply, host_resync
from .leases import Assignment
from .mailbox import Mailbox
from .metrics.sampling import sample_forever
from .models import Hypervisor, HypervisorState
from .services.hypervisors import hypervisor_state_set
from .services.renewal import agent_trust_maintain
from .signals import host_reached
from .tls import AgentTls, agent_tls
from .workers import Workers

log = structlog.get_logger(__name__)

MAX_EVENT_BYTES = 512 * 1024
MAX_EVENTS_PER_SECOND = 500
"""A host that tells more is read more slowly: it, not Eve, has to keep what waits."""
PING_SECONDS = 15.0
HELLO_SECONDS = 10.0
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 10.0
NEW_HOST = dt.timedelta(minutes=10)
NEW_HOST_DELAY_SECONDS = 1.0
MAINTENANCE_SECONDS = 60.0
OFFER_SECONDS = 10.0
BRISK_SECONDS = 5.0
"""A host that takes longer is asked again in the lane of slow hosts, where it may take its time."""


class PinnedWebsocket(ClientConnection):
    """Checks its peer before the handshake is sent."""

    def __init__(self, *args: Any, trust: AgentTls, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trust = trust
        self.refusal: EveError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is done. A peer that is not pinned is cut with nothing sent."""
        super().connection_made(transport)
        try:
            self._trust.check(transport.get_extra_info("ssl_object"))
        except NotTrusted as error:
            self.refusal = error
            self.transport.abort()

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """As ClientConnection. Raises NotTrusted too."""
        if self.refusal is not None:
            raise self.refusal
        await super().handshake(*args, **kwargs)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        """Redirects are not followed."""
        return exc


async def open_events(trust: AgentTls) -> _Connect:
    """The websocket to that agent, to be used by ``async with``. Raises OSError where nothing answers."""
    async with asyncio.timeout(settings.AGENT_CONNECT_TIMEOUT_SECONDS):
        sock = await connect_tcp(trust.host, trust.port)
    return _Connect(
        f"wss://{trust.server_name}{paths.EVENTS}",
        create_connection=cast(type[ClientConnection], partial(PinnedWebsocket, trust=trust)),
        additional_headers={VERSION_HEADER: str(CONTRACT_VERSION)},
        user_agent_header=None,
        compression=None,
        proxy=None,
        open_timeout=settings.AGENT_CONNECT_TIMEOUT_SECONDS,
        close_timeout=1.0,
        ping_interval=PING_SECONDS,
        ping_timeout=PING_SECONDS,
        max_size=MAX_EVENT_BYTES,
        max_queue=16,
        sock=sock,
        ssl=trust.context,
        server_hostname=trust.server_name,
        ssl_handshake_timeout=settings.AGENT_CONNECT_TIMEOUT_SECONDS,
        ssl_shutdown_timeout=1.0,
    )


class HostLink:
    """Watches one host until cancelled."""

    def __init__(self, assignment: Assignment, workers: Workers) -> None:
        self._host = assignment
        self._workers = workers
        self._is_slow = False
        self._delay = FIRST_DELAY_SECONDS
        self._maintained_at = 0.0

    async def run(self) -> None:
        """Connects, listens, and connects again, for ever."""
        while True:
            try:
                await self._watch_once()
            except Exception as error:  # whatever a host does, the watching goes on
                await self._failed(error)
            await asyncio.sleep(self._delay * random.uniform(0.7, 1.3))  # noqa: S311
            self._delay = min(self._delay * 2, self._longest_delay())

    def _longest_delay(self) -> float:
        """Somebody waits for a host that has just enrolled: its agent is started any moment."""
        enrolled_at = self._host.enrolled_at
        is_new = enrolled_at is not None and timezone.now() - enrolled_at < NEW_HOST
        return NEW_HOST_DELAY_SECONDS if is_new else MAX_DELAY_SECONDS

    async def _watch_once(self) -> None:
        trust = await self._workers.write(_trust, self._host)
        try:
            async with await open_events(trust) as websocket:
                await self._hello(websocket)
                await self._listen(websocket)
        except EveError:
            raise
        except ConnectionClosed:
            raise HostAway(_("%(name)s ended the connection.") % {"name": self._host.name}) from None
        except InvalidStatus as error:
            raise self._refusal(error) from error
        except InvalidHandshake as error:
            raise as_agent_error(error, trust) from error
        except OSError as error:
            raise as_agent_error(error, trust) from error

    async def _hello(self, websocket: ClientConnection) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                event = self._decoded(await websocket.recv())
        except TimeoutError:
            raise BadAnswer(_("%(name)s took the connection and says nothing.") % {"name": self._host.name}) from None
        if event.kind is not EventKind.HELLO:
            raise BadAnswer(_("What answers for %(name)s is no agent of Eve's.") % {"name": self._host.name})
        if not is_supported(event.contract_version):
            raise contract_mismatch(self._host.name, event.contract_version)

    async def _listen(self, websocket: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        mailbox = Mailbox(resync_seconds=settings.RESYNC_SECONDS * random.uniform(0.8, 1.0), now=loop.time())  # noqa: S311
        arrived = asyncio.Event()
        reader = asyncio.create_task(self._read(websocket, mailbox, arrived))
        reader.add_done_callback(lambda _task: arrived.set())
        others = [
            asyncio.create_task(sample_forever(self._host, self._workers)),
            asyncio.create_task(self._offer_forever()),
        ]
        try:
            while not reader.done():
                batch = mailbox.take(loop.time())
                if batch.is_listing:
                    is_complete = await self._list()
                    mailbox.listed(loop.time(), is_complete=is_complete)
                    continue
                if batch.events:
                    await self._workers.write(
                        events_apply,
                        hypervisor_id=self._host.hypervisor_id,
                        enrolled_at=self._host.enrolled_at,
                        events=batch.events,
                    )
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(batch.wait_seconds):
                        await arrived.wait()
                arrived.clear()
        finally:
            for task in others:
                task.cancel()
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await reader

    async def _read(self, websocket: ClientConnection, mailbox: Mailbox, arrived: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        begun, count = loop.time(), 0
        while True:
            event = self._decoded(await websocket.recv())
            mailbox.put(event)
            arrived.set()
            count += 1
            if count >= MAX_EVENTS_PER_SECOND:
                await asyncio.sleep(max(0.0, begun + 1 - loop.time()))
                begun, count = loop.time(), 0

    async def _list(self) -> bool:
        """Lists everything. Returns whether it was complete; a libvirt that is down is no fault of the link."""
        try:
            await self._list_in_lane()
        except LibvirtAway as error:
            await self._state(HypervisorState.LIBVIRT_DOWN, str(error))
            return False
        self._delay = FIRST_DELAY_SECONDS
        await self._maintain()
        return True

    async def _list_in_lane(self) -> None:
        """A host that takes long is asked once more in the lane of slow hosts, and from then on until it is brisk again."""
        loop = asyncio.get_running_loop()
        ask = partial(host_resync, hypervisor_id=self._host.hypervisor_id, enrolled_at=self._host.enrolled_at)
        if not self._is_slow:
            try:
                await self._workers.ask_host(ask, seconds=BRISK_SECONDS)
                return
            except (AgentTimeout, LibvirtTimeout):
                self._is_slow = True
        begun = loop.time()
        await self._workers.ask_slow_host(ask)
        self._is_slow = loop.time() - begun > BRISK_SECONDS

    async def _offer_forever(self) -> None:
        """Lets the apps above ask the host for what they want to know now and then."""
        while True:
            await asyncio.sleep(OFFER_SECONDS * random.uniform(0.9, 1.1))  # noqa: S311
            await self._workers.ask_slow_host(
                host_reached.send_robust, sender=Hypervisor, hypervisor_id=self._host.hypervisor_id
            )

    async def _maintain(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._maintained_at < MAINTENANCE_SECONDS and self._maintained_at:
            return
        self._maintained_at = now
        try:
            await self._workers.ask_host(agent_trust_maintain, hypervisor_id=self._host.hypervisor_id)
        except EveError as error:
            log.warning("certificates_not_maintained", hypervisor=self._host.name, why=str(error))

    async def _failed(self, error: Exception) -> None:
        if not isinstance(error, EveError):
            log.exception("watching_failed", hypervisor=self._host.name)
            error = HostAway(_("Eve failed at watching %(name)s; its log says how.") % {"name": self._host.name})
        state = HypervisorState.REJECTED if isinstance(error, NotTrusted) else HypervisorState.OFFLINE
        log.info("host_away", hypervisor=self._host.name, state=state.value, why=str(error))
        try:
            await self._state(state, str(error))
        except Exception:  # the database is away too; the next attempt says it again
            log.exception("state_not_written", hypervisor=self._host.name)

    async def _state(self, state: HypervisorState, reason: str) -> None:
        await self._workers.write(
            hypervisor_state_set, hypervisor_id=self._host.hypervisor_id, state=state, reason=reason
        )

    def _refusal(self, error: InvalidStatus) -> EveError:
        version = error.response.headers.get(VERSION_HEADER, "")
        if version.isascii() and version.isdigit() and len(version) < 6 and not is_supported(int(version)):
            return contract_mismatch(self._host.name, int(version))
        return BadAnswer(
            _("%(name)s refused to tell its events (status %(status)d).")
            % {"name": self._host.name, "status": error.response.status_code}
        )

    def _decoded(self, message: str | bytes) -> Event:
        try:
            return codec.decode(Event, message)
        except codec.DecodeError as error:
            raise BadAnswer(
                _("An event of %(name)s is not understood (%(why)s).")
                % {"name": self._host.name, "why": str(error)[:200]}
            ) from error


def _trust(host: Assignment) -> AgentTls:
    hypervisor = Hypervisor.objects.filter(pk=host.hypervisor_id, enrolled_at=host.enrolled_at).first()
    if hypervisor is None:
        raise NotTrusted(_("%(name)s is no hypervisor of Eve's any more.") % {"name": host.name})
    return agent_tls(hypervisor)
