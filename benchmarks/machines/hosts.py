"""Many agents with made-up hypervisors in one process: ``python -m benchmarks.machines.hosts URL FOLDER GUESTS``, tokens on stdin.

Standard input has a line a host: the port on which its agent is to listen, and its enrolment token. The line ``ready`` is printed
once all of them listen.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop
from eve_agent import logs
from eve_agent.config import Address
from eve_agent.driver.fake import FakeDriver
from eve_agent.enrolment import Enrolment, EnrolmentError, enrol
from eve_agent.service.identity import Identity
from eve_agent.transport.server import AgentServer
from eve_agent.wire.certs import EnrolmentToken

RETRY_SECONDS = 5


def host_enrol(url: str, folder: Path, port: str, token: str) -> tuple[Address, Identity]:
    """As an operator does on the host."""
    home = folder / port
    home.mkdir()
    address = Address("127.0.0.1", int(port))
    wish = Enrolment(
        url=url,
        token=EnrolmentToken.parse(token),
        config_path=home / "agent.toml",
        key_dir=home / "keys",
        listen=address,
    )
    while True:
        try:
            enrol(wish)
            break
        except EnrolmentError:  # Eve takes 60 a minute from one address
            time.sleep(RETRY_SECONDS)
    return address, Identity((home / "keys" / "current").resolve())


async def serve(hosts: list[tuple[Address, Identity]], guests: int) -> None:
    """All of them, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    servers = []
    for address, identity in hosts:
        driver = FakeDriver(domains=guests, host_name=f"host-{address.port}")
        await driver.start()
        server = AgentServer(identity, driver)
        await server.start(address)
        servers.append(server)
    print("ready", flush=True)
    await stop.wait()
    await asyncio.gather(*(server.close() for server in servers))


def main(url: str, folder: str, guests: str) -> None:
    """The command line."""
    logs.configure("warning")
    hosts = [host_enrol(url, Path(folder), *line.split()) for line in sys.stdin]
    uvloop.run(serve(hosts, int(guests)))


if __name__ == "__main__":
    main(*sys.argv[1:])
