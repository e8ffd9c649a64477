"""Guests as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from eve_agent.wire.guest import MAX_FREEZE_SECONDS
from rest_framework import serializers

from common.serializers import StrictSerializer

from .serializers import GuestInfoSerializer


class GuestSerializer(serializers.Serializer[Any]):
    """What a guest tells of itself, and when it was asked."""

    guest = GuestInfoSerializer(allow_null=True, help_text="Null while it does not run, or where nothing is known.")
    asked_at = serializers.DateTimeField(source="vm.guest_asked_at", allow_null=True)


class GuestPasswordSerializer(StrictSerializer):
    """A password for an account in the guest."""

    account = serializers.CharField(max_length=64, help_text="One that the guest has, such as root.")
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)


class FreezeSerializer(StrictSerializer):
    """How long file systems are frozen."""

    seconds = serializers.IntegerField(min_value=1, max_value=MAX_FREEZE_SECONDS, required=False, default=30)


class FreezeStatusSerializer(serializers.Serializer[Any]):
    """Whether file systems are frozen."""

    is_frozen = serializers.BooleanField()
    filesystems = serializers.IntegerField(help_text="How many were frozen or thawed by this request.")
    thaws_at = serializers.DateTimeField(allow_null=True, help_text="When they thaw by themselves.")
