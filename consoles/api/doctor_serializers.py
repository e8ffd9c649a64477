"""What the API says of the doctor's findings."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.serializers import StrictSerializer
from consoles.doctor.findings import FINDINGS
from consoles.doctor.way_in import Seen
from hypervisors.api.serializers import StepSerializer


class DoctorRequestSerializer(StrictSerializer):
    """Who asks."""

    page = serializers.CharField(
        max_length=300, default="", allow_blank=True, help_text="The origin of the page, as its browser has it."
    )


class FoundSerializer(serializers.Serializer[Any]):
    """Something that was found."""

    code = serializers.CharField(help_text="Stable, for programs.")
    is_broken = serializers.BooleanField(help_text="Whether no console opens so; else it only needs care.")
    what = serializers.CharField()
    meaning = serializers.CharField()
    remedy = serializers.CharField()
    lines = serializers.ListField(
        child=serializers.CharField(), help_text="How the lines begin that mend it, in the examples for proxies."
    )

    def to_representation(self, instance: Seen) -> dict[str, Any]:
        """With what was seen in the words."""
        return dict(super().to_representation(_Worded(instance)))


class DoctorPageSerializer(serializers.Serializer[Any]):
    """How a request arrived."""

    host = serializers.CharField(help_text="The name that Eve was asked for.")
    scheme = serializers.ChoiceField(choices=["http", "https"])
    client = serializers.CharField(help_text="The address that Eve takes for the caller's.")
    peer = serializers.CharField(help_text="Who connected to Eve; for those who look after the VM's host.")
    findings = FoundSerializer(many=True)


class DoctorProbeSerializer(serializers.Serializer[Any]):
    """A test of websockets."""

    probe = serializers.UUIDField()
    url = serializers.CharField(
        help_text="Path and query of the websocket on this server; it gives back what it is sent."
    )


class DoctorHostSerializer(serializers.Serializer[Any]):
    """The way from Eve to the VM's screen."""

    at = serializers.DateTimeField()
    steps = StepSerializer(many=True, help_text="Their details are for those who look after the host.")
    host_findings = FoundSerializer(many=True)
    vm_findings = FoundSerializer(many=True)


class _Worded:
    """A finding with its code, as the serializer reads it."""

    def __init__(self, seen: Seen) -> None:
        finding = FINDINGS[seen.code].filled(seen.values)
        self.code = seen.code
        self.is_broken, self.lines = finding.is_broken, list(finding.lines)
        self.what, self.meaning, self.remedy = finding.what, finding.meaning, finding.remedy
