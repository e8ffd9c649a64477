"""What is read of sites and hypervisors, always through the eyes of a user."""

from __future__ import annotations

import uuid

from django.db.models import CharField, QuerySet

from accounts.models import User
from accounts.selectors import is_unlimited_staff
from common.errors import EveError
from common.prepared import Parameter, Prepared

from .models import Certificate, Hypervisor, Outage, Site


def sites_for(user: User) -> QuerySet[Site]:
    """The sites that a staff member sees and manages: all, or the ones assigned; nobody else sees any."""
    if is_unlimited_staff(user):
        return Site.objects.all()
    if user.is_active and user.is_staff:
        return Site.objects.filter(staff__id=user.pk)
    return Site.objects.none()


def hypervisors_for(user: User) -> QuerySet[Hypervisor]:
    """The hypervisors at those sites."""
    if is_unlimited_staff(user):
        return Hypervisor.objects.all()
    return Hypervisor.objects.filter(site__in=sites_for(user))


def hypervisor_for(user: User, hypervisor_id: uuid.UUID) -> Hypervisor | None:
    """That hypervisor with its site, or None where the user does not see it."""
    return hypervisors_for(user).select_related("site").filter(pk=hypervisor_id).first()


def staff_words(user: User, error: EveError) -> str:
    """What only staff of the site where it happened are told of it, staff of every site if that is not known; empty for others."""
    if not error.for_staff or is_unlimited_staff(user):
        return error.for_staff
    is_theirs = error.site_id is not None and sites_for(user).filter(pk=error.site_id).exists()
    return error.for_staff if is_theirs else ""


def outages_of(hypervisor: Hypervisor) -> QuerySet[Outage]:
    """When that host was away, the newest first."""
    return Outage.objects.filter(hypervisor=hypervisor).order_by("-began_at", "-id")


def certificates_for(user: User) -> QuerySet[Certificate]:
    """The certificates of those hypervisors; all for staff of every site."""
    if is_unlimited_staff(user):
        return Certificate.objects.all()
    return Certificate.objects.filter(hypervisor__in=hypervisors_for(user))


_DENIED = Prepared(
    lambda: (
        Certificate.objects.filter(
            fingerprint__in=[Parameter("one", CharField()), Parameter("other", CharField())], revoked_at__isnull=False
        )
        .order_by()
        .values_list("fingerprint", flat=True)
    )
)


def denied_fingerprints(one: str, other: str = "") -> set[str]:
    """Those of the two that are on the deny-list; empty ones are on none."""
    return set(_DENIED.rows(one=one, other=other))
