"""What a virtual machine does, in the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from hypervisors.api.metrics import RANGE, MetricsSerializer, metrics_answer
from vms.selectors import vm_for, vms_visible_to
from vms.uses import recent_uses

MOST = 100
"""Machines in one answer."""


class VmMetricsView(APIView):
    """Processor, memory, disks and network."""

    @extend_schema(operation_id="vm_metrics", parameters=[RANGE], responses=MetricsSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """Columns for graphs, sampled every ten seconds while it runs; what its present host measured."""
        vm = vm_for(caller(request), vm_id)
        if vm is None:
            raise Http404
        return metrics_answer(request, hypervisor_id=vm.hypervisor_id, key=vm.pk)


class VmsUseQuery(serializers.Serializer[Any]):
    """Which machines."""

    vm = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST)


class VmUseSerializer(serializers.Serializer[Any]):
    """How busy one machine was."""

    vm = serializers.UUIDField()
    cpu = serializers.ListField(
        child=serializers.FloatField(allow_null=True, min_value=0, max_value=1),
        help_text="The share of its vCPUs in each minute, oldest first; null where nothing was measured.",
    )


class VmsUseSerializer(serializers.Serializer[Any]):
    """How busy some machines were."""

    step_seconds = serializers.IntegerField()
    vms = VmUseSerializer(many=True)


class VmsUseView(APIView):
    """How busy machines were."""

    @extend_schema(
        operation_id="vms_use",
        parameters=[OpenApiParameter("vm", OpenApiTypes.UUID, many=True, required=True, description="Up to 100.")],
        responses=VmsUseSerializer,
    )
    def get(self, request: Request) -> Response:
        """The last hour of several machines at once, minute by minute; what you may not see is left out."""
        query = VmsUseQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = vms_visible_to(caller(request)).filter(pk__in=query.validated_data["vm"])
        uses = [
            {"vm": key, "cpu": shares} for key, shares in recent_uses(wanted.only("hypervisor_id", "vcpus")).items()
        ]
        return Response({"step_seconds": 60, "vms": uses})
