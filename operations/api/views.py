"""Operations in the API: what is under way and how it ended."""

from __future__ import annotations

from typing import ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework.generics import ListAPIView, RetrieveAPIView

from accounts.callers import caller
from operations.models import Operation, OperationState
from operations.selectors import operations_for

from .serializers import OperationSerializer


class OperationFilter(django_filters.FilterSet):
    """What a list of operations may be narrowed by."""

    state = django_filters.MultipleChoiceFilter(choices=OperationState.choices)
    target = django_filters.UUIDFilter(field_name="target_id")
    kind = django_filters.CharFilter()
    project = django_filters.UUIDFilter(field_name="project_id")

    class Meta:
        model = Operation
        fields: ClassVar[list[str]] = []


class OperationListView(ListAPIView[Operation]):
    """Operations of your projects (staff: also of what they manage), the newest first."""

    queryset = Operation.objects.none()
    serializer_class = OperationSerializer
    filterset_class = OperationFilter
    ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Operation]:
        """The caller's own."""
        return operations_for(caller(self.request))


class OperationView(RetrieveAPIView[Operation]):
    """One operation."""

    serializer_class = OperationSerializer
    lookup_url_kwarg = "operation_id"

    def get_queryset(self) -> QuerySet[Operation]:
        """The caller's own."""
        return operations_for(caller(self.request))
