"""What the API says of sites and hypervisors."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from accounts.models import User
from common.serializers import StrictSerializer
from hypervisors.address import validate_address
from hypervisors.models import Hypervisor, HypervisorState, Site
from hypervisors.selectors import sites_for


class SiteSerializer(serializers.ModelSerializer[Site]):
    """A site."""

    class Meta:
        model = Site
        fields = ["id", "name", "remarks", "created_at"]
        read_only_fields = fields


class SiteWishSerializer(StrictSerializer):
    """What makes a site."""

    name = serializers.CharField(max_length=100)
    remarks = serializers.CharField(required=False, allow_blank=True, max_length=10_000)


class HypervisorSerializer(serializers.ModelSerializer[Hypervisor]):
    """A hypervisor. `facts` is what its agent reported last, sizes in bytes; empty until first seen."""

    site_name = serializers.CharField(source="site.name", read_only=True)

    class Meta:
        model = Hypervisor
        fields = [
            "id",
            "name",
            "site",
            "site_name",
            "address",
            "remarks",
            "state",
            "state_reason",
            "state_since",
            "last_seen_at",
            "enrolled_at",
            "certificate_serial",
            "certificate_fingerprint",
            "certificate_expires_at",
            "domain_count",
            "contract_version",
            "facts",
            "created_at",
        ]
        read_only_fields = fields


class ManagedSiteField(serializers.PrimaryKeyRelatedField[Site]):
    """A site that the caller manages."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(queryset=Site.objects.none(), **kwargs)

    def get_queryset(self) -> QuerySet[Site]:
        """By the caller's sites."""
        user = getattr(self.context.get("request"), "user", None)
        return sites_for(user) if isinstance(user, User) else Site.objects.none()


class HypervisorChangeSerializer(StrictSerializer):
    """What can be changed of a hypervisor. An enrolled host keeps its pin, whatever its address becomes."""

    name = serializers.CharField(max_length=63, required=False)
    address = serializers.CharField(max_length=255, required=False, validators=[validate_address])
    site = ManagedSiteField(required=False)
    remarks = serializers.CharField(required=False, allow_blank=True, max_length=10_000)


class HypervisorWishSerializer(HypervisorChangeSerializer):
    """What registers a hypervisor; `site` is one that the caller manages."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("name", "address", "site"):
            self.fields[name].required = True


class HypervisorStateSerializer(serializers.Serializer[Any]):
    """How Eve and the host get on."""

    state = serializers.ChoiceField(choices=HypervisorState.choices)
    reason = serializers.CharField(source="state_reason")
    since = serializers.DateTimeField(source="state_since")
    last_seen_at = serializers.DateTimeField(allow_null=True)


class EnrolmentLineSerializer(serializers.Serializer[Any]):
    """The line to run on the host, as root; shown this once."""

    line = serializers.CharField()
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class StepSerializer(serializers.Serializer[Any]):
    """One step of the way to a host."""

    code = serializers.CharField()
    title = serializers.CharField()
    outcome = serializers.ChoiceField(choices=["ok", "failed", "skipped"])
    milliseconds = serializers.IntegerField()
    detail = serializers.CharField()


class EnrolmentRequestSerializer(serializers.Serializer[Any]):
    """What a host sends (eve_agent.wire.certs.EnrolmentRequest); for the schema."""

    token = serializers.CharField()
    csr_pem = serializers.CharField()
    contract_version = serializers.IntegerField()
    agent_version = serializers.CharField()
    time = serializers.DateTimeField()


class EnrolmentAnswerSerializer(serializers.Serializer[Any]):
    """What it is answered (eve_agent.wire.certs.EnrolmentAnswer); for the schema."""

    hypervisor_id = serializers.UUIDField()
    hypervisor_name = serializers.CharField()
    certificate_pem = serializers.CharField()
    ca_pem = serializers.CharField()
    eve_fingerprints = serializers.ListField(child=serializers.CharField())
    listen = serializers.CharField()
    time = serializers.DateTimeField()
