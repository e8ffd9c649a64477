"""Virtual machines, and the domains that hosts report but Eve does not own."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import Project
from common.sentences import gettext_lazy as _
from hypervisors.models import Hypervisor


class VmState(models.TextChoices):
    """A VM's state: libvirt's, or what Eve knows when libvirt cannot be asked."""

    RUNNING = "running", _("running")
    PAUSED = "paused", _("paused")
    SHUTTING_DOWN = "shutting_down", _("shutting down")
    OFF = "off", _("off")
    CRASHED = "crashed", _("crashed")
    SLEEPING = "sleeping", _("sleeping")
    UNKNOWN = "unknown", _("unknown")
    """Its host is away."""
    MISSING = "missing", _("missing")
    """Its host answers and does not have it."""
    CREATING = "creating", _("being made")
    """Its host does not have it yet."""


class Lifecycle(models.TextChoices):
    """Whether Eve is making or removing a VM: that its host does not have it is no news then."""

    MAKING = "making", _("being made")
    KEPT = "kept", _("kept")
    REMOVING = "removing", _("being removed")


class Firmware(models.TextChoices):
    """What boots a VM."""

    BIOS = "bios", _("BIOS")
    UEFI = "uefi", _("UEFI")


class Vm(models.Model):
    """A virtual machine that belongs to a project. Its id is its libvirt UUID."""

    id = models.UUIDField(primary_key=True, editable=False)
    name = models.CharField(_("name"), max_length=255)
    project = models.ForeignKey(Project, verbose_name=_("project"), on_delete=models.PROTECT, related_name="vms")
    hypervisor = models.ForeignKey(
        Hypervisor, verbose_name=_("hypervisor"), on_delete=models.PROTECT, related_name="vms"
    )
    vcpus = models.PositiveIntegerField(_("vCPUs"))
    """As agreed in Eve; what libvirt has is in `facts`."""
    memory_bytes = models.PositiveBigIntegerField(_("memory"))
    remarks = models.TextField(_("remarks"), blank=True)
    is_made_by_eve = models.BooleanField(_("made by Eve"), default=False, editable=False)
    """Then its name is Eve's, and its domain is called otherwise; an adopted VM is called as its domain is."""
    lifecycle = models.CharField(max_length=10, choices=Lifecycle, default=Lifecycle.KEPT, editable=False)
    firmware = models.CharField(_("firmware"), max_length=4, choices=Firmware, default=Firmware.BIOS)
    is_autostarted = models.BooleanField(_("starts with its host"), default=False)
    """As agreed in Eve, for VMs that Eve made; what libvirt has is in `facts`."""
    boot_devices = models.JSONField(_("boots from"), default=list, blank=True, editable=False)
    """Once somebody chose it: ids of disks, MAC addresses, ``cdrom``, the first first. A running guest's facts still have what it booted by."""
    rescue = models.JSONField(_("rescue"), default=dict, blank=True, editable=False)
    """While it runs a rescue system: what it had before, ``cd_image`` (id or null) and ``boot_devices``; else empty."""
    cd_image = models.ForeignKey(
        "vms.Image", verbose_name=_("CD"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """What is in its CD drive."""
    state = models.CharField(_("state"), max_length=15, choices=VmState, default=VmState.UNKNOWN, editable=False)
    state_reason = models.CharField(_("why"), max_length=100, blank=True, editable=False)
    state_since = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    state_before = models.CharField(max_length=15, blank=True, editable=False)
    """While its host is away: what it was last known to be; else empty."""
    state_before_since = models.DateTimeField(null=True, blank=True, editable=False)
    facts = models.JSONField(_("facts"), default=dict, blank=True, editable=False)
    """:class:`eve_agent.wire.domain.Domain` as last reported, as plain JSON."""
    guest = models.JSONField(_("guest"), default=dict, blank=True, editable=False)
    """:class:`eve_agent.wire.guest.GuestInfo` as last told, as plain JSON."""
    guest_asked_at = models.DateTimeField(_("guest asked"), null=True, blank=True, editable=False)
    """When :attr:`guest` was asked for last, whether or not there was an answer."""
    seen_vcpus = models.PositiveBigIntegerField(_("vCPUs on the host"), null=True, blank=True, editable=False)
    """As last reported; other than :attr:`vcpus`, it is drift."""
    seen_memory_bytes = models.PositiveBigIntegerField(_("memory on the host"), null=True, blank=True, editable=False)
    differences = models.JSONField(default=list, blank=True, editable=False)
    """Disks and cards that are not as agreed, as last reported: :class:`vms.comparing.Difference`, as plain JSON."""
    is_other = models.GeneratedField(
        expression=models.Case(
            models.When(
                ~models.Q(differences=[])
                | (models.Q(seen_vcpus__isnull=False) & ~models.Q(seen_vcpus=models.F("vcpus")))
                | (models.Q(seen_memory_bytes__isnull=False) & ~models.Q(seen_memory_bytes=models.F("memory_bytes"))),
                then=models.Value(True),
            ),
            default=models.Value(False),
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    """Whether its host has it otherwise than agreed in any way; the database says so, as of when the row was read or written."""
    accepted_devices = models.JSONField(default=list, blank=True, editable=False)
    """Of what somebody added behind Eve's back, and staff accepted: where a disk's bytes are, a card's MAC address."""
    last_seen_at = models.DateTimeField(_("last seen"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("virtual machine")
        verbose_name_plural = _("virtual machines")
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["project", "name", "id"]),
            models.Index(fields=["hypervisor", "name"]),
            # Rows are wide: with these, states are counted and lists sorted without reading them.
            models.Index(fields=["project", "state", "name", "id"]),
            models.Index(fields=["hypervisor", "state", "name", "id"]),
            # Staff's pages count these at each visit; they are few.
            models.Index(fields=["hypervisor"], condition=models.Q(is_other=True), name="vm_is_other"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                condition=models.Q(is_made_by_eve=True),
                name="vm_name_unique_in_project",
                violation_error_message=_("Another virtual machine of the project has that name."),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def domain_name(self) -> str:
        """What libvirt calls it, if Eve made it: free of collisions on any host, whatever projects call their VMs."""
        return f"{self.name}-{self.pk.hex[:8]}"


class DiscoveredDomain(models.Model):
    """A domain that a host reports and that is no VM of Eve's on that host: waiting to be adopted, or in conflict."""

    hypervisor = models.ForeignKey(
        Hypervisor, verbose_name=_("hypervisor"), on_delete=models.CASCADE, related_name="discovered_domains"
    )
    uuid = models.UUIDField(_("UUID"))
    name = models.CharField(_("name"), max_length=255)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    is_conflict = models.BooleanField(
        _("conflict"), default=False, help_text=_("Another hypervisor's VM has this UUID.")
    )
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    class Meta:
        verbose_name = _("discovered domain")
        verbose_name_plural = _("discovered domains")
        ordering = ["name", "uuid"]
        constraints = [models.UniqueConstraint(fields=["hypervisor", "uuid"], name="discovered_domain_unique")]

    def __str__(self) -> str:
        return self.name
