"""Operations as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import ProblemSerializer
from operations.models import FOR_STAFF, Operation, OperationState
from operations.selectors import staff_words


class TargetSerializer(serializers.Serializer[Any]):
    """What an operation changes."""

    type = serializers.CharField(source="target_type", help_text="Such as vm.")
    id = serializers.UUIDField(source="target_id")
    name = serializers.CharField(source="target_label", help_text="As it was called then.")


class RequesterSerializer(serializers.Serializer[Any]):
    """Who asked for it."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class OperationSerializer(serializers.ModelSerializer[Operation]):
    """A change that may take longer than a request."""

    target = TargetSerializer(source="*", read_only=True)
    requested_by = RequesterSerializer(read_only=True, allow_null=True)
    state = serializers.ChoiceField(choices=OperationState.choices, read_only=True)
    error = serializers.SerializerMethodField(help_text="Why it failed; null unless it did.")

    class Meta:
        model = Operation
        fields = [
            "id",
            "kind",
            "target",
            "project",
            "requested_by",
            "state",
            "progress",
            "phase",
            "can_cancel",
            "result",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    @extend_schema_field(ProblemSerializer(allow_null=True))
    def get_error(self, operation: Operation) -> dict[str, Any] | None:
        """Its problem details; what is for staff is told to those of its site only."""
        if operation.error is None:
            return None
        words = staff_words(self.context["request"].user, operation)
        told = {name: value for name, value in operation.error.items() if name != FOR_STAFF}
        return {**told, FOR_STAFF: words} if words else told
