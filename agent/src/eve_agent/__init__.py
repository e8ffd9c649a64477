"""Eve's agent for one libvirt host, and (in :mod:`eve_agent.wire`) the contract it keeps with Eve."""

__version__ = "0.1.0"
