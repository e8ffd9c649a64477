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
    NAME_TAKEN = "name_taken"
    """Another domain of the host has that name."""
    DOMAIN_EXISTS = "domain_exists"
    """A domain of that UUID is there, and Eve did not make it."""
    NOT_MADE_BY_EVE = "not_made_by_eve"
    """Eve deletes only what it made."""
    DOMAIN_RUNNING = "domain_running"
    """It would have to be off for that."""
    BEYOND_HOST = "beyond_host"
    """More processors or memory than the host has."""
    NETWORK_NOT_FOUND = "network_not_found"
    """No such network or bridge."""
    DEVICE_NOT_FOUND = "device_not_found"
    """The domain has no such device."""
    POOL_NOT_FOUND = "pool_not_found"
    POOL_UNUSABLE = "pool_unusable"
    """The pool is not active, or of a kind that Eve does not write to."""
    NO_SPACE = "no_space"
    """The pool is full, or what is asked for is more than it may take."""
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_IN_USE = "image_in_use"
    """A disk is thin over it, or a domain has it in its drive."""
    IMAGE_INVALID = "image_invalid"
    """Not of the declared format, with a backing or data file, or beyond qemu-img's limits."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """The bytes are not those that were announced."""
    OFFSET_MISMATCH = "offset_mismatch"
    """Bytes were sent for a place that is not the next: ask for the image's status."""
    ADDRESS_REFUSED = "address_refused"
    """The address to fetch from, or one that it led to, is not allowed."""
    FETCH_FAILED = "fetch_failed"
    """The server to fetch from failed, or does not have it."""
    FETCH_TOO_SLOW = "fetch_too_slow"
    """The server to fetch from sends less than it has to."""
    JOB_RUNNING = "job_running"
    """Another job works on that image."""
    VOLUME_NOT_FOUND = "volume_not_found"
    """No such disk."""
    VOLUME_IN_USE = "volume_in_use"
    """A domain uses that disk."""
    VOLUME_MISMATCH = "volume_mismatch"
    """A disk of that id is there, but larger or over another image."""
    SNAPSHOT_NOT_FOUND = "snapshot_not_found"
    SNAPSHOT_REFUSED = "snapshot_refused"
    """The domain cannot have one: a disk of another format, or firmware whose variables cannot be kept."""
    NO_GUEST_AGENT = "no_guest_agent"
    """No agent in the guest answers."""
    GUEST_REFUSED = "guest_refused"
    """The guest's agent refused; the message has its words."""
    CONSOLE_BUSY = "console_busy"
    """Somebody else holds the serial line: ask again with ``force`` to take it from them."""
    TYPING_BUSY = "typing_busy"
    """Another text is being typed at that domain."""
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
    ErrorCode.NAME_TAKEN: HTTPStatus.CONFLICT,
    ErrorCode.DOMAIN_EXISTS: HTTPStatus.CONFLICT,
    ErrorCode.NOT_MADE_BY_EVE: HTTPStatus.CONFLICT,
    ErrorCode.DOMAIN_RUNNING: HTTPStatus.CONFLICT,
    ErrorCode.BEYOND_HOST: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.NETWORK_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.DEVICE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.POOL_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.POOL_UNUSABLE: HTTPStatus.CONFLICT,
    ErrorCode.NO_SPACE: HTTPStatus.INSUFFICIENT_STORAGE,
    ErrorCode.IMAGE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.IMAGE_IN_USE: HTTPStatus.CONFLICT,
    ErrorCode.IMAGE_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.CHECKSUM_MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.OFFSET_MISMATCH: HTTPStatus.CONFLICT,
    ErrorCode.ADDRESS_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.FETCH_FAILED: HTTPStatus.BAD_GATEWAY,
    ErrorCode.FETCH_TOO_SLOW: HTTPStatus.BAD_GATEWAY,
    ErrorCode.JOB_RUNNING: HTTPStatus.CONFLICT,
    ErrorCode.VOLUME_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.VOLUME_IN_USE: HTTPStatus.CONFLICT,
    ErrorCode.VOLUME_MISMATCH: HTTPStatus.CONFLICT,
    ErrorCode.SNAPSHOT_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.SNAPSHOT_REFUSED: HTTPStatus.CONFLICT,
    ErrorCode.NO_GUEST_AGENT: HTTPStatus.CONFLICT,
    ErrorCode.GUEST_REFUSED: HTTPStatus.CONFLICT,
    ErrorCode.CONSOLE_BUSY: HTTPStatus.CONFLICT,
    ErrorCode.TYPING_BUSY: HTTPStatus.CONFLICT,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.UNKNOWN: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Body of every answer with a status of 400 and above."""

    code: ErrorCode
    message: str
    """One sentence for a person: what, why, what to do."""
