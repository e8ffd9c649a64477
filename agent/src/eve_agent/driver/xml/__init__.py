"""libvirt's XML to the wire's dataclasses: converts, and decides nothing.

Only lxml's element API is used, in both directions; XML is never put together from strings.
"""

from .capabilities import HostParts, read_capabilities
from .domain import DomainParts, DomainStatus, read_domain
from .parse import MalformedXml, parse
from .resources import read_network_bridge, read_pool_kind

__all__ = [
    "DomainParts",
    "DomainStatus",
    "HostParts",
    "MalformedXml",
    "parse",
    "read_capabilities",
    "read_domain",
    "read_network_bridge",
    "read_pool_kind",
]
