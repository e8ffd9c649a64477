"""Virtual machines and discovered domains as the API shows them."""

from __future__ import annotations

from typing import Any

from eve_agent.wire.domain import StateAction
from rest_framework import serializers

from accounts.models import Role
from common.sentences import gettext_lazy as _
from common.serializers import StrictSerializer
from vms.models import Firmware, VmState
from vms.services import NewNic
from vms.states import Obedience

from .amounts import DiskField, MemoryField, VcpusField

ACTIONS = [(action.value, action.value) for action in StateAction]


class NamedSerializer(serializers.Serializer[Any]):
    """Something with an id and a name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class DiskSerializer(serializers.Serializer[Any]):
    """A disk or drive."""

    target = serializers.CharField(help_text="The name in the guest, such as vda.")
    device = serializers.CharField(help_text="disk, cdrom, floppy or lun.")
    bus = serializers.CharField()
    format = serializers.CharField()
    capacity_bytes = serializers.IntegerField(help_text="The size that the guest sees; 0 where it is not known.")
    is_read_only = serializers.BooleanField()
    boot_order = serializers.IntegerField(help_text="1 is first; 0: it is not booted from.")


class NicSerializer(serializers.Serializer[Any]):
    """A network card."""

    mac = serializers.CharField()
    kind = serializers.CharField(help_text="network, bridge, user, …")
    model = serializers.CharField()
    boot_order = serializers.IntegerField(help_text="1 is first; 0: it is not booted from.")

    def get_fields(self) -> dict[str, Any]:
        """Also ``source``, a name that DRF's fields use themselves."""
        source = serializers.CharField(help_text="Name of the network or bridge.")
        return {**super().get_fields(), "source": source}


class GraphicsSerializer(serializers.Serializer[Any]):
    """A display."""

    kind = serializers.CharField()
    is_exposed = serializers.BooleanField(help_text="Whether it listens beyond loopback.")


class FactsSerializer(serializers.Serializer[Any]):
    """What the host reports."""

    vcpus = serializers.IntegerField()
    memory_bytes = serializers.IntegerField()
    firmware = serializers.CharField()
    is_persistent = serializers.BooleanField()
    is_autostarted = serializers.BooleanField()
    has_serial = serializers.BooleanField()
    disks = DiskSerializer(many=True)
    nics = NicSerializer(many=True)
    graphics = GraphicsSerializer(many=True)


class GuestAddressSerializer(serializers.Serializer[Any]):
    """An address of a guest."""

    address = serializers.CharField(help_text="IPv4 or IPv6.")
    prefix = serializers.IntegerField(help_text="In bits; 0 where it is not known.")
    mac = serializers.CharField(help_text="Of the card; empty where it is not known.")
    interface = serializers.CharField(help_text="Its name in the guest; empty where it is not known.")

    def get_fields(self) -> dict[str, Any]:
        """Also ``source``, a name that DRF's fields use themselves."""
        source = serializers.CharField(help_text="Who told: agent, lease or arp.")
        return {**super().get_fields(), "source": source}


class GuestInfoSerializer(serializers.Serializer[Any]):
    """What a guest says of itself."""

    has_agent = serializers.BooleanField(help_text="Whether an agent in it answered.")
    host_name = serializers.CharField()
    os_name = serializers.CharField(help_text="Such as Debian GNU/Linux 12 (bookworm).")
    kernel = serializers.CharField()
    addresses = GuestAddressSerializer(many=True)


class VmStateSerializer(serializers.Serializer[Any]):
    """A VM's state."""

    state = serializers.ChoiceField(choices=VmState.choices, source="vm.state")
    reason = serializers.CharField(
        source="vm.state_reason", help_text="libvirt's word for why, or how its host is away."
    )
    since = serializers.DateTimeField(source="vm.state_since")
    actions = serializers.ListField(
        child=serializers.ChoiceField(choices=ACTIONS), help_text="What you may do to it in this state."
    )
    shutdown = serializers.ChoiceField(
        choices=[(each.value, each.value) for each in Obedience],
        allow_null=True,
        help_text="Of a guest that was asked to shut down and still runs: whether it has time yet, or ignored it.",
    )
    operation = serializers.SerializerMethodField(help_text="Address of the change that is under way, or null.")

    def get_operation(self, card: Any) -> str | None:
        """The operation's address."""
        return card.active.api_path if card.active else None


class VmSerializer(serializers.Serializer[Any]):
    """A virtual machine."""

    id = serializers.UUIDField(source="vm.pk", help_text="Its libvirt UUID.")
    name = serializers.CharField(source="vm.name")
    project = NamedSerializer(source="vm.project")
    site = NamedSerializer(source="vm.hypervisor.site")
    hypervisor = NamedSerializer(source="vm.hypervisor")
    vcpus = serializers.IntegerField(source="vm.vcpus")
    memory_bytes = serializers.IntegerField(source="vm.memory_bytes")
    remarks = serializers.CharField(source="vm.remarks")
    state = serializers.ChoiceField(choices=VmState.choices, source="vm.state")
    state_reason = serializers.CharField(source="vm.state_reason")
    state_since = serializers.DateTimeField(source="vm.state_since")
    is_rescued = serializers.SerializerMethodField(help_text="Whether it runs a rescue system.")
    role = serializers.ChoiceField(choices=Role.choices, help_text="What you may do.", allow_null=True)
    operation = serializers.SerializerMethodField(help_text="Address of the change that is under way, or null.")
    facts = FactsSerializer(source="domain", allow_null=True, help_text="Null until its host has reported it.")
    guest = GuestInfoSerializer(allow_null=True, help_text="As it told lately; null where nothing is known.")
    last_seen_at = serializers.DateTimeField(source="vm.last_seen_at", allow_null=True)
    created_at = serializers.DateTimeField(source="vm.created_at")

    def get_is_rescued(self, card: Any) -> bool:
        """By what is to be brought back."""
        return bool(card.vm.rescue)

    def get_operation(self, card: Any) -> str | None:
        """The operation's address."""
        return card.active.api_path if card.active else None


class VmChangeSerializer(StrictSerializer):
    """What may be changed of a VM; what is not named stays as it is."""

    name = serializers.CharField(max_length=300, required=False, help_text="RFC 1123 label; the guest's own stays.")
    remarks = serializers.CharField(max_length=10_000, required=False, allow_blank=True, trim_whitespace=False)
    autostart = serializers.BooleanField(required=False, help_text="Whether it starts with its host.")


class VmMoveSerializer(StrictSerializer):
    """Which project a VM is to belong to."""

    project = serializers.UUIDField(help_text="One in which you are operator or owner; its own owners move it.")


class NewDiskSerializer(StrictSerializer):
    """A disk to be made."""

    size_bytes = DiskField()
    pool = serializers.CharField(
        max_length=255,
        required=False,
        default="",
        help_text="Of its host. Else Eve chooses; a further disk lies beside the first.",
    )


class NewNicSerializer(StrictSerializer):
    """A network card to be made; exactly one of the two."""

    network = serializers.CharField(max_length=255, required=False)
    bridge = serializers.CharField(max_length=255, required=False)

    def validate(self, data: dict[str, Any]) -> NewNic:
        """One of the two."""
        if len(data) != 1:
            raise serializers.ValidationError(_("Give a network or a bridge."))
        ((kind, source),) = data.items()
        return NewNic(source=source, kind=kind)


class VmCreateSerializer(StrictSerializer):
    """A new virtual machine. Everything but name, CPU and memory (or a size) has a default."""

    name = serializers.CharField(max_length=300, help_text="RFC 1123 label; also its host name.")
    project = serializers.UUIDField(required=False, help_text="Else your personal one.")
    site = serializers.UUIDField(required=False, help_text="Else that of the image, or any.")
    hypervisor = serializers.UUIDField(required=False, help_text="For who manages it; else Eve places it.")
    size = serializers.UUIDField(required=False, help_text="In place of vcpus, memory_bytes and the first disk's size.")
    vcpus = VcpusField(required=False)
    memory_bytes = MemoryField(required=False)
    image = serializers.UUIDField(required=False, help_text="A cloud image for the first disk, or an ISO.")
    disks = NewDiskSerializer(many=True, required=False, help_text="The first is booted from. Else one of 10 GiB.")
    nics = NewNicSerializer(many=True, required=False, help_text="Else one in the default network, where there is one.")
    ssh_keys = serializers.ListField(child=serializers.CharField(max_length=20_000), required=False)
    password = serializers.CharField(
        max_length=128,
        required=False,
        default="",
        trim_whitespace=False,
        write_only=True,
        help_text="Of the image's user.",
    )
    user_data = serializers.CharField(
        max_length=65_536,
        required=False,
        default="",
        trim_whitespace=False,
        write_only=True,
        help_text="For cloud-init.",
    )
    network_config = serializers.CharField(
        max_length=16_384,
        required=False,
        default="",
        trim_whitespace=False,
        write_only=True,
        help_text="For cloud-init.",
    )
    firmware = serializers.ChoiceField(choices=Firmware.choices, required=False, default=Firmware.BIOS)
    devices = serializers.ChoiceField(
        choices=[("virtio", "virtio"), ("legacy", "legacy")], required=False, default="virtio"
    )
    autostart = serializers.BooleanField(required=False, default=False, help_text="Whether it starts with its host.")
    start = serializers.BooleanField(required=False, default=True, help_text="Whether it is started when it is made.")
    remarks = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)


class VmCreatedSerializer(serializers.Serializer[Any]):
    """The VM that is being made, and where to follow that."""

    id = serializers.UUIDField()
    vm = serializers.CharField(help_text="Such as /api/v1/vms/8b1c….")
    operation = serializers.CharField(help_text="Such as /api/v1/operations/8b1c….")


class VmDeleteSerializer(StrictSerializer):
    """How a VM is deleted."""

    keep_disks = serializers.BooleanField(required=False, default=False)


class StateChangeSerializer(StrictSerializer):
    """A power action."""

    action = serializers.ChoiceField(
        choices=ACTIONS, help_text="shutdown asks the guest, stop pulls the plug; reboot asks, reset does not."
    )


class OperationAddressSerializer(serializers.Serializer[Any]):
    """Where to follow a change."""

    operation = serializers.CharField(help_text="Such as /api/v1/operations/8b1c….")


class DiscoveredDomainSerializer(serializers.Serializer[Any]):
    """A domain that a host has and Eve does not."""

    id = serializers.IntegerField()
    uuid = serializers.UUIDField()
    name = serializers.CharField()
    hypervisor = NamedSerializer()
    is_conflict = serializers.BooleanField(help_text="Another hypervisor's VM has this UUID.")
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()


class AdoptSerializer(StrictSerializer):
    """Who gets it."""

    project = serializers.UUIDField()


class AdoptedSerializer(VmSerializer):
    """The new VM, and what to mind."""

    warnings = serializers.ListField(child=serializers.CharField())
