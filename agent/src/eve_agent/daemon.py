"""The composition root of ``eve-agent run``: identity, driver and server, put together and taken apart again."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import socket
import sys
from contextlib import suppress

import structlog
import uvloop

from . import __version__
from .config import Address, Config
from .driver.base import Driver
from .service.identity import Identity
from .transport.server import AgentServer

DRIVER_CLOSE_SECONDS = 1.0
SWITCH_INTERVAL_SECONDS = 0.0005
"""A thread that works gives way to a console's bytes after half a millisecond."""
EXPIRY_WARNING = dt.timedelta(days=7)

log = structlog.get_logger(__name__)


def make_fake_driver(*, console: Address | None, domains: int) -> Driver:
    """A made-up hypervisor with so many running guests, whose consoles are the RFB server at `console`. Needs no libvirt."""
    from .driver.fake import FakeDriver  # noqa: PLC0415

    return FakeDriver(console_address=(console.host, console.port) if console else None, domains=domains)


def make_libvirt_driver(config: Config) -> Driver:
    """The driver of the configured libvirt. Raises ImportError where libvirt's binding is not installed."""
    from .driver.kvm import Virtualization  # noqa: PLC0415
    from .driver.libvirt import LibvirtDriver  # noqa: PLC0415

    return LibvirtDriver(
        uri=config.libvirt_uri,
        call_timeout_seconds=config.libvirt_call_timeout_seconds,
        virtualization=Virtualization(config.virtualization),
        clipboard=config.clipboard,
    )


def run(config: Config, identity: Identity, driver: Driver) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError where the address cannot be listened on."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    uvloop.run(serve(config.listen_address, identity, driver))


async def serve(address: Address, identity: Identity, driver: Driver) -> None:
    """As :func:`run`, on the loop that is running."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = AgentServer(identity, driver)
    try:
        await driver.start()
        await server.start(address)
        _log_start(server, identity)
        notify("READY=1")
        await stop.wait()
        log.info("stopping")
        notify("STOPPING=1")
    finally:
        await server.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(driver.close(), DRIVER_CLOSE_SECONDS)
        log.info("stopped")


def notify(state: str) -> None:
    """Tells systemd (sd_notify(3)); does nothing where it did not ask for it."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)


def _log_start(server: AgentServer, identity: Identity) -> None:
    status = identity.status()
    log.info(
        "started",
        version=__version__,
        listening_on=[str(address) for address in server.addresses],
        name=identity.agent_name,
        certificate=status.fingerprint,
        certificate_ends=status.not_after.isoformat(),
    )
    if status.not_after - dt.datetime.now(dt.UTC) < EXPIRY_WARNING:
        log.warning("certificate_ends_soon", not_after=status.not_after.isoformat())
