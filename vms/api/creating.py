"""Making virtual machines in the API: images, sizes and quotas to choose from, and the request itself."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Project, User
from accounts.selectors import projects_for, projects_visible_to
from hypervisors.models import Site
from hypervisors.selectors import hypervisors_for
from vms.images import images_for, sizes_offered
from vms.models import Image, Size
from vms.quotas import shares_of
from vms.services import NewDisk, NewVm

from .serializers import ImageSerializer, ShareSerializer, SizeSerializer

T = TypeVar("T", bound=Model)


class ImageListView(generics.ListAPIView[Image]):
    """The images that you see: public ones, those of your projects (staff: of your sites)."""

    queryset = Image.objects.none()
    serializer_class = ImageSerializer
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")

    def get_queryset(self) -> QuerySet[Image]:
        """The caller's own."""
        return images_for(caller(self.request))


class SizeListView(generics.ListAPIView[Size]):
    """The sizes to choose from."""

    queryset = Size.objects.none()
    serializer_class = SizeSerializer
    ordering: ClassVar[tuple[str, ...]] = ("memory_bytes", "vcpus", "disk_bytes", "name")

    def get_queryset(self) -> QuerySet[Size]:
        """Those that are offered."""
        return sizes_offered()


class ProjectQuotaView(APIView):
    """What a project may use and uses."""

    @extend_schema(operation_id="project_quota", responses=ShareSerializer(many=True))
    def get(self, request: Request, project_id: UUID) -> Response:
        """Each limit with its use."""
        project = projects_visible_to(caller(request)).filter(pk=project_id).first()
        if project is None:
            raise Http404
        return Response(ShareSerializer(shares_of(project), many=True).data)


def wanted_of(data: dict[str, Any], user: User) -> tuple[NewVm, Project]:
    """What a checked request asks for, and in which project. Raises ValidationError for what the user does not see."""
    size = _chosen(data, "size", sizes_offered())
    if size is None and not ("vcpus" in data and "memory_bytes" in data):
        raise ValidationError({"size": [_("Choose a size, or give vcpus and memory_bytes.")]})
    project = _chosen(data, "project", projects_for(user)) or user.personal_project
    disks = [NewDisk(size_bytes=disk["size_bytes"], pool=disk["pool"]) for disk in data.get("disks", ())]
    wanted = NewVm(
        name=data["name"],
        vcpus=data.get("vcpus", size.vcpus if size else 0),
        memory_bytes=data.get("memory_bytes", size.memory_bytes if size else 0),
        disks=disks or ([NewDisk(size.disk_bytes)] if size else []),
        nics=data.get("nics"),
        image=_chosen(data, "image", images_for(user)),
        site=_chosen(data, "site", Site.objects.all()),
        hypervisor=_chosen(data, "hypervisor", hypervisors_for(user)),
        ssh_keys=data.get("ssh_keys", ()),
        password=data["password"],
        user_data=data["user_data"],
        network_config=data["network_config"],
        firmware=data["firmware"],
        has_legacy_devices=data["devices"] == "legacy",
        is_autostarted=data["autostart"],
        is_started=data["start"],
        remarks=data["remarks"],
    )
    return wanted, project


def _chosen(data: dict[str, Any], field: str, among: QuerySet[T]) -> T | None:
    key = data.get(field)
    if key is None:
        return None
    found = among.filter(pk=key).first()
    if found is None:
        raise ValidationError({field: [_("There is no such thing, or it is not yours.")]})
    return found
