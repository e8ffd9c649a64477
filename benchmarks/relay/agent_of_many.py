"""``eve-agent run --driver fake`` with more guests than its three: ``python -m benchmarks.relay.agent_of_many CONFIG tcp:HOST:PORT GUESTS``."""

from __future__ import annotations

import sys
from pathlib import Path

from eve_agent import daemon, logs
from eve_agent.config import Address, Config
from eve_agent.driver.fake import FakeDriver
from eve_agent.service.identity import Identity


def main(config_path: str, console: str, guests: str) -> None:
    """Serves until SIGTERM."""
    config = Config.load(Path(config_path))
    logs.configure(config.log_level)
    screen = Address.parse(console.removeprefix("tcp:"))
    driver = FakeDriver(console_address=(screen.host, screen.port), domains=int(guests))
    daemon.run(config, Identity(config.identity_dir.resolve()), driver)


if __name__ == "__main__":
    main(*sys.argv[1:])
