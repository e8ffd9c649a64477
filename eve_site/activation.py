"""Listening sockets that systemd passes on (sd_listen_fds(3)): connections wait in them while Eve restarts."""

from __future__ import annotations

import functools
import os
import socket

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START."""
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@functools.cache
def passed_sockets() -> tuple[socket.socket, ...]:
    """The sockets that were passed to this very process; none where systemd does not listen for it. No child inherits them.

    To be called before Django's apps are loaded: Twisted, which daphne brings along, takes the variables away as it is imported.
    """
    pid, count = os.environ.get("LISTEN_PID", ""), os.environ.get("LISTEN_FDS", "")
    for name in VARIABLES:
        os.environ.pop(name, None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return ()
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return tuple(socket.socket(fileno=descriptor) for descriptor in descriptors)
