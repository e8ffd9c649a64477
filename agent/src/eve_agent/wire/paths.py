"""Every path of the agent (and the one of Eve that agents use), written once."""

from __future__ import annotations

import uuid

HOST = "/libvirt"
DOMAINS = "/libvirt/domains"
DOMAIN = "/libvirt/domains/{uuid}"
DOMAIN_STATE = "/libvirt/domains/{uuid}/state"
DOMAIN_CONSOLE = "/libvirt/domains/{uuid}/console"
DOMAIN_CONSOLE_SESSION = "/libvirt/domains/{uuid}/console/{session}"
DOMAIN_SCREENSHOT = "/libvirt/domains/{uuid}/screenshot"
EVENTS = "/events"
CERTIFICATE = "/certificate"
CERTIFICATE_PINS = "/certificate/pins"
METRICS = "/metrics"

ENROL = "/api/v1/enrol"
"""On Eve, not on the agent."""


def domain_path(template: str, domain_uuid: uuid.UUID, *, session: uuid.UUID | None = None) -> str:
    """`template` (one of the ``DOMAIN…`` above) with its ids filled in."""
    return template.format(uuid=domain_uuid, session=session)
