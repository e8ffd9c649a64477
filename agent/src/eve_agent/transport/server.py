"""The agent's server: listener, routes and services put together, started and ended."""

from __future__ import annotations

import asyncio

import structlog

from eve_agent.config import Address
from eve_agent.driver.base import Driver
from eve_agent.service.consoles import Consoles
from eve_agent.service.identity import Identity
from eve_agent.service.images import Images
from eve_agent.service.jobs import Jobs
from eve_agent.service.liveness import Pace
from eve_agent.service.typist import Typist
from eve_agent.wire import paths
from eve_agent.wire.close import CloseCode

from .console import ConsoleEndpoint
from .events import EventsEndpoint
from .handlers import CertificateHandlers, HostHandlers, SessionHandlers
from .http import Handler, HttpServer, Router
from .machines import GuestHandlers, MachineHandlers, SnapshotHandlers
from .metrics import Metrics
from .storage import ImageHandlers, JobHandlers, StorageHandlers
from .tls import Listener, peer_fingerprint
from .typing import TypingHandlers

HOUSEKEEPING_SECONDS = 30.0
REQUEST_SECONDS = 1.0
"""How long a request that is under way may take while the server ends."""

log = structlog.get_logger(__name__)


class AgentServer:
    """Serves `driver` to whom `identity` believes."""

    def __init__(self, identity: Identity, driver: Driver, *, pace: Pace | None = None) -> None:
        self._identity = identity
        self.consoles = Consoles(driver, pace=pace)
        self._jobs = Jobs()
        self._typist = Typist(driver)
        self._events = EventsEndpoint(driver)
        self._metrics = Metrics()
        self._metrics.watch(self.consoles, identity, driver, lambda: len(self._events))
        self._listener = Listener(identity, self._make_connection)
        self._certificates = CertificateHandlers(identity, self._listener, self.cut_unpinned)
        self._console = ConsoleEndpoint(self.consoles, observe_setup=self._metrics.observe_setup)
        self._http = HttpServer(
            self._routes(driver), observe=self._metrics.observe_request, on_request=self._certificates.seen
        )
        self._housekeeping: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens."""
        return self._listener.addresses

    async def start(self, address: Address) -> None:
        """Listens. Raises OSError."""
        await self._listener.start(address)
        self._housekeeping = asyncio.create_task(self._keep_house())

    def cut_unpinned(self) -> None:
        """Cuts the connections whose certificate is no longer pinned."""
        speaking = [connection.transport for connection in self._http.connections]
        for transport in (*speaking, *self._console.connections):
            if transport is not None and peer_fingerprint(transport) not in self._identity.pins:
                log.warning("connection_cut", why="its certificate is no longer pinned")
                transport.abort()

    async def close(self) -> None:
        """Stops listening, tells consoles and listeners to come back, and lets go of every connection."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        self._listener.close()
        await asyncio.gather(
            self.consoles.end_all(CloseCode.SERVICE_RESTART),
            self._events.close(),
            self._jobs.close(),
            self._typist.close(),
        )
        self._http.pre_shutdown()
        await self._http.shutdown(REQUEST_SECONDS)

    def _make_connection(self) -> asyncio.Protocol:
        return self._http()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self._certificates.drop_unconfirmed()
            except OSError:
                log.exception("housekeeping_failed")

    def _routes(self, driver: Driver) -> Router:
        host, sessions, certificate = HostHandlers(driver), SessionHandlers(self.consoles), self._certificates
        typing = TypingHandlers(self._typist)
        return Router(
            {
                **_machine_routes(driver, host),
                **_storage_routes(driver, self._jobs),
                paths.HOST: {"GET": host.host},
                paths.STATS: {"GET": host.stats},
                paths.DOMAINS: {"GET": host.domains},
                paths.DOMAIN_STATE: {"GET": host.domain, "PATCH": host.change_state},
                paths.DOMAIN_SCREENSHOT: {"GET": host.screenshot},
                paths.DOMAIN_CONSOLE: {"GET": self._console},
                paths.DOMAIN_CONSOLE_SESSION: {
                    "GET": sessions.status,
                    "PATCH": sessions.change_mode,
                    "DELETE": sessions.end,
                },
                paths.DOMAIN_TYPING: {"GET": typing.status, "PUT": typing.begin, "DELETE": typing.cancel},
                paths.EVENTS: {"GET": self._events},
                paths.CERTIFICATE: {
                    "GET": certificate.status,
                    "POST": certificate.request,
                    "PUT": certificate.install,
                },
                paths.CERTIFICATE_PINS: {"PUT": certificate.replace_pins},
                paths.METRICS: {"GET": self._metrics},
            }
        )


def _machine_routes(driver: Driver, host: HostHandlers) -> dict[str, dict[str, Handler]]:
    machines, snapshots, guests = MachineHandlers(driver), SnapshotHandlers(driver), GuestHandlers(driver)
    return {
        paths.DOMAIN: {"GET": host.domain, "PUT": machines.define, "DELETE": machines.delete},
        paths.DOMAIN_RESOURCES: {"PUT": machines.resources},
        paths.DOMAIN_DISK: {"PUT": machines.attach_disk, "DELETE": machines.detach_disk},
        paths.DOMAIN_DISK_SIZE: {"PUT": machines.grow_disk},
        paths.DOMAIN_NIC: {"PUT": machines.attach_nic, "DELETE": machines.detach_nic},
        paths.DOMAIN_CDROM: {"PUT": machines.change_cdrom},
        paths.DOMAIN_BOOT: {"PUT": machines.set_boot_order},
        paths.DOMAIN_TITLE: {"PUT": machines.set_title},
        paths.DOMAIN_AUTOSTART: {"PUT": machines.set_autostart},
        paths.DOMAIN_SNAPSHOTS: {"GET": snapshots.snapshots},
        paths.DOMAIN_SNAPSHOT: {"PUT": snapshots.make, "DELETE": snapshots.delete},
        paths.DOMAIN_SNAPSHOT_REVERT: {"POST": snapshots.revert},
        paths.DOMAIN_GUEST: {"GET": guests.info},
        paths.DOMAIN_GUEST_PASSWORD: {"PUT": guests.set_password},
        paths.DOMAIN_GUEST_FREEZE: {"POST": guests.freeze},
        paths.DOMAIN_GUEST_THAW: {"POST": guests.thaw},
    }


def _storage_routes(driver: Driver, jobs: Jobs) -> dict[str, dict[str, Handler]]:
    storage, images, job = StorageHandlers(driver), ImageHandlers(Images(driver, jobs)), JobHandlers(jobs)
    return {
        paths.STORAGE: {"GET": storage.pools},
        paths.VOLUMES: {"GET": storage.volumes},
        paths.IMAGE: {"GET": images.status, "PUT": images.fetch, "DELETE": images.delete},
        paths.IMAGE_DATA: {"GET": images.read, "PUT": images.send},
        paths.IMAGE_FINISH: {"POST": images.finish},
        paths.IMAGE_COPY: {"POST": images.copy},
        paths.DISK: {"GET": storage.disk, "PUT": storage.make_disk, "DELETE": storage.delete_disk},
        paths.SEED: {"PUT": storage.make_seed, "DELETE": storage.delete_seed},
        paths.JOB: {"GET": job.report, "DELETE": job.cancel},
    }
