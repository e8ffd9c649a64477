"""What all serializers of the API share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.sentences import gettext as _

_NAMED = 20
_NAME_LENGTH = 100


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields that it does not know: a wish that is silently dropped looks like one that was granted."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated fields. Raises ValidationError for unknown and read-only ones."""
        if isinstance(data, dict):
            writable = {name for name, field in self.fields.items() if not field.read_only}
            unknown = sorted(set(map(str, data)) - writable)[:_NAMED]
            if unknown:
                raise serializers.ValidationError(
                    {name[:_NAME_LENGTH]: [_("This cannot be set here.")] for name in unknown}
                )
        return super().to_internal_value(data)


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457), as :func:`common.problems.problem` makes them."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    retryable = serializers.BooleanField(
        help_text="Whether the same request may succeed later without anybody changing it."
    )
    retry_after = serializers.IntegerField(required=False, help_text="In so many seconds.")
    errors = serializers.JSONField(  # type: ignore[assignment]  # a field: the class has its own property all the same
        required=False, help_text="What is wrong with which field."
    )
    for_staff = serializers.CharField(
        required=False, help_text="What the host itself said, or where and why it failed. Staff only."
    )
    request_id = serializers.CharField()
