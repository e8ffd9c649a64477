"""What differs between Eve and libvirt, and what staff choose about it."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.answers import represented
from operations.idempotency import HEADER, operation_once, request_digest
from vms.comparing import DifferenceKind
from vms.drift import Drift, Entry, entries_of
from vms.models import Vm, VmState
from vms.selectors import vms_managed_by
from vms.services import vm_accept_drift, vm_forget, vm_restore

from .serializers import NamedSerializer, OperationAddressSerializer
from .views import IDEMPOTENCY_KEY, accepted, require_staff


class SizeSideSerializer(serializers.Serializer[Any]):
    """A machine's size, as Eve or its host has it."""

    vcpus = serializers.IntegerField(allow_null=True)
    memory_bytes = serializers.IntegerField(allow_null=True)


class DifferenceSerializer(serializers.Serializer[Any]):
    """A disk or network card that is not as agreed."""

    kind = serializers.ChoiceField(choices=[each.value for each in DifferenceKind])
    device = serializers.CharField(help_text="A disk's id, or where its bytes are; a card's MAC address.")
    name = serializers.CharField(help_text="As the guest or the host calls it; may be empty.")
    agreed_bytes = serializers.IntegerField(help_text="Of a disk; 0 where there was to be none.")
    seen_bytes = serializers.IntegerField(help_text="Of a disk; 0 where there is none, or it is not known yet.")
    is_pending = serializers.BooleanField(
        help_text="Whether the running guest is as agreed in that, and will be other at its next start."
    )


class DriftSerializer(serializers.Serializer[Any]):
    """A machine that is other on its host than agreed, or gone."""

    id = serializers.UUIDField(source="vm.pk")
    name = serializers.CharField(source="vm.name")
    project = NamedSerializer(source="vm.project")
    hypervisor = NamedSerializer(source="vm.hypervisor")
    state = serializers.ChoiceField(choices=VmState.choices, source="vm.state")
    agreed = SizeSideSerializer(source="vm")
    seen = serializers.SerializerMethodField(help_text="As its host has it; nulls where it is gone.")
    differences = DifferenceSerializer(many=True)
    can_restore = serializers.BooleanField(help_text="Whether Eve knows enough of it.")

    @extend_schema_field(SizeSideSerializer)
    def get_seen(self, entry: Entry) -> dict[str, int | None]:
        """What it will have at its next start."""
        return {"vcpus": entry.vm.seen_vcpus, "memory_bytes": entry.vm.seen_memory_bytes}


class DriftListView(generics.ListAPIView[Vm]):
    """Machines that differ; staff only."""

    queryset = Vm.objects.none()
    serializer_class = DriftSerializer
    ordering: ClassVar[tuple[str, ...]] = ("name", "id")

    def get_queryset(self) -> QuerySet[Vm]:
        """Those on the caller's hosts. Raises Http404 for everybody else."""
        require_staff(self.request)
        return Drift(caller(self.request)).differing

    @extend_schema(operation_id="drift_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of them."""
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(represented(DriftSerializer, entries_of(page or [])))


class DriftAcceptView(APIView):
    """Agreeing to what a host has."""

    @extend_schema(operation_id="drift_accept", request=None, responses={200: DriftSerializer})
    def post(self, request: Request, vm_id: UUID) -> Response:
        """What its host has is agreed from now on; a disk that it no longer has is kept in the project."""
        vm = vm_accept_drift(vm=_managed_or_404(request, vm_id), user=caller(request))
        return Response(DriftSerializer(Entry(vm)).data)


class DriftRestoreView(APIView):
    """Giving a host again what is agreed."""

    @extend_schema(
        operation_id="drift_restore",
        request=None,
        responses={202: OperationAddressSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Size, disks and cards; a machine that is gone is defined again, if its disks are there: 202 with the operation's address."""
        vm = _managed_or_404(request, vm_id)
        operation = operation_once(
            user=caller(request),
            key=request.headers.get(HEADER, ""),
            digest=request_digest("vm.restore", str(vm.pk), request.data),
            make=partial(vm_restore, vm=vm, user=caller(request)),
        )
        return accepted(operation)


class DriftForgetView(APIView):
    """Removing a machine that is gone from Eve."""

    @extend_schema(operation_id="drift_forget", request=None, responses={204: None})
    def post(self, request: Request, vm_id: UUID) -> Response:
        """Nothing is deleted in libvirt; disks that Eve made are kept in the project."""
        vm_forget(vm=_managed_or_404(request, vm_id), user=caller(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _managed_or_404(request: Request, vm_id: UUID) -> Vm:
    require_staff(request)
    managed = vms_managed_by(caller(request)).select_related("project", "hypervisor__site")
    return get_object_or_404(managed, pk=vm_id)
