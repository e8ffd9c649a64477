"""Errors of consoles::

ConsoleRefused(EveError)     no console now; `close_code` tells the page why
├── TooManyConsoles          the limit of this VM or user is reached
├── DisplayRefused           the agent refused: VM off, no display, libvirt away, …
└── HostUnreachable          no trusted answer from the host
    └── NotAnswered          the connection ended before the host said anything
SessionOver(Conflict)        the session has ended
MayNotControl(NotAllowed)    a viewer's role does not allow the keyboard
LinkEnded(EveError)          a guest link opens nothing (any more)
GuestNameMissing(Invalid)    a guest has to say who they are
TooManyLinks(LimitReached)   the VM has enough guest links
TypingBusy(Conflict)         another text is being typed at the VM
AgentTooOld(Conflict)        the host's agent cannot do that yet
CharactersMissing(Invalid)   the keyboard does not have what is to be typed
PicturesOff(Conflict)        no pictures are kept here
PictureTooLarge(Conflict)    a picture is larger than what may be kept
BadCredential                the handshake is refused: nothing is said of why
LinkLost                     the link to the agent ended; `close_code` as the agent gave it
"""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from eve_agent.wire.close import CloseCode
from eve_agent.wire.errors import ErrorCode

from common.errors import Conflict, EveError, Invalid, LimitReached, NotAllowed
from common.sentences import gettext_lazy as _
from hypervisors.refusals import refusal_words


class BadCredential(Exception):
    """The handshake is refused. The text is for the log, never for the caller."""


class ConsoleRefused(EveError):
    """There is no console to be had now."""

    status: ClassVar[int] = 409
    code = "console_refused"
    title = _("No console just now")

    def __init__(self, close_code: CloseCode, detail: str | Promise = "", *, for_staff: str = "") -> None:
        super().__init__(detail, for_staff=for_staff, close_code=int(close_code))
        self.close_code = close_code


class TooManyConsoles(ConsoleRefused):
    """The limit of this VM or user is reached."""

    status = 429
    code = "too_many_consoles"
    title = _("Too many consoles are open")

    def __init__(self, detail: str | Promise) -> None:
        super().__init__(CloseCode.TOO_MANY, detail)


_CLOSE_CODE_OF = {
    ErrorCode.DOMAIN_OFF: CloseCode.VM_OFF,
    ErrorCode.NO_DISPLAY: CloseCode.NO_DISPLAY,
    ErrorCode.DISPLAY_UNSUPPORTED: CloseCode.NO_DISPLAY,
    ErrorCode.NOT_SUPPORTED: CloseCode.NO_DISPLAY,
    ErrorCode.DOMAIN_NOT_FOUND: CloseCode.VM_GONE,
    ErrorCode.CONSOLE_BUSY: CloseCode.LINE_BUSY,
    ErrorCode.LIBVIRT_AWAY: CloseCode.LIBVIRT_AWAY,
    ErrorCode.LIBVIRT_TIMEOUT: CloseCode.LIBVIRT_AWAY,
}


class DisplayRefused(ConsoleRefused):
    """The agent refused to open the display; `agent_code` is its word for why, `said` its sentence."""

    def __init__(self, agent_code: ErrorCode, said: str) -> None:
        super().__init__(
            _CLOSE_CODE_OF.get(agent_code, CloseCode.INTERNAL_ERROR), refusal_words(agent_code), for_staff=said
        )
        self.agent_code = agent_code


class HostUnreachable(ConsoleRefused):
    """The host gave no answer that Eve trusts, in time."""

    status = 503
    retryable = True

    def __init__(self, detail: str | Promise) -> None:
        super().__init__(CloseCode.HOST_AWAY, detail)


class NotAnswered(HostUnreachable):
    """The connection ended before the host said anything: one that was made in advance may have died meanwhile."""


class SessionOver(Conflict):
    """The session has ended."""

    code = "session_over"


class MayNotControl(NotAllowed):
    """The viewer's role does not allow the keyboard."""

    code = "may_not_control"


class LinkEnded(EveError):
    """A guest link opens nothing (any more)."""

    status: ClassVar[int] = 403
    code = "guest_link_ended"
    title = _("This link opens nothing")


class GuestNameMissing(Invalid):
    """A guest has to say who they are."""

    code = "guest_name_missing"


class TooManyLinks(LimitReached):
    """The VM has enough guest links."""

    code = "too_many_guest_links"


class PicturesOff(Conflict):
    """No pictures are kept here."""

    code = "screenshots_off"


class PictureTooLarge(Conflict):
    """A picture is larger than what may be kept."""

    code = "screenshot_too_large"


class TypingBusy(Conflict):
    """Another text is being typed at the VM."""

    code = "typing_busy"


class AgentTooOld(Conflict):
    """The agent on the VM's host cannot do that yet."""

    code = "agent_too_old"


class CharactersMissing(Invalid):
    """The keyboard does not have what is to be typed."""

    code = "characters_missing"


class LinkLost(Exception):
    """The link to the agent ended. `reason` is Eve's sentence for it, where she has one; `said` the agent's."""

    def __init__(self, close_code: int, reason: str = "", *, said: str = "") -> None:
        super().__init__(reason or said or str(close_code))
        self.close_code = close_code
        self.reason = reason
        self.said = said
