"""The only module that imports libvirt: its connections, its error, and the numbers that the others of this package pass on."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import libvirt
import libvirt_qemu

from eve_agent.driver.host import WatchListener
from eve_agent.driver.readings import clean_words
from eve_agent.errors import LibvirtAway

KEEPALIVE_SECONDS = 5
KEEPALIVE_MISSES = 3
"""A libvirtd that is silent for so many intervals is taken for dead, and every call that waits for it returns."""

LibvirtError = libvirt.libvirtError


class Code:
    """What ``get_error_code`` of a :data:`LibvirtError` returns (source: ``virErrorNumber``)."""

    NO_DOMAIN = libvirt.VIR_ERR_NO_DOMAIN
    NO_SUPPORT = libvirt.VIR_ERR_NO_SUPPORT
    NO_NETWORK = libvirt.VIR_ERR_NO_NETWORK
    NO_POOL = libvirt.VIR_ERR_NO_STORAGE_POOL
    NO_VOLUME = libvirt.VIR_ERR_NO_STORAGE_VOL
    NO_SNAPSHOT = libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
    REVERT_RISKY = libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY
    INTERNAL_ERROR = libvirt.VIR_ERR_INTERNAL_ERROR
    OPERATION_INVALID = libvirt.VIR_ERR_OPERATION_INVALID
    OPERATION_FAILED = libvirt.VIR_ERR_OPERATION_FAILED
    OPERATION_TIMEOUT = libvirt.VIR_ERR_OPERATION_TIMEOUT
    OPERATION_UNSUPPORTED = libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    CONFIG_UNSUPPORTED = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    AGENT_UNRESPONSIVE = libvirt.VIR_ERR_AGENT_UNRESPONSIVE
    AGENT_UNSYNCED = libvirt.VIR_ERR_AGENT_UNSYNCED
    AGENT_LATE = getattr(libvirt, "VIR_ERR_AGENT_COMMAND_TIMEOUT", None)
    """It took a command and did not answer in time: ``AGENT_UNRESPONSIVE`` with a libvirt that is older."""


class QemuRefused(Exception):
    """QEMU's answer to :func:`qemu_command` is an error, in its words."""


class Control:
    """What ``controlInfo`` of a domain tells first (source: ``virDomainControlState``)."""

    OCCUPIED = libvirt.VIR_DOMAIN_CONTROL_OCCUPIED


class Flag:
    """Flags of libvirt's calls, without the prefix that says whose they are."""

    LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
    CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    FORCE = libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE
    XML_SECURE = libvirt.VIR_DOMAIN_XML_SECURE
    XML_INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE
    DEFINE_VALIDATE = libvirt.VIR_DOMAIN_DEFINE_VALIDATE
    UNDEFINE_ALL = (
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )
    VCPU_MAXIMUM = libvirt.VIR_DOMAIN_VCPU_MAXIMUM
    MEMORY_MAXIMUM = libvirt.VIR_DOMAIN_MEM_MAXIMUM
    METADATA_TITLE = libvirt.VIR_DOMAIN_METADATA_TITLE
    RESIZE_BYTES = libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES
    REBOOT_ACPI = libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN
    REBOOT_AGENT = libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT
    SHUTDOWN_ACPI = libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
    SHUTDOWN_AGENT = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
    CONSOLE_FORCE = libvirt.VIR_DOMAIN_CONSOLE_FORCE
    GRAPHICS_SKIPAUTH = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
    KEYS_LINUX = libvirt.VIR_KEYCODE_SET_LINUX
    STATS_SIZES = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_BLOCK
    STATS_ALL = (
        libvirt.VIR_DOMAIN_STATS_STATE
        | libvirt.VIR_DOMAIN_STATS_BLOCK
        | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
        | libvirt.VIR_DOMAIN_STATS_BALLOON
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_INTERFACE
    )
    STATS_NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    STATS_ACTIVE = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
    SNAPSHOT_CURRENT = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
    SNAPSHOT_REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    SNAPSHOTS_TOPOLOGICAL = libvirt.VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL
    SNAPSHOT_REVERT_FORCE = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
    ADDRESSES_AGENT = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
    ADDRESSES_LEASE = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
    GUEST_INFO = libvirt.VIR_DOMAIN_GUEST_INFO_OS | libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME


class Stream:
    """Events of a ``virStream``, and what its calls return where they would wait."""

    READABLE = libvirt.VIR_STREAM_EVENT_READABLE
    WRITABLE = libvirt.VIR_STREAM_EVENT_WRITABLE
    ERROR = libvirt.VIR_STREAM_EVENT_ERROR
    HANGUP = libvirt.VIR_STREAM_EVENT_HANGUP
    NONBLOCK = libvirt.VIR_STREAM_NONBLOCK
    WOULD_BLOCK = -2


class Handle:
    """Events of a file descriptor in libvirt's event loop."""

    READABLE = libvirt.VIR_EVENT_HANDLE_READABLE
    WRITABLE = libvirt.VIR_EVENT_HANDLE_WRITABLE


_EVENTS = (
    *("LIFECYCLE", "REBOOT", "WATCHDOG", "IO_ERROR_REASON", "CONTROL_ERROR", "PMWAKEUP", "PMSUSPEND", "PMSUSPEND_DISK"),
    *("DEVICE_ADDED", "DEVICE_REMOVED", "DISK_CHANGE", "TRAY_CHANGE", "BLOCK_JOB_2", "BALLOON_CHANGE"),
    "METADATA_CHANGE",
)
"""What may change something that :class:`~eve_agent.wire.domain.Domain` tells."""


_log = logging.getLogger(__name__)


def connect(uri: str) -> libvirt.virConnect:
    """An open connection with keepalive, so that a stopped libvirtd is noticed. Raises LibvirtAway with libvirt's words."""
    try:
        connection = libvirt.open(uri)
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
    except libvirt.libvirtError as error:
        raise LibvirtAway(f"no connection to libvirt: {words_of(error)}") from error
    return connection


class LibvirtWatch:
    """A connection that tells `listener` of changed domains, and of its own end. Raises LibvirtAway."""

    def __init__(self, connection: libvirt.virConnect, listener: WatchListener) -> None:
        self._connection = connection
        self._listener = listener
        self._callbacks: list[int] = []
        try:
            connection.registerCloseCallback(self._on_close, None)
            for name in _EVENTS:
                event = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
                self._callbacks.append(connection.domainEventRegisterAny(None, event, self._on_event, None))
        except libvirt.libvirtError as error:
            self.close()
            raise LibvirtAway(words_of(error)) from error

    def close(self) -> None:
        """Callbacks hold the connection: without taking them back it would stay open for ever."""
        for callback in self._callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                self._connection.domainEventDeregisterAny(callback)
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with contextlib.suppress(libvirt.libvirtError):
            self._connection.close()

    def _on_close(self, _connection: libvirt.virConnect, reason: int, _opaque: object) -> None:
        words = {
            libvirt.VIR_CONNECT_CLOSE_REASON_EOF: "libvirt closed the connection",
            libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE: "libvirt has been silent for too long",
        }
        self._listener.connection_lost(words.get(reason, "the connection to libvirt broke"))

    def _on_event(self, _connection: libvirt.virConnect, domain: libvirt.virDomain, *_details: object) -> None:
        self._listener.domain_changed(uuid.UUID(bytes=domain.UUID()))


def handle_add(fd: int, events: int, callback: Callable[[int, int, int, object], None]) -> int:
    """Has libvirt's event thread call `callback` at events of `fd`; the number by which the next two know it."""
    return int(libvirt.virEventAddHandle(fd, events, callback, None))


def handle_update(watch: int, events: int) -> None:
    """Waits for other events from now on."""
    libvirt.virEventUpdateHandle(watch, events)


def handle_remove(watch: int) -> None:
    """Waits for nothing more."""
    libvirt.virEventRemoveHandle(watch)


def qemu_command(domain: libvirt.virDomain, command: str, **arguments: Any) -> Any:
    """What a running domain's QEMU returns to a command of its own (QMP), for what libvirt has no call for. Raises LibvirtError, QemuRefused."""
    asked = {"execute": command, **({"arguments": arguments} if arguments else {})}
    answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, json.dumps(asked), 0))
    if "error" in answer:
        raise QemuRefused(clean_words(str(answer["error"].get("desc", ""))))
    return answer["return"]


def words_of(error: libvirt.libvirtError) -> str:
    """libvirt's words, fit to be shown."""
    return clean_words(str(error.get_error_message() or error))


@functools.cache
def start_event_thread() -> None:
    """Starts libvirt's own event loop, which is one for the whole process and has to be there before a connection opens."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)  # it would print every error to stderr
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_run_events, name="libvirt events", daemon=True).start()


def _run_events() -> None:
    while True:
        try:
            libvirt.virEventRunDefaultImpl()
        except libvirt.libvirtError:
            _log.exception("libvirt's event loop failed")
            time.sleep(1)
