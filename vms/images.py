"""Who may use which images."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import Project, Role, User
from accounts.selectors import projects_for, role_in
from hypervisors.models import Site
from hypervisors.selectors import sites_for

from .models import Image, ImageKind, ImageState, Size, Vm


def images_for(user: User) -> QuerySet[Image]:
    """The images that exist for the user: public ones, those of their projects, and all at the sites that they manage."""
    visible = Q(project=None) | Q(project__in=projects_for(user))
    if user.is_staff:
        visible |= Q(site__in=sites_for(user))
    return Image.objects.filter(visible).select_related("project", "site")


def images_offered_to(user: User) -> QuerySet[Image]:
    """Of those, what customers' list shows: public ones and those of the user's projects. A site's own images are on staff's list."""
    return images_for(user).filter(Q(project=None) | Q(project__in=projects_for(user)))


def images_usable_by(user: User, project: Project) -> QuerySet[Image]:
    """The ready images that `user` may make VMs of `project` from: public ones, and the project's own."""
    return images_for(user).filter(Q(project=None) | Q(project=project), state=ImageState.READY)


def discs_for(user: User, vm: Vm) -> QuerySet[Image]:
    """The ISOs that `user` may put into the machine's CD drive: those that are usable for its project, at its site."""
    return images_usable_by(user, vm.project).filter(kind=ImageKind.ISO, site_id=vm.hypervisor.site_id)


def image_for(user: User, image_id: UUID) -> Image | None:
    """That image, if it exists for the user."""
    return images_for(user).filter(pk=image_id).first()


def may_manage_image(user: User, image: Image) -> bool:
    """Whether the user may change and delete it: the staff of its site, and the owners of its project."""
    if user.is_staff and sites_for(user).filter(pk=image.site_id).exists():
        return True
    return image.project is not None and role_in(user, image.project) is Role.OWNER


def images_managed_by(user: User) -> QuerySet[Image]:
    """Those of which :func:`may_manage_image` is true."""
    mine = Q(project__in=projects_for(user).filter(memberships__user=user, memberships__role=Role.OWNER))
    if user.is_staff:
        mine |= Q(site__in=sites_for(user))
    return Image.objects.filter(mine).select_related("project", "site")


def images_at_sites_of(user: User) -> QuerySet[Image]:
    """All images of the sites that the user manages as staff."""
    return Image.objects.filter(site__in=sites_for(user)).select_related("project", "site")


def sites_known_to(user: User) -> QuerySet[Site]:
    """The sites that the user may name: those of their machines and images, and those that they manage."""
    known = Q(pk__in=sites_for(user)) | Q(hypervisors__vms__project__in=projects_for(user))
    known |= Q(images__in=images_for(user).values("pk"))
    return Site.objects.filter(known).distinct().order_by("name")


def sizes_offered() -> QuerySet[Size]:
    """The sizes to choose from, small ones first."""
    return Size.objects.filter(is_offered=True)
