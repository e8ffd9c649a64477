"""What a machine is made of, and its snapshots, as the API shows and takes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.serializers import StrictSerializer
from vms.models import Disk, Image, Nic, Snapshot

from .amounts import DiskField, MemoryField, VcpusField
from .serializers import NamedSerializer


class MachineDiskSerializer(serializers.ModelSerializer[Disk]):
    """A disk that Eve made."""

    class Meta:
        model = Disk
        fields = ["id", "size_bytes", "bus", "pool", "image", "position", "created_at"]
        read_only_fields = fields


class KeptDiskSerializer(serializers.ModelSerializer[Disk]):
    """A disk that belongs to no machine."""

    project = NamedSerializer(read_only=True)
    hypervisor = NamedSerializer(read_only=True)

    class Meta:
        model = Disk
        fields = ["id", "project", "hypervisor", "pool", "size_bytes", "bus", "image", "kept_from", "kept_since"]
        read_only_fields = fields


class DiskRemoveSerializer(StrictSerializer):
    """How a disk is taken away."""

    keep = serializers.BooleanField(required=False, default=False)


class MachineNicSerializer(serializers.ModelSerializer[Nic]):
    """A network card that Eve made."""

    class Meta:
        model = Nic
        fields = ["mac", "kind", "model", "position"]
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        """Also ``source``, a name that DRF's fields use themselves."""
        source = serializers.CharField(read_only=True, help_text="Name of the network or bridge.")
        return {**super().get_fields(), "source": source}


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    """A snapshot; `parent` is the one that it was made after."""

    class Meta:
        model = Snapshot
        fields = ["id", "name", "parent", "with_memory", "is_current", "state", "created_at"]
        read_only_fields = fields


class ResourcesSerializer(StrictSerializer):
    """How large a machine is to be."""

    vcpus = VcpusField()
    memory_bytes = MemoryField()


class DiskSizeSerializer(StrictSerializer):
    """How large a disk is to be."""

    size_bytes = DiskField()


class BootSerializer(StrictSerializer):
    """What a machine boots from."""

    devices = serializers.ListField(
        child=serializers.CharField(max_length=36),
        max_length=64,
        help_text="Ids of disks, MAC addresses, cdrom; the first first. What is not named is not booted from.",
    )


class CdSerializer(StrictSerializer):
    """What is to be in the CD drive."""

    image = serializers.UUIDField(allow_null=True, help_text="An ISO; null: the drive is emptied.")


class DiscSerializer(serializers.ModelSerializer[Image]):
    """An ISO, as a disc for a CD drive."""

    class Meta:
        model = Image
        fields = ("id", "name")
        read_only_fields = fields


class CdDriveSerializer(serializers.Serializer[Any]):
    """A CD drive: what is in it, and what may be put into it."""

    image = DiscSerializer(allow_null=True, help_text="Null: the drive is empty.")
    choices = DiscSerializer(many=True, help_text="The ISOs that the caller may put into it, by name.")


class SnapshotMakeSerializer(StrictSerializer):
    """A snapshot to be made."""

    name = serializers.CharField(max_length=100)
    with_memory = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Else where it runs and has no UEFI firmware."
    )
