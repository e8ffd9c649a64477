"""libvirt at one address, as the agent's driver."""

from __future__ import annotations

from eve_agent.driver.host import WatchListener
from eve_agent.driver.kvm import Virtualization
from eve_agent.driver.threaded import ThreadedDriver

from .binding import LibvirtWatch, connect, start_event_thread
from .calls import Shared
from .session import LibvirtSession


class LibvirtDriver(ThreadedDriver):
    """libvirt at `uri` (source: https://libvirt.org/uri.html), over its own connections, kept open while the agent runs."""

    def __init__(
        self,
        uri: str = "qemu:///system",
        *,
        call_timeout_seconds: float = 10.0,
        change_timeout_seconds: float = 60.0,
        virtualization: Virtualization | None = None,
        clipboard: str = "auto",
    ) -> None:
        super().__init__(
            LibvirtHypervisor(uri, virtualization or Virtualization("auto"), clipboard),
            call_timeout_seconds=call_timeout_seconds,
            change_timeout_seconds=change_timeout_seconds,
        )


class LibvirtHypervisor:
    """Opens connections to `uri` (see :class:`~eve_agent.driver.host.Hypervisor`)."""

    def __init__(self, uri: str, virtualization: Virtualization, clipboard: str) -> None:
        start_event_thread()
        self._uri = uri
        self._shared = Shared(virtualization, clipboard)

    def open_watch(self, listener: WatchListener) -> LibvirtWatch:
        """Raises LibvirtAway."""
        return LibvirtWatch(connect(self._uri), listener)

    def open_session(self) -> LibvirtSession:
        """Raises LibvirtAway."""
        return LibvirtSession(connect(self._uri), self._uri, self._shared)
