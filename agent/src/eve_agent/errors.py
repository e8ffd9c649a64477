"""Errors of the agent, mapped to the wire's codes.

The tree::

    AgentError                   a request that cannot be answered as asked; has a wire ErrorCode
    ├── BadRequest               the request itself is wrong
    │   └── BadUuid              an id in the path is no UUID
    ├── PathNotFound             no such path
    ├── MethodNotAllowed         the path has no such method
    ├── BodyTooLarge             the request's body is beyond the limit
    ├── ContractUnsupported      the peers' contract versions are too far apart
    ├── ConsoleNotFound          no such console session is open
    ├── SessionExists            a console session of that id is open already
    ├── DomainNotFound
    ├── DomainOff                it would have to run for that
    ├── NoDisplay                no graphics (or serial) device at all
    ├── DisplayUnsupported       graphics, but none that speaks VNC
    ├── ActionRefused            libvirt refused, in its own words
    ├── NotSupported             this driver cannot do that
    ├── LibvirtAway              libvirt is not reachable                    (retryable)
    └── LibvirtTimeout           libvirt did not answer in time              (retryable)
"""

from __future__ import annotations

from typing import ClassVar

from .wire.errors import ErrorCode, Problem


class AgentError(Exception):
    """A request that cannot be answered as asked. `str(error)` is one sentence for a person."""

    code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def as_problem(self) -> Problem:
        """The body of the answer."""
        return Problem(code=self.code, message=str(self))


class BadRequest(AgentError):
    """The request itself is wrong."""

    code = ErrorCode.BAD_REQUEST


class BadUuid(BadRequest):
    """An id in the path is no UUID."""

    code = ErrorCode.BAD_UUID


class PathNotFound(AgentError):
    """No such path."""

    code = ErrorCode.NOT_FOUND


class MethodNotAllowed(AgentError):
    """The path has no such method."""

    code = ErrorCode.METHOD_NOT_ALLOWED


class BodyTooLarge(AgentError):
    """The request's body is beyond the limit."""

    code = ErrorCode.BODY_TOO_LARGE


class ContractUnsupported(AgentError):
    """The peers' contract versions are too far apart."""

    code = ErrorCode.CONTRACT_UNSUPPORTED


class ConsoleNotFound(AgentError):
    """No such console session is open."""

    code = ErrorCode.CONSOLE_NOT_FOUND


class SessionExists(AgentError):
    """A console session of that id is open already."""

    code = ErrorCode.SESSION_EXISTS


class DomainNotFound(AgentError):
    """This host has no such domain."""

    code = ErrorCode.DOMAIN_NOT_FOUND


class DomainOff(AgentError):
    """The domain would have to run for that."""

    code = ErrorCode.DOMAIN_OFF


class NoDisplay(AgentError):
    """The domain has no graphics device at all (for a serial console: no serial port)."""

    code = ErrorCode.NO_DISPLAY


class DisplayUnsupported(AgentError):
    """The domain has graphics, but none that speaks VNC."""

    code = ErrorCode.DISPLAY_UNSUPPORTED


class ActionRefused(AgentError):
    """libvirt refused; the message has its words."""

    code = ErrorCode.ACTION_REFUSED


class NotSupported(AgentError):
    """This driver cannot do that."""

    code = ErrorCode.NOT_SUPPORTED


class LibvirtAway(AgentError):
    """libvirt is not reachable; the driver keeps trying to reconnect."""

    code = ErrorCode.LIBVIRT_AWAY


class LibvirtTimeout(AgentError):
    """libvirt did not answer in time."""

    code = ErrorCode.LIBVIRT_TIMEOUT
