"""Every path of the agent (and the one of Eve that agents use), written once."""

from __future__ import annotations

import uuid
from urllib.parse import quote

HOST = "/libvirt"
DOMAINS = "/libvirt/domains"
DOMAIN = "/libvirt/domains/{uuid}"
DOMAIN_STATE = "/libvirt/domains/{uuid}/state"
DOMAIN_CONSOLE = "/libvirt/domains/{uuid}/console"
DOMAIN_CONSOLE_SESSION = "/libvirt/domains/{uuid}/console/{session}"
DOMAIN_TYPING = "/libvirt/domains/{uuid}/typing"
DOMAIN_SCREENSHOT = "/libvirt/domains/{uuid}/screenshot"
DOMAIN_RESOURCES = "/libvirt/domains/{uuid}/resources"
DOMAIN_DISK = "/libvirt/domains/{uuid}/disks/{disk}"
DOMAIN_DISK_SIZE = "/libvirt/domains/{uuid}/disks/{disk}/size"
DOMAIN_NIC = "/libvirt/domains/{uuid}/nics/{mac}"
DOMAIN_CDROM = "/libvirt/domains/{uuid}/cdrom"
DOMAIN_BOOT = "/libvirt/domains/{uuid}/boot"
DOMAIN_TITLE = "/libvirt/domains/{uuid}/title"
DOMAIN_AUTOSTART = "/libvirt/domains/{uuid}/autostart"
DOMAIN_SNAPSHOTS = "/libvirt/domains/{uuid}/snapshots"
DOMAIN_SNAPSHOT = "/libvirt/domains/{uuid}/snapshots/{snapshot}"
DOMAIN_SNAPSHOT_REVERT = "/libvirt/domains/{uuid}/snapshots/{snapshot}/revert"
DOMAIN_GUEST = "/libvirt/domains/{uuid}/guest"
DOMAIN_GUEST_PASSWORD = "/libvirt/domains/{uuid}/guest/password"  # noqa: S105
DOMAIN_GUEST_FREEZE = "/libvirt/domains/{uuid}/guest/freeze"
DOMAIN_GUEST_THAW = "/libvirt/domains/{uuid}/guest/thaw"
STATS = "/libvirt/stats"
STORAGE = "/storage"
VOLUMES = "/storage/{pool}/volumes"
IMAGE = "/storage/{pool}/images/{image}"
IMAGE_DATA = "/storage/{pool}/images/{image}/data"
IMAGE_FINISH = "/storage/{pool}/images/{image}/finish"
IMAGE_COPY = "/storage/{pool}/images/{image}/copy"
DISK = "/storage/{pool}/disks/{disk}"
SEED = "/storage/{pool}/seeds/{uuid}"
JOB = "/jobs/{operation}"
EVENTS = "/events"
CERTIFICATE = "/certificate"
CERTIFICATE_PINS = "/certificate/pins"
METRICS = "/metrics"

ENROL = "/api/v1/enrol"
"""On Eve, not on the agent."""


def domain_path(template: str, domain_uuid: uuid.UUID, *, session: uuid.UUID | None = None) -> str:
    """`template` (one of the ``DOMAIN…`` above) with its ids filled in."""
    return template.format(uuid=domain_uuid, session=session)


def fill(template: str, **ids: uuid.UUID | str) -> str:
    """`template` (any of the above) with its ids and names filled in, names escaped."""
    return template.format(**{name: quote(str(value), safe=":") for name, value in ids.items()})
