"""What the console relay costs, beside nginx, websockify and Go.

    python -m benchmarks.console_relay [--quick] [--only bulk,echo] [--peers nginx,go] [--json FILE]

starts everything itself, measures, prints a table for each measure with the ratio to the better peer and the aim, and ends everything.
Loopback only.

    python -m benchmarks.console_relay --serve --console tcp:HOST:PORT

starts Eve and an agent on that console (an RFB 3.8 server without authentication), prints one line of JSON,
``{"url": "ws://…?token=…", "pids": [Eve's and the agent's]}``, and stays up until SIGTERM, for a client from outside.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eve_agent.config import Address

from benchmarks.relay.serve import serve

OPEN_FILES = 65536


def console_address(text: str) -> str:
    """``tcp:HOST:PORT``, checked. Raises argparse.ArgumentTypeError."""
    try:
        if not text.startswith("tcp:"):
            raise ValueError(f"{text!r} is no tcp:HOST:PORT")
        Address.parse(text.removeprefix("tcp:"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="only start Eve and an agent, on --console")
    parser.add_argument("--console", type=console_address, metavar="tcp:HOST:PORT", help="the RFB server for --serve")
    return parser


def main() -> None:
    """The command."""
    parser = arguments()
    options = parser.parse_args()
    allow_open_files()
    if options.serve:
        if options.console is None:
            parser.error("--serve needs a --console tcp:HOST:PORT")
        serve(options.console)


def allow_open_files() -> None:
    """As many as this user may have: 500 consoles take over 2000 in all, and the usual limit is 1024 a process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    main()
