"""What staff should look at, in the API: for whoever watches Eve."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import CharField, ChoiceField, DateTimeField, Serializer, UUIDField
from rest_framework.views import APIView

from accounts.callers import caller
from vms.alerts import TONES, alerts_for


class AlertSerializer(Serializer[Any]):
    """One thing that somebody should look at."""

    code = CharField(
        read_only=True, help_text="Such as host_offline, certificate, pool_full, clock, vm_crashed, drift."
    )
    severity = ChoiceField(source="tone", choices=list(TONES), read_only=True)
    title = CharField(read_only=True)
    text = CharField(read_only=True, help_text="What it means.")
    page = CharField(source="url", read_only=True, help_text="Where it is mended.")
    hypervisor = UUIDField(source="hypervisor_id", read_only=True, allow_null=True)
    since = DateTimeField(read_only=True, allow_null=True)


class AlertListView(APIView):
    """What to mind at the sites that one manages."""

    @extend_schema(operation_id="alert_list", responses=AlertSerializer(many=True))
    def get(self, request: Request) -> Response:
        """All of it, the worst first; staff only."""
        if not caller(request).is_staff:
            raise Http404
        return Response(AlertSerializer(alerts_for(caller(request)), many=True).data)
