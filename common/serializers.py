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
