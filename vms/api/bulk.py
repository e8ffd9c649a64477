"""Power actions for many virtual machines at once, in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.callers import caller
from common.problems import from_error
from common.serializers import ProblemSerializer
from operations.idempotency import HEADER
from vms.services import Outcome, vms_change_state
from vms.services.bulk import MOST

from .serializers import StateChangeSerializer
from .views import IDEMPOTENCY_KEY


class VmsStateSerializer(StateChangeSerializer):
    """A power action for many."""

    vms = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST)


class VmOutcomeSerializer(serializers.Serializer[Any]):
    """What became of it for one."""

    vm = serializers.UUIDField()
    operation = serializers.CharField(allow_null=True, help_text="Where to follow it; null where it was refused.")
    problem = ProblemSerializer(allow_null=True, help_text="Why nothing was done.")


class VmsStateView(APIView):
    """The state of many VMs."""

    @extend_schema(
        operation_id="vms_state_set",
        request=VmsStateSerializer,
        responses={202: VmOutcomeSerializer(many=True)},
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        """Queues a power action for each: 202 with what became of it, in the order given. One that is refused is in no other's way."""
        wanted = VmsStateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        outcomes = vms_change_state(
            vm_ids=wanted.validated_data["vms"],
            action=wanted.validated_data["action"],
            user=caller(request),
            key=request.headers.get(HEADER, ""),
        )
        return Response([_plain(outcome) for outcome in outcomes], status=status.HTTP_202_ACCEPTED)


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {
        "vm": str(outcome.vm_id),
        "operation": outcome.operation.api_path if outcome.operation else None,
        "problem": from_error(outcome.error) if outcome.error else None,
    }
