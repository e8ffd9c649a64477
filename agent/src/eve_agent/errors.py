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
    ├── NameTaken                another domain of the host has that name
    ├── DomainExists             a domain of that UUID is there, and Eve did not make it
    ├── NotMadeByEve             Eve deletes only what it made
    ├── DomainRunning            it would have to be off for that
    ├── BeyondHost               more processors or memory than the host has
    ├── NetworkNotFound          no such network or bridge
    ├── DeviceNotFound           the domain has no such device
    ├── PoolNotFound
    ├── PoolUnusable             the pool is not active, or of a kind that Eve does not write to
    ├── NoSpace                  the pool is full, or what is asked for is more than it may take
    ├── ImageNotFound
    ├── ImageInUse               a disk is thin over it, or a domain has it in its drive
    ├── ImageInvalid             not of the declared format, with a backing or data file, or beyond qemu-img's limits
    ├── ChecksumMismatch         the bytes are not those that were announced
    ├── OffsetMismatch           bytes were sent for a place that is not the next: ask for the image's status
    ├── AddressRefused           the address to fetch from, or one that it led to, is not allowed
    ├── FetchFailed              the server to fetch from failed, or does not have it
    ├── FetchTooSlow             the server to fetch from sends less than it has to
    ├── JobRunning               another job works on that image
    ├── VolumeNotFound           no such disk
    ├── VolumeInUse              a domain uses that disk
    ├── VolumeMismatch           a disk of that id is there, but larger or over another image
    ├── SnapshotNotFound
    ├── SnapshotRefused          the domain cannot have one: a disk of another format, or firmware whose variables cannot be kept
    ├── NoGuestAgent             no agent in the guest answers
    ├── GuestRefused             the guest's agent refused; the message has its words
    ├── ConsoleBusy              somebody else holds the serial line
    ├── TypingBusy               another text is being typed at the domain
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


class NameTaken(AgentError):
    """Another domain of the host has that name."""

    code = ErrorCode.NAME_TAKEN


class DomainExists(AgentError):
    """A domain of that UUID is there, and Eve did not make it."""

    code = ErrorCode.DOMAIN_EXISTS


class NotMadeByEve(AgentError):
    """Eve deletes only what it made."""

    code = ErrorCode.NOT_MADE_BY_EVE


class DomainRunning(AgentError):
    """It would have to be off for that."""

    code = ErrorCode.DOMAIN_RUNNING


class BeyondHost(AgentError):
    """More processors or memory than the host has."""

    code = ErrorCode.BEYOND_HOST


class NetworkNotFound(AgentError):
    """No such network or bridge."""

    code = ErrorCode.NETWORK_NOT_FOUND


class DeviceNotFound(AgentError):
    """The domain has no such device."""

    code = ErrorCode.DEVICE_NOT_FOUND


class PoolNotFound(AgentError):
    """The host has no such storage pool."""

    code = ErrorCode.POOL_NOT_FOUND


class PoolUnusable(AgentError):
    """The pool is not active, or of a kind that Eve does not write to."""

    code = ErrorCode.POOL_UNUSABLE


class NoSpace(AgentError):
    """The pool is full, or what is asked for is more than it may take."""

    code = ErrorCode.NO_SPACE


class ImageNotFound(AgentError):
    """The pool has no such image."""

    code = ErrorCode.IMAGE_NOT_FOUND


class ImageInUse(AgentError):
    """A disk is thin over it, or a domain has it in its drive."""

    code = ErrorCode.IMAGE_IN_USE


class ImageInvalid(AgentError):
    """Not of the declared format, with a backing or data file, or beyond qemu-img's limits."""

    code = ErrorCode.IMAGE_INVALID


class ChecksumMismatch(AgentError):
    """The bytes are not those that were announced."""

    code = ErrorCode.CHECKSUM_MISMATCH


class OffsetMismatch(AgentError):
    """Bytes were sent for a place that is not the next: ask for the image's status."""

    code = ErrorCode.OFFSET_MISMATCH


class AddressRefused(AgentError):
    """The address to fetch from, or one that it led to, is not allowed."""

    code = ErrorCode.ADDRESS_REFUSED


class FetchFailed(AgentError):
    """The server to fetch from failed, or does not have it."""

    code = ErrorCode.FETCH_FAILED


class FetchTooSlow(AgentError):
    """The server to fetch from sends less than it has to."""

    code = ErrorCode.FETCH_TOO_SLOW


class JobRunning(AgentError):
    """Another job works on that image."""

    code = ErrorCode.JOB_RUNNING


class VolumeNotFound(AgentError):
    """No such disk."""

    code = ErrorCode.VOLUME_NOT_FOUND


class VolumeInUse(AgentError):
    """A domain uses that disk."""

    code = ErrorCode.VOLUME_IN_USE


class VolumeMismatch(AgentError):
    """A disk of that id is there, but larger or over another image."""

    code = ErrorCode.VOLUME_MISMATCH


class SnapshotNotFound(AgentError):
    """The domain has no such snapshot."""

    code = ErrorCode.SNAPSHOT_NOT_FOUND


class SnapshotRefused(AgentError):
    """The domain cannot have one: a disk of another format, or firmware whose variables cannot be kept."""

    code = ErrorCode.SNAPSHOT_REFUSED


class NoGuestAgent(AgentError):
    """No agent in the guest answers."""

    code = ErrorCode.NO_GUEST_AGENT


class GuestRefused(AgentError):
    """The guest's agent refused; the message has its words."""

    code = ErrorCode.GUEST_REFUSED


class ConsoleBusy(AgentError):
    """Somebody else holds the serial line."""

    code = ErrorCode.CONSOLE_BUSY


class TypingBusy(AgentError):
    """Another text is being typed at the domain."""

    code = ErrorCode.TYPING_BUSY


class NotSupported(AgentError):
    """This driver cannot do that."""

    code = ErrorCode.NOT_SUPPORTED


class LibvirtAway(AgentError):
    """libvirt is not reachable; the driver keeps trying to reconnect."""

    code = ErrorCode.LIBVIRT_AWAY


class LibvirtTimeout(AgentError):
    """libvirt did not answer in time."""

    code = ErrorCode.LIBVIRT_TIMEOUT
