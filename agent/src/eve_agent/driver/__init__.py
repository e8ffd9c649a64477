"""What a host can do, behind one Protocol: ``libvirt`` for real hosts, ``fake`` for tests and benchmarks."""

from .base import Driver, EventListener, Screenshot

__all__ = ["Driver", "EventListener", "Screenshot"]
