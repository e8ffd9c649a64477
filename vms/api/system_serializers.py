"""Systems on a machine's disks as the API takes them."""

from __future__ import annotations

from rest_framework import serializers

from common.serializers import StrictSerializer


class RescueSerializer(StrictSerializer):
    """What a machine is started from."""

    image = serializers.UUIDField(help_text="An ISO.")


class ReinstallSerializer(StrictSerializer):
    """What a machine is made anew from."""

    image = serializers.UUIDField(help_text="A cloud image, or an ISO for the drive beside an empty disk.")
    ssh_keys = serializers.ListField(child=serializers.CharField(max_length=20_000), required=False)
    password = serializers.CharField(
        max_length=128, required=False, trim_whitespace=False, write_only=True, help_text="Of the image's user."
    )
    user_data = serializers.CharField(
        max_length=65_536, required=False, trim_whitespace=False, write_only=True, help_text="For cloud-init."
    )
    network_config = serializers.CharField(
        max_length=16_384, required=False, trim_whitespace=False, write_only=True, help_text="For cloud-init."
    )


class CloneSerializer(StrictSerializer):
    """A copy of a machine."""

    name = serializers.CharField(max_length=300, help_text="RFC 1123 label; also its host name with a cloud image.")
    start = serializers.BooleanField(required=False, default=False, help_text="Whether it is started when it is made.")


class TemplateSerializer(StrictSerializer):
    """An image of a machine."""

    name = serializers.CharField(max_length=100)
    remarks = serializers.CharField(max_length=10_000, required=False, allow_blank=True)
