"""What a virtual machine does, in the API."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from hypervisors.api.metrics import RANGE, MetricsSerializer, metrics_answer
from vms.selectors import vm_for


class VmMetricsView(APIView):
    """Processor, memory, disks and network."""

    @extend_schema(operation_id="vm_metrics", parameters=[RANGE], responses=MetricsSerializer)
    def get(self, request: Request, vm_id: UUID) -> Response:
        """Columns for graphs, sampled every ten seconds while it runs; what its present host measured."""
        vm = vm_for(caller(request), vm_id)
        if vm is None:
            raise Http404
        return metrics_answer(request, hypervisor_id=vm.hypervisor_id, key=vm.pk)
