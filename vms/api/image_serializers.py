"""Images, sizes, pools and quotas as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from eve_agent.wire.checks import MAX_URL
from rest_framework import serializers

from common.sentences import gettext_lazy as _
from common.serializers import StrictSerializer
from vms.models import Image, ImageFormat, ImageKind, Size
from vms.quotas import LIMITS

from .amounts import DiskField, MemoryField, VcpusField
from .serializers import NamedSerializer


class ImageSerializer(serializers.ModelSerializer[Image]):
    """A cloud image or ISO."""

    site = NamedSerializer(read_only=True)
    project = NamedSerializer(read_only=True, allow_null=True, help_text="Null: public.")

    class Meta:
        model = Image
        fields = [
            "id",
            "name",
            "kind",
            "format",
            "site",
            "project",
            "state",
            "state_reason",
            "size_bytes",
            "virtual_bytes",
            "sha256",
            "remarks",
            "created_at",
        ]
        read_only_fields = fields


class PoolFileSerializer(StrictSerializer):
    """A file that somebody put into a pool."""

    hypervisor = serializers.UUIDField()
    pool = serializers.CharField(max_length=255)
    name = serializers.CharField(max_length=255, help_text="Of the file.")


class ImageCreateSerializer(StrictSerializer):
    """A new image: fetched from `url`, sent afterwards (`size_bytes`), or taken from a pool (`volume`); exactly one of the three."""

    name = serializers.CharField(max_length=100)
    kind = serializers.ChoiceField(choices=ImageKind.choices, required=False, default=ImageKind.CLOUD)
    format = serializers.ChoiceField(
        choices=ImageFormat.choices,
        required=False,
        default=ImageFormat.QCOW2,
        help_text="As which its bytes are read; they are never guessed. An ISO is raw.",
    )
    site = serializers.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Where it is kept and machines are made from it; else where there is most space.",
    )
    project = serializers.UUIDField(required=False, allow_null=True, default=None, help_text="Null: public, for staff.")
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$", required=False, default="", allow_blank=True)
    remarks = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    url = serializers.CharField(max_length=MAX_URL, required=False, help_text="http:// or https://.")
    size_bytes = serializers.IntegerField(min_value=1, required=False, help_text="Of the file that you will send.")
    volume = PoolFileSerializer(required=False, help_text="For staff.")

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        """One source."""
        if sum(name in data for name in ("url", "size_bytes", "volume")) != 1:
            raise serializers.ValidationError(_("Give exactly one of url, size_bytes and volume."))
        return data


class ImageChangeSerializer(StrictSerializer):
    """What may be changed of an image."""

    name = serializers.CharField(max_length=100, required=False)
    remarks = serializers.CharField(max_length=10_000, required=False, allow_blank=True)


class ImageCreatedSerializer(serializers.Serializer[Any]):
    """The new image, and where to go on."""

    image = ImageSerializer(
        allow_null=True,
        help_text="Null where a retry finds that what the first try made is gone, as once it was cancelled.",
    )
    operation = serializers.CharField(
        allow_null=True, help_text="Where to follow it; null for an upload, which waits for its bytes."
    )


class UploadFinishSerializer(StrictSerializer):
    """By what the host finds out that all that it has is of one file."""

    digests_sha256 = serializers.RegexField(
        r"^[0-9a-f]{64}$",
        required=False,
        default="",
        allow_blank=True,
        help_text="SHA-256 of the binary SHA-256s of each 4 MiB of the file, one after the other.",
    )


class UploadSerializer(serializers.Serializer[Any]):
    """How far an upload is."""

    received_bytes = serializers.IntegerField(help_text="Where the next piece begins.")
    size_bytes = serializers.IntegerField()
    piece_bytes = serializers.IntegerField(help_text="The longest piece.")


class SizeSerializer(serializers.ModelSerializer[Size]):
    """A choice of vCPUs, memory and disk."""

    class Meta:
        model = Size
        fields = ["id", "name", "vcpus", "memory_bytes", "disk_bytes", "is_offered"]
        read_only_fields = fields


class SizeCreateSerializer(StrictSerializer):
    """A new size."""

    name = serializers.CharField(max_length=50)
    vcpus = VcpusField()
    memory_bytes = MemoryField()
    disk_bytes = DiskField()


class SizeChangeSerializer(StrictSerializer):
    """What may be changed of a size."""

    name = serializers.CharField(max_length=50, required=False)
    vcpus = VcpusField(required=False)
    memory_bytes = MemoryField(required=False)
    disk_bytes = DiskField(required=False)
    is_offered = serializers.BooleanField(required=False)


class PoolSerializer(serializers.Serializer[Any]):
    """A storage pool of a host, as it was last reported."""

    hypervisor = NamedSerializer()
    site = NamedSerializer()
    name = serializers.CharField()
    kind = serializers.CharField(help_text="libvirt's, such as dir.")
    is_active = serializers.BooleanField()
    is_usable = serializers.BooleanField(help_text="Whether images and disks can be put there.")
    capacity_bytes = serializers.IntegerField()
    available_bytes = serializers.IntegerField()


class PoolPageSerializer(serializers.Serializer[Any]):
    """All pools, in the form of every list."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = PoolSerializer(many=True)


class VolumeSerializer(serializers.Serializer[Any]):
    """A file in a pool."""

    name = serializers.CharField()
    kind = serializers.CharField(help_text="image, disk, seed, or other: not of Eve's making.")
    uuid = serializers.UUIDField(allow_null=True)
    format = serializers.CharField(help_text="As libvirt guesses it.")
    capacity_bytes = serializers.IntegerField()
    allocation_bytes = serializers.IntegerField()
    backing = serializers.CharField(help_text="The file that it is thin over, or empty.")


class ShareSerializer(serializers.Serializer[Any]):
    """One limit of a project with its use."""

    name = serializers.ChoiceField(choices=[(name, name) for name in LIMITS])
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null: any amount.")


class QuotaChangeSerializer(StrictSerializer):
    """Limits of a project; null is the installation's default."""

    vms = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
    vcpus = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
    memory_bytes = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False, allow_null=True)
    disk_bytes = serializers.IntegerField(min_value=0, max_value=2**63 - 1, required=False, allow_null=True)
    snapshots = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
    images = serializers.IntegerField(min_value=0, max_value=2**31 - 1, required=False, allow_null=True)
