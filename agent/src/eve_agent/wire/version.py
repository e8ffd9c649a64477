"""The contract's version, and which peers may talk to each other."""

CONTRACT_VERSION = 2
"""Raised by one whenever the contract grows. A peer one older or one newer is welcome."""

VERSION_HEADER = "Eve-Contract"
"""Both sides name their :data:`CONTRACT_VERSION` in this header of every request and response."""


def is_supported(peer_version: int, *, own_version: int = CONTRACT_VERSION) -> bool:
    """Whether a peer of `peer_version` may be talked to: at most one version apart."""
    return abs(peer_version - own_version) <= 1
