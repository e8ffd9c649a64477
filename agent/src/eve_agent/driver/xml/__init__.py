"""libvirt's XML to the wire's dataclasses: converts, and decides nothing.

Only lxml's element API is used, in both directions; XML is never put together from strings.
"""

from .build import DomainPlan, disk_xml, disks_snapshot_xml, domain_xml, free_target, nic_xml, snapshot_xml
from .capabilities import HostParts, read_capabilities
from .devices import Device, DomainDocument, Limits, with_disc
from .domain import DomainParts, DomainStatus, read_domain
from .parse import MalformedXml, parse
from .resources import read_network_bridge, read_pool_kind, read_pool_path, read_volume
from .snapshots import read_snapshot

__all__ = [
    "Device",
    "DomainDocument",
    "DomainParts",
    "DomainPlan",
    "DomainStatus",
    "HostParts",
    "Limits",
    "MalformedXml",
    "disk_xml",
    "disks_snapshot_xml",
    "domain_xml",
    "free_target",
    "nic_xml",
    "parse",
    "read_capabilities",
    "read_domain",
    "read_network_bridge",
    "read_pool_kind",
    "read_pool_path",
    "read_snapshot",
    "read_volume",
    "snapshot_xml",
    "with_disc",
]
