"""How a console's bytes move: what both ways of moving them have in common.

:class:`consoles.pump.Pump` forwards what the two sockets carry, unparsed; :class:`consoles.frames.FrameRelay` forwards message by message,
under a server that does not hand its socket over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Ending:
    """How a relay ended by itself."""

    code: int
    """:class:`eve_agent.wire.close.CloseCode`, or what the viewer's browser said."""
    reason: str = ""
    """A sentence of Eve's for the viewer. Of an end that the agent made, the code says why."""
    said: str = ""
    """What the agent said of it: for the log."""
    viewer_is_gone: bool = False
    is_a_guess: bool = False
    """The connection to the agent was cut while words of its may have waited behind a viewer that took nothing: it can be asked."""


class Relay(Protocol):
    """Bytes in both directions between one viewer and one agent."""

    bytes_to_viewer: int
    bytes_from_viewer: int

    def start(self, on_end: Callable[[Ending], None]) -> None:
        """Forwards until one side ends; `on_end` is told, once, of the first ending that is not :meth:`close`."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Tells the viewer `code` and `reason`, if it is still there, and lets go of both sides. Takes a few seconds at most."""
        ...


class Handover(Protocol):
    """What a server that hands its sockets over puts into ``scope["extensions"]`` under :data:`HANDOVER`."""

    def take(
        self, protocol: asyncio.BaseProtocol, on_shutdown: Callable[[], None]
    ) -> tuple[asyncio.Transport, Callable[[], None]]:
        """The viewer's transport. From now on `protocol` gets what arrives, and the server neither reads nor writes.

        The application may return: the server goes on to count the connection until it is told that it is gone, by a call of what is
        returned beside the transport.

        Args:
            protocol: what asyncio calls from now on.
            on_shutdown: called when the server stops; the owner has to end the connection.

        Raises:
            ViewerSpokeEarly: the viewer sent something before it was told anything.
            ViewerLeft: there is no connection any more.
        """
        ...


HANDOVER = "eve.handover"


class ViewerLeft(Exception):
    """The viewer's connection is gone already."""


class ViewerSpokeEarly(Exception):
    """The viewer sent bytes before the display said anything: in RFB it is the display that speaks first."""
