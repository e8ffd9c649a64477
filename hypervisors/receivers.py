"""What hypervisors/ adds to the apps below."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import User
from accounts.selectors import audit_targets, register_audit_scope

from .selectors import certificates_for, hypervisors_for, sites_for


@register_audit_scope
def audit_of_sites(user: User) -> Q:
    """Staff see what is done to their sites, and to the hosts there and their certificates."""
    return (
        audit_targets("site", sites_for(user))
        | audit_targets("hypervisor", hypervisors_for(user))
        | audit_targets("certificate", certificates_for(user))
    )
