"""Sizes, pools and quotas in the API."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from accounts.models import Project
from accounts.selectors import is_unlimited_staff, projects_visible_to
from vms.images import sizes_offered
from vms.models import Size
from vms.quotas import shares_of
from vms.services import quota_set, size_create, size_delete, size_update
from vms.storage import pool_for, pools_for, volumes_in

from .image_serializers import (
    PoolPageSerializer,
    QuotaChangeSerializer,
    ShareSerializer,
    SizeChangeSerializer,
    SizeCreateSerializer,
    SizeSerializer,
    VolumeSerializer,
)


class SizeListView(generics.ListAPIView[Size]):
    """The sizes to choose from; staff of every site see also those that are not offered any more."""

    queryset = Size.objects.none()
    serializer_class = SizeSerializer
    ordering: ClassVar[tuple[str, ...]] = ("memory_bytes", "vcpus", "disk_bytes", "name")

    def get_queryset(self) -> QuerySet[Size]:
        """Those that are offered."""
        return Size.objects.all() if is_unlimited_staff(caller(self.request)) else sizes_offered()

    @extend_schema(operation_id="size_create", request=SizeCreateSerializer, responses={201: SizeSerializer})
    def post(self, request: Request) -> Response:
        """Offers one more; staff of every site."""
        body = SizeCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        size = size_create(user=caller(request), **body.validated_data)
        return Response(SizeSerializer(size).data, status=status.HTTP_201_CREATED)


class SizeView(APIView):
    """One size."""

    @extend_schema(operation_id="size_update", request=SizeChangeSerializer, responses=SizeSerializer)
    def patch(self, request: Request, size_id: UUID) -> Response:
        """Changes it for new virtual machines; staff of every site."""
        size = _size(request, size_id)
        body = SizeChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(SizeSerializer(size_update(size=size, user=caller(request), **body.validated_data)).data)

    @extend_schema(operation_id="size_delete", responses={204: None})
    def delete(self, request: Request, size_id: UUID) -> Response:
        """Takes it away; virtual machines made by it stay as they are."""
        size_delete(size=_size(request, size_id), user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PoolListView(APIView):
    """Storage pools of the hosts that you manage; staff only."""

    @extend_schema(operation_id="pools", responses=PoolPageSerializer)
    def get(self, request: Request) -> Response:
        """All of them, as their hosts reported last."""
        _require_staff(request)
        page = {"next": None, "previous": None, "results": pools_for(caller(request))}
        return Response(PoolPageSerializer(page).data)


class VolumeListView(APIView):
    """What is in a pool; staff only."""

    @extend_schema(operation_id="pool_volumes", responses=VolumeSerializer(many=True))
    def get(self, request: Request, hypervisor_id: UUID, pool: str) -> Response:
        """Asks the host."""
        _require_staff(request)
        found = pool_for(caller(request), hypervisor_id, pool)
        if found is None:
            raise Http404
        return Response(VolumeSerializer(volumes_in(found), many=True).data)


class ProjectQuotaView(APIView):
    """What a project may use and uses."""

    @extend_schema(operation_id="project_quota", responses=ShareSerializer(many=True))
    def get(self, request: Request, project_id: UUID) -> Response:
        """Each limit with its use."""
        return Response(ShareSerializer(shares_of(_project(request, project_id)), many=True).data)

    @extend_schema(
        operation_id="project_quota_set", request=QuotaChangeSerializer, responses=ShareSerializer(many=True)
    )
    def patch(self, request: Request, project_id: UUID) -> Response:
        """Sets limits; staff of every site. What is in use beyond one stays, and nothing is added."""
        project = _project(request, project_id)
        body = QuotaChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        quota_set(project=project, user=caller(request), limits=body.validated_data)
        return Response(ShareSerializer(shares_of(project), many=True).data)


def _require_staff(request: Request) -> None:
    if not caller(request).is_staff:
        raise Http404


def _project(request: Request, project_id: UUID) -> Project:
    project = projects_visible_to(caller(request)).filter(pk=project_id).first()
    if project is None:
        raise Http404
    return project


def _size(request: Request, size_id: UUID) -> Size:
    if not is_unlimited_staff(caller(request)):
        raise Http404
    size = Size.objects.filter(pk=size_id).first()
    if size is None:
        raise Http404
    return size
