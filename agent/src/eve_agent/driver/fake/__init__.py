"""A made-up hypervisor in memory, for tests, benchmarks and machines without libvirt: same Protocol, same semantics.

Only images have bytes: they lie in a temporary folder, so that they come in by the same ways as on a real host.
"""

from .core import VNC
from .driver import FakeDriver

__all__ = ["VNC", "FakeDriver"]
