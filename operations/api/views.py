"""Operations in the API: what is under way and how it ended."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from operations.models import Operation, OperationState
from operations.selectors import operations_for
from operations.services import operation_cancel

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


class OperationCancelView(APIView):
    """The end of an operation before it is done."""

    @extend_schema(operation_id="operation_cancel", request=None, responses={202: OperationSerializer})
    def post(self, request: Request, operation_id: UUID) -> Response:
        """Asks for it: what waits ends at once, what runs at the border of its next step, and is taken back."""
        operation = get_object_or_404(operations_for(caller(request)), pk=operation_id)
        cancelled = operation_cancel(operation=operation, user=caller(request))
        return Response(
            OperationSerializer(cancelled, context={"request": request}).data, status=status.HTTP_202_ACCEPTED
        )
