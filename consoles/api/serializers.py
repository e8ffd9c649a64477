"""What the API says of consoles."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from eve_agent.wire.close import RETRYABLE
from rest_framework import serializers

from accounts.api.serializers import StrictSerializer
from consoles.models import ConsoleKind, ConsoleMode, ConsoleSession


class TicketRequestSerializer(StrictSerializer):
    """Which console is wanted."""

    mode = serializers.ChoiceField(
        choices=ConsoleMode.choices, default=ConsoleMode.CONTROL, help_text="Capped by the caller's role."
    )
    kind = serializers.ChoiceField(choices=ConsoleKind.choices, default=ConsoleKind.VNC)
    resume = serializers.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="A session that broke off less than a minute ago, to go on with.",
    )


class TicketSerializer(serializers.Serializer[Any]):
    """A one-use key to one console."""

    ticket = serializers.CharField(help_text="Valid once, for 30 seconds.")
    url = serializers.CharField(help_text="Path and query of the websocket on this server.")
    expires_at = serializers.DateTimeField()
    session = serializers.UUIDField(help_text="The session that it opens.")
    mode = serializers.ChoiceField(choices=ConsoleMode.choices)
    kind = serializers.ChoiceField(choices=ConsoleKind.choices)


class ConsoleSessionSerializer(serializers.ModelSerializer[ConsoleSession]):
    """One viewer at one console."""

    session = serializers.UUIDField(source="id", read_only=True)
    vm = serializers.UUIDField(source="vm_uuid", read_only=True)
    user = serializers.CharField(source="user_label", read_only=True)
    state = serializers.SerializerMethodField()
    retryable = serializers.SerializerMethodField(help_text="Whether a page may open it again by itself.")
    reason = serializers.CharField(source="end_reason", read_only=True)

    class Meta:
        model = ConsoleSession
        fields = [
            "session",
            "vm",
            "vm_name",
            "user",
            "kind",
            "mode",
            "state",
            "started_at",
            "ended_at",
            "close_code",
            "reason",
            "retryable",
            "bytes_to_viewer",
            "bytes_from_viewer",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=["open", "ended"]))
    def get_state(self, session: ConsoleSession) -> str:
        """Whether it is open or ended."""
        return "open" if session.ended_at is None else "ended"

    def get_retryable(self, session: ConsoleSession) -> bool:
        """Whether a page may open it again by itself."""
        return session.close_code in RETRYABLE
