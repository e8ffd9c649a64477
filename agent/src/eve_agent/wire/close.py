"""Websocket close codes of a console, from agent to Eve and from Eve to the browser (RFC 6455, 7.4.2: 4000–4999 are ours)."""

from __future__ import annotations

import enum


class CloseCode(enum.IntEnum):
    """Why a console ended. The page has a sentence for each; :data:`RETRYABLE` tells which it may reopen by itself."""

    NORMAL = 1000
    """The viewer left."""
    GOING_AWAY = 1001
    """The browser's own: the page was closed."""
    PROTOCOL_ERROR = 1002
    """A malformed websocket frame."""
    UNSUPPORTED_DATA = 1003
    """A text frame on a binary channel."""
    MESSAGE_TOO_BIG = 1009
    """A frame beyond the limit."""
    INTERNAL_ERROR = 1011
    """A fault of Eve's or the agent's; its log has the session's id."""
    SERVICE_RESTART = 1012
    """Eve or the agent restarts; come back in a moment."""
    ACCESS_ENDED = 4001
    """Signed out, token revoked, user disabled, membership lost."""
    ENDED_BY_STAFF = 4002
    """Somebody who may do so ended this session."""
    VM_GONE = 4003
    """The virtual machine was deleted, or is no longer the caller's."""
    VM_OFF = 4004
    """The virtual machine is not running; there is no screen to show."""
    NO_DISPLAY = 4005
    """It runs, but has no display of the kind asked for (headless, or SPICE only)."""
    HOST_AWAY = 4006
    """Eve does not reach the host, or does not trust what answers there."""
    DISPLAY_LOST = 4007
    """The display closed under the session: the guest stopped, or QEMU ended."""
    IDLE_LIMIT = 4008
    TOTAL_LIMIT = 4009
    TOO_SLOW = 4010
    """The viewer did not keep up and more was waiting than Eve holds for one."""
    STALLED = 4011
    """Nothing was received or acknowledged for too long."""
    TOO_MANY = 4012
    """The limit of consoles for this VM or user is reached."""
    BAD_MESSAGE = 4013
    """The viewer sent what the display protocol does not allow (in a view-only session: also what the agent does not know)."""
    LIBVIRT_AWAY = 4014
    """The host answers, but its libvirt does not."""
    LINE_BUSY = 4015
    """Somebody else holds the serial line, which one viewer at a time can have."""
    LINE_TAKEN = 4016
    """Somebody took the serial line over."""


RETRYABLE = frozenset(
    {
        CloseCode.SERVICE_RESTART,
        CloseCode.HOST_AWAY,
        CloseCode.DISPLAY_LOST,
        CloseCode.TOO_SLOW,
        CloseCode.STALLED,
        CloseCode.LIBVIRT_AWAY,
        CloseCode.INTERNAL_ERROR,
    }
)
"""After these a page may ask for a fresh ticket by itself, waiting longer each time."""
