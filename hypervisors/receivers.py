"""What hypervisors/ adds to the apps below."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q

from accounts.models import User
from accounts.places import register_place
from accounts.selectors import register_audit_scope
from operations.selectors import register_scope

from .models import Certificate, Hypervisor, Site
from .selectors import sites_for


@register_place(Site)
def place_of_site(site: Site) -> UUID:
    """It is one."""
    return site.pk


@register_place(Hypervisor)
def place_of_hypervisor(hypervisor: Hypervisor) -> UUID:
    """The site that the host stands at."""
    return hypervisor.site_id


@register_place(Certificate)
def place_of_certificate(certificate: Certificate) -> UUID | None:
    """Its host's; Eve's own lie at none."""
    return certificate.hypervisor.site_id if certificate.hypervisor else None


@register_audit_scope
@register_scope
def at_managed_sites(user: User) -> Q:
    """Staff see what is done at their sites: to hosts, certificates, machines, disks and images, also to those that are gone."""
    return Q(site_uuid__in=sites_for(user).values("pk"))
