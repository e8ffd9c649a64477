"""The driver for real hosts.

:class:`LibvirtDriver` is what the agent uses. Beneath it, a watch is a connection that listens, and a session one that makes
blocking calls, where libvirt's errors become ours. ``binding`` is the one module that imports libvirt; the others take its
numbers, its error and the objects that its connections hand out.
"""

from .driver import LibvirtDriver, LibvirtHypervisor

__all__ = ["LibvirtDriver", "LibvirtHypervisor"]
