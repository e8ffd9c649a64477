"""All parts of the made-up hypervisor put together."""

from __future__ import annotations

from .guests import FakeGuests


class FakeDriver(FakeGuests):
    """Keeps the :class:`~eve_agent.driver.base.Driver` Protocol without a hypervisor.

    Args:
        console_address: host and port of an RFB 3.8 server without authentication, which is every guest's screen;
            with ``None`` a console raises NoDisplay.
        domains: how many running guests it has to begin with, named ``fake-0001`` and so on.
        host_name: hosts of different names have different guests (UUIDs); the same name has the same again.
        shutdown_seconds: how long guests take to obey the power button; ``None``: they ignore it.
    """
