"""What the API says of consoles."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from eve_agent.wire.close import RETRYABLE
from eve_agent.wire.keyboard import KeyboardLayout
from eve_agent.wire.typing import DEFAULT_PACE, MAX_CHARACTERS, MAX_PACE, MIN_PACE, TypingState
from rest_framework import serializers

from common.serializers import StrictSerializer
from consoles.keyboard import LAYOUTS
from consoles.models import ConsoleKind, ConsoleMode, ConsoleSession
from hypervisors.refusals import refusal_words


class TicketRequestSerializer(StrictSerializer):
    """Which console is wanted."""

    mode = serializers.ChoiceField(
        choices=ConsoleMode.choices, default=ConsoleMode.CONTROL, help_text="Capped by the caller's role."
    )
    kind = serializers.ChoiceField(choices=ConsoleKind.choices, default=ConsoleKind.VNC)
    force = serializers.BooleanField(
        default=False, help_text="Take a serial line from who holds it; for who may control."
    )
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


class ModeSerializer(StrictSerializer):
    """What a session may do from now on."""

    mode = serializers.ChoiceField(choices=ConsoleMode.choices)

    def validate_mode(self, value: str) -> ConsoleMode:
        """As Eve has it."""
        return ConsoleMode(value)


class ViewerSerializer(serializers.Serializer[Any]):
    """Somebody at a VM's consoles now."""

    session = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ConsoleKind.choices)
    mode = serializers.ChoiceField(choices=ConsoleMode.choices)
    since = serializers.DateTimeField()
    is_own = serializers.BooleanField(help_text="Whether it is a session of the caller's.")
    is_guest = serializers.BooleanField(help_text="Whether it is somebody without an account, by a guest link.")
    may_end = serializers.BooleanField(help_text="Whether the caller may end it.")
    may_get_control = serializers.BooleanField(help_text="Whether the caller may give it the keyboard.")
    may_lose_control = serializers.BooleanField(help_text="Whether the caller may take the keyboard from it.")


class TypingRequestSerializer(StrictSerializer):
    """What is to be typed."""

    text = serializers.CharField(
        max_length=MAX_CHARACTERS,
        trim_whitespace=False,
        write_only=True,
        help_text="Line ends press Enter. It is neither kept nor logged.",
    )
    layout = serializers.ChoiceField(
        choices=list(LAYOUTS.items()),
        default=KeyboardLayout.US.value,
        help_text="What the guest takes its keyboard for.",
    )
    keys_per_second = serializers.IntegerField(min_value=MIN_PACE, max_value=MAX_PACE, default=DEFAULT_PACE)

    def validate_layout(self, value: str) -> KeyboardLayout:
        """As the contract has it."""
        return KeyboardLayout(value)


class TypingSerializer(serializers.Serializer[Any]):
    """How far the host is with typing."""

    state = serializers.ChoiceField(choices=[state.value for state in TypingState])
    typed = serializers.IntegerField(help_text="Characters so far.")
    total = serializers.IntegerField()
    problem = serializers.SerializerMethodField(help_text="Why it failed.")

    def get_problem(self, status: Any) -> str:
        """In a sentence, or nothing."""
        return str(refusal_words(status.problem.code)) if status.problem else ""


class KeyboardRequestSerializer(StrictSerializer):
    """Which keyboard."""

    layout = serializers.ChoiceField(choices=list(LAYOUTS.items()), default=KeyboardLayout.US.value)


class KeyboardSerializer(serializers.Serializer[Any]):
    """A keyboard."""

    layout = serializers.ChoiceField(choices=list(LAYOUTS.items()))
    keys = serializers.DictField(
        child=serializers.ListField(child=serializers.ListField(child=serializers.CharField())),
        help_text="For each character the chords to press one after the other, each of keys as browsers name them.",
    )
