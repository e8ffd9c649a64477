"""Stands between ``make run`` and what it starts as root: libvirt's daemons on machines without systemd, perhaps the agent.

``python reaper.py COMMAND…`` starts the daemon, adopts and reaps the processes that it leaves behind (libvirt waits for the
end of each QEMU that it probes, and some containers' first process never collects them), and ends the daemon when its own
standard input is closed, since a user cannot signal root's processes. Running VMs live on. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 10


def main() -> int:
    """Start the daemon, reap until it ends, return its exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    daemon = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_terminate_at_end_of_input, args=(daemon.pid,), daemon=True).start()
    while True:
        pid, status = os.wait()
        if pid == daemon.pid:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _terminate_at_end_of_input(pid: int) -> None:
    while os.read(0, 4096):
        pass
    os.kill(pid, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
