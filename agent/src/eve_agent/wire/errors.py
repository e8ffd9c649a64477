"""Errors that an agent answers with."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from http import HTTPStatus


class ErrorCode(enum.StrEnum):
    """What went wrong; :attr:`status` is the HTTP status that goes with it."""

    BAD_REQUEST = "bad_request"
    BAD_UUID = "bad_uuid"
    """The domain's id is no UUID."""
    NOT_FOUND = "not_found"
    """No such path."""
    DOMAIN_NOT_FOUND = "domain_not_found"
    CONSOLE_NOT_FOUND = "console_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    DOMAIN_OFF = "domain_off"
    """It would have to run for that."""
    NO_DISPLAY = "no_display"
    """The domain has no graphics device at all (for a serial console: no serial port)."""
    DISPLAY_UNSUPPORTED = "display_unsupported"
    """It has graphics, but none that speaks VNC."""
    ACTION_REFUSED = "action_refused"
    """libvirt refused; the message has its words."""
    SESSION_EXISTS = "session_exists"
    """A console of that id is open already."""
    BODY_TOO_LARGE = "body_too_large"
    CONTRACT_UNSUPPORTED = "contract_unsupported"
    """The peers' contract versions are more than one apart."""
    LIBVIRT_AWAY = "libvirt_away"
    LIBVIRT_TIMEOUT = "libvirt_timeout"
    NOT_SUPPORTED = "not_supported"
    """This agent's driver cannot do that."""
    INTERNAL = "internal"
    UNKNOWN = "unknown"
    """A code that this version does not know."""

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that an agent answers with."""
        return _STATUS[self]

    @property
    def is_retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self in (ErrorCode.LIBVIRT_AWAY, ErrorCode.LIBVIRT_TIMEOUT)


_STATUS = {
    ErrorCode.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    ErrorCode.BAD_UUID: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.DOMAIN_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.CONSOLE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    ErrorCode.DOMAIN_OFF: HTTPStatus.CONFLICT,
    ErrorCode.NO_DISPLAY: HTTPStatus.CONFLICT,
    ErrorCode.DISPLAY_UNSUPPORTED: HTTPStatus.CONFLICT,
    ErrorCode.ACTION_REFUSED: HTTPStatus.CONFLICT,
    ErrorCode.SESSION_EXISTS: HTTPStatus.CONFLICT,
    ErrorCode.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.CONTRACT_UNSUPPORTED: HTTPStatus.UPGRADE_REQUIRED,
    ErrorCode.LIBVIRT_AWAY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.LIBVIRT_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorCode.NOT_SUPPORTED: HTTPStatus.NOT_IMPLEMENTED,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Body of every answer with a status of 400 and above."""

    code: ErrorCode
    message: str
    """One sentence for a person: what, why, what to do."""
