"""What the API says of notifications."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.serializers import StrictSerializer
from notifications.models import Delivery, Kind, Notice, Way, Webhook
from notifications.selectors import webhook_is_answered_for
from notifications.words import told

KINDS = [choice for choice in Kind.choices if choice[0] != Kind.TEST]


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    """Something that the caller was told."""

    kind = serializers.ChoiceField(choices=Kind.choices, source="event.kind", read_only=True)
    is_over = serializers.BooleanField(
        source="event.is_over", read_only=True, help_text="Whether something has ended that an earlier one told of."
    )
    project = serializers.UUIDField(source="event.project_id", read_only=True, allow_null=True)
    target_type = serializers.CharField(source="event.target_type", read_only=True)
    target_id = serializers.UUIDField(source="event.target_id", read_only=True)
    target_label = serializers.CharField(source="event.target_label", read_only=True)
    title = serializers.SerializerMethodField()
    text = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = [
            "id",
            "kind",
            "is_over",
            "at",
            "read_at",
            "project",
            "target_type",
            "target_id",
            "target_label",
            "title",
            "text",
            "url",
        ]
        read_only_fields = fields

    def get_title(self, notice: Notice) -> str:
        """What happened."""
        return told(notice.event).title

    def get_text(self, notice: Notice) -> str:
        """What it means, and what to do."""
        return told(notice.event).text

    def get_url(self, notice: Notice) -> str:
        """The page to look at."""
        return told(notice.event).url


class NoticeChangeSerializer(StrictSerializer):
    """What people change of a notification."""

    is_read = serializers.BooleanField()


class MarkedSerializer(serializers.Serializer[Any]):
    """How many were marked as read."""

    marked = serializers.IntegerField()


class ChosenSerializer(serializers.Serializer[Any]):
    """Whether the caller is told of a kind by a way."""

    kind = serializers.ChoiceField(choices=KINDS)
    way = serializers.ChoiceField(choices=Way.choices)
    is_on = serializers.BooleanField(help_text="What holds.")
    own = serializers.BooleanField(
        allow_null=True, help_text="What was chosen here; null: as for all projects, or as Eve begins."
    )


class ChoicesSerializer(serializers.Serializer[Any]):
    """The caller's matrix."""

    choices = ChosenSerializer(many=True)


class WantedSerializer(StrictSerializer):
    """A field of the matrix as it shall be."""

    kind = serializers.ChoiceField(choices=KINDS)
    way = serializers.ChoiceField(choices=Way.choices)
    is_on = serializers.BooleanField(allow_null=True, help_text="null takes the choice back.")


class ChoicesChangeSerializer(StrictSerializer):
    """The fields to change; the others stay."""

    choices = WantedSerializer(many=True, allow_empty=True)


class WebhookSerializer(serializers.ModelSerializer[Webhook]):
    """A webhook, without its secret."""

    project = serializers.UUIDField(source="project_id", read_only=True, allow_null=True)
    made_by = serializers.CharField(source="made_by.email", read_only=True)
    kinds = serializers.SerializerMethodField()
    is_answered_for = serializers.SerializerMethodField()

    class Meta:
        model = Webhook
        fields = ["id", "project", "name", "url", "kinds", "is_on", "made_by", "is_answered_for", "created_at"]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(choices=KINDS)))
    def get_kinds(self, webhook: Webhook) -> list[str]:
        """Of what it is told."""
        return list(webhook.kinds)

    def get_is_answered_for(self, webhook: Webhook) -> bool:
        """Whether who made it may still do so; if not, it is sent nothing until another owner makes a new secret."""
        return webhook_is_answered_for(webhook)


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its secret, told this once."""

    secret = serializers.CharField(read_only=True)

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]
        read_only_fields = fields


class WebhookRequestSerializer(StrictSerializer):
    """What a webhook is to be."""

    name = serializers.CharField(max_length=100)
    url = serializers.CharField(max_length=2000, help_text="https only.")
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=KINDS), min_length=1, max_length=10)
    is_on = serializers.BooleanField(required=False, default=True)


class WebhookChangeSerializer(StrictSerializer):
    """What can be changed of a webhook."""

    name = serializers.CharField(max_length=100, required=False)
    url = serializers.CharField(max_length=2000, required=False)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), min_length=1, max_length=10, required=False
    )
    is_on = serializers.BooleanField(required=False)


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """An event on its way to a webhook."""

    kind = serializers.ChoiceField(choices=Kind.choices, source="event.kind", read_only=True)
    event = serializers.UUIDField(source="event_id", read_only=True)

    class Meta:
        model = Delivery
        fields = [
            "id",
            "event",
            "kind",
            "state",
            "attempts",
            "answer",
            "error",
            "created_at",
            "next_at",
            "ended_at",
        ]
        read_only_fields = fields
