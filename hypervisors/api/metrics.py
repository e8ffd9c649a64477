"""Metrics in the API: columns for graphs."""

from __future__ import annotations

import uuid
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hypervisors.metrics.blocks import FIELDS
from hypervisors.metrics.reading import RANGES, metrics_graph

from .views import HypervisorPartView

RANGE = OpenApiParameter("range", str, enum=tuple(RANGES), description="How far back; 1h unless given.")


class RangeSerializer(serializers.Serializer[Any]):
    """Which graph."""

    range = serializers.ChoiceField(choices=tuple(RANGES), default="1h")


class MetricsSerializer(serializers.Serializer[Any]):
    """Columns of a graph: as many times as figures in each; null where nothing is known."""

    range = serializers.CharField()
    step_seconds = serializers.IntegerField()
    times = serializers.ListField(child=serializers.IntegerField(), help_text="Seconds since 1970, UTC.")

    def get_fields(self) -> dict[str, Any]:
        """With a column for each figure."""
        column = {name: serializers.ListField(child=serializers.FloatField(allow_null=True)) for name in FIELDS}
        return {**super().get_fields(), **column}


def metrics_answer(request: Request, *, hypervisor_id: uuid.UUID, key: uuid.UUID) -> Response:
    """The graph that `request` asks for. Callers have checked who asks."""
    wanted = RangeSerializer(data=request.query_params.dict())
    wanted.is_valid(raise_exception=True)
    name = wanted.validated_data["range"]
    graph = metrics_graph(hypervisor_id=hypervisor_id, key=key, range_name=name)
    return Response({"range": name, "step_seconds": graph.step_seconds, "times": graph.times, **graph.columns})


class HypervisorMetricsView(HypervisorPartView):
    """What a host does."""

    @extend_schema(operation_id="hypervisor_metrics", parameters=[RANGE], responses=MetricsSerializer)
    def get(self, request: Request, hypervisor_id: uuid.UUID) -> Response:
        """Its processors, memory, disks and network, each as rates."""
        return metrics_answer(request, hypervisor_id=hypervisor_id, key=self.hypervisor().pk)
