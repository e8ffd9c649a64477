"""What a project may use, for pages of other apps: they have the project, and the template asks for this."""

from __future__ import annotations

from django import template

from accounts.models import Project
from vms.models import Disk
from vms.quotas import Share, shares_of

register = template.Library()


@register.simple_tag
def project_shares(project: Project) -> list[Share]:
    """Every limit of the project with its use; the page has checked who looks."""
    return shares_of(project)


@register.simple_tag
def project_kept_disks(project: Project) -> int:
    """How many disks the project keeps that belong to no machine."""
    return Disk.objects.filter(project=project, vm=None).count()
