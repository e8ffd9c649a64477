"""Who may use which images."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from accounts.models import Project, User
from accounts.selectors import projects_for
from hypervisors.selectors import sites_for

from .models import Image, ImageState, Size


def images_for(user: User) -> QuerySet[Image]:
    """The images that exist for the user: public ones, those of their projects, and all at the sites that they manage."""
    visible = Q(project=None) | Q(project__in=projects_for(user))
    if user.is_staff:
        visible |= Q(site__in=sites_for(user))
    return Image.objects.filter(visible).select_related("project", "site")


def images_usable_by(user: User, project: Project) -> QuerySet[Image]:
    """The ready images that `user` may make VMs of `project` from: public ones, and the project's own."""
    return images_for(user).filter(Q(project=None) | Q(project=project), state=ImageState.READY)


def sizes_offered() -> QuerySet[Size]:
    """The sizes to choose from, small ones first."""
    return Size.objects.filter(is_offered=True)
