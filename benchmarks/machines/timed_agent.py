"""``eve-agent run`` that writes down how long libvirt takes: ``python -m benchmarks.machines.timed_agent CONFIG CALLS``.

Each call of libvirt's binding becomes a line of the file CALLS: its name, and when it began and ended.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirtmod
from eve_agent import daemon, logs
from eve_agent.config import Config
from eve_agent.service.identity import Identity

NOT_CALLS = ("virEvent", "virInitialize", "virRegister")
"""The event loop, which waits, and what is called once."""


def timed(function: Callable[..., Any], name: str, out: int) -> Callable[..., Any]:
    """The same function, written down."""

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        begun = time.time()
        try:
            return function(*arguments)
        finally:
            os.write(out, f"{name} {begun:.6f} {time.time():.6f}\n".encode())

    return call


def main(config_path: str, calls_path: str) -> None:
    """Serves until SIGTERM."""
    out = os.open(calls_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for name in dir(libvirtmod):
        function = getattr(libvirtmod, name)
        if name.startswith("vir") and callable(function) and not name.startswith(NOT_CALLS):
            setattr(libvirtmod, name, timed(function, name, out))
    config = Config.load(Path(config_path))
    logs.configure(config.log_level)
    daemon.run(config, Identity(config.identity_dir.resolve()), daemon.make_libvirt_driver(config))


if __name__ == "__main__":
    main(*sys.argv[1:])
