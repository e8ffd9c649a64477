"""Runs one service and ends it when the tests end, also when they are killed.

``python guard.py COMMAND…`` starts the command and waits until its own standard input is closed, which the kernel does for
the process that holds the other end, however that one dies. Should the guard itself be killed, the service is sent a signal.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 10


def _die_with_the_guard() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT, 0, 0, 0)


def main() -> int:
    """Start the command, wait for the end of standard input or of the command, end the command."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=_die_with_the_guard,  # noqa: PLW1509 - this process has one thread
    )
    ended_fd = os.pidfd_open(service.pid)
    select.select([sys.stdin, ended_fd], [], [])
    if service.poll() is not None:
        return service.returncode
    service.send_signal(signal.SIGINT)
    try:
        service.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
