"""Sites, hypervisors, enrolment tokens, certificates that Eve signed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from common.sentences import gettext_lazy as _

from .address import validate_address, validate_host_name


class Site(models.Model):
    """A place where hypervisors stand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    remarks = models.TextField(_("remarks"), blank=True)
    staff = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("staff"),
        related_name="assigned_sites",
        blank=True,
        help_text=_("What staff members who are limited to sites may see and manage."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HypervisorState(models.TextChoices):
    """How Eve and the agent get on."""

    NEW = "new", _("waiting for enrolment")
    ONLINE = "online", _("online")
    OFFLINE = "offline", _("away")
    LIBVIRT_DOWN = "libvirt_down", _("libvirt is down")
    REJECTED = "rejected", _("not trusted")
    """Something answers, but it is not the agent that Eve knows (chain, pin, deny-list)."""
    REVOKED = "revoked", _("revoked")


class Hypervisor(models.Model):
    """A libvirt host with an agent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(
        _("name"),
        max_length=63,
        unique=True,
        validators=[validate_host_name],
        help_text=_("Lower-case letters, digits, hyphens and dots; it is also in the host's certificate."),
    )
    site = models.ForeignKey(Site, verbose_name=_("site"), on_delete=models.PROTECT, related_name="hypervisors")
    address = models.CharField(
        _("agent's address"),
        max_length=255,
        validators=[validate_address],
        help_text=_("Host name or IP address and port, such as hv1.example.org:8443 or [2001:db8::5]:8443."),
    )
    remarks = models.TextField(_("remarks"), blank=True)
    state = models.CharField(
        _("state"), max_length=15, choices=HypervisorState, default=HypervisorState.NEW, editable=False
    )
    state_reason = models.CharField(_("why"), max_length=500, blank=True, editable=False)
    state_since = models.DateTimeField(_("since"), default=timezone.now, editable=False)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, blank=True, editable=False)
    facts = models.JSONField(_("facts"), default=dict, blank=True, editable=False)
    """:class:`eve_agent.wire.host.HostFacts` as plain JSON; empty until first seen."""
    domain_count = models.PositiveIntegerField(_("domains"), null=True, blank=True, editable=False)
    """How many domains the host has, as it listed them last and said since."""
    contract_version = models.PositiveSmallIntegerField(_("contract"), null=True, blank=True, editable=False)
    clock_offset_seconds = models.BigIntegerField(_("clock's offset"), null=True, blank=True, editable=False)
    """How far its clock was ahead of Eve's when the facts came; below zero, behind."""
    certificate_serial = models.CharField(_("certificate's serial"), max_length=40, blank=True, editable=False)
    certificate_fingerprint = models.CharField(
        _("certificate's fingerprint"), max_length=64, blank=True, editable=False
    )
    """SHA-256 of the DER, lower-case hexadecimal: the pin."""
    pending_fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    """Of a renewed certificate that has not been seen working yet; accepted beside the other."""
    certificate_expires_at = models.DateTimeField(_("certificate ends"), null=True, blank=True, editable=False)
    enrolled_at = models.DateTimeField(_("enrolled"), null=True, blank=True, editable=False)
    """When the host last enrolled; another moment means another trust, hence other links."""
    eve_pins = models.JSONField(default=list, blank=True, editable=False)
    """Fingerprints of Eve's client certificates that this agent is known to accept."""
    watcher = models.CharField(max_length=64, blank=True, editable=False)
    """Which process watches this agent."""
    watcher_lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("hypervisor")
        verbose_name_plural = _("hypervisors")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Outage(models.Model):
    """A time in which Eve could not use a host, or did not trust it; a host's newest are kept."""

    hypervisor = models.ForeignKey(
        Hypervisor, verbose_name=_("hypervisor"), on_delete=models.CASCADE, related_name="outages"
    )
    state = models.CharField(_("state"), max_length=15, choices=HypervisorState)
    """The last that is known of it."""
    reason = models.CharField(_("why"), max_length=500, blank=True)
    began_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("until"), null=True, blank=True)

    class Meta:
        verbose_name = _("outage")
        verbose_name_plural = _("outages")
        ordering = ["-began_at"]
        indexes = [models.Index(fields=["hypervisor", "began_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["hypervisor"], condition=models.Q(ended_at=None), name="outage_one_under_way"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hypervisor_id} {self.began_at}"

    @property
    def lasting_seconds(self) -> float:
        """How long it was, or has been so far."""
        return ((self.ended_at or timezone.now()) - self.began_at).total_seconds()


class EnrolmentToken(models.Model):
    """A one-use secret by which a host becomes a hypervisor of Eve's; only its digest is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hypervisor = models.ForeignKey(Hypervisor, on_delete=models.CASCADE, related_name="enrolment_tokens")
    public = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    """Set when a newer line was made for the same hypervisor."""

    class Meta:
        verbose_name = _("enrolment token")
        verbose_name_plural = _("enrolment tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.public


class CertificateUsage(models.TextChoices):
    """What a certificate is for."""

    AGENT = "agent", _("agent")
    EVE = "eve", _("Eve's own")
    MANUAL = "manual", _("signed by hand")


class Certificate(models.Model):
    """A certificate that Eve's CA signed; the deny-list is the rows with `revoked_at`."""

    serial = models.CharField(_("serial"), max_length=40, primary_key=True)
    """32 hexadecimal digits, lower case: 128 random bits."""
    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True)
    usage = models.CharField(_("usage"), max_length=10, choices=CertificateUsage)
    hypervisor = models.ForeignKey(
        Hypervisor,
        verbose_name=_("hypervisor"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="certificates",
    )
    subject = models.CharField(_("subject"), max_length=255)
    not_before = models.DateTimeField(_("valid from"))
    not_after = models.DateTimeField(_("valid until"))
    created_at = models.DateTimeField(_("signed"), default=timezone.now, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_reason = models.CharField(_("why"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("certificate")
        verbose_name_plural = _("certificates")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.serial


class Watcher(models.Model):
    """A process that watches agents. As long as it shows itself, it has its share of the hosts."""

    name = models.CharField(max_length=64, primary_key=True)
    seen_until = models.DateTimeField()

    class Meta:
        verbose_name = _("watcher")
        verbose_name_plural = _("watchers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class MetricBlock(models.Model):
    """What was measured at a host and its machines in one minute, or, coarse, in one quarter of an hour."""

    hypervisor = models.ForeignKey(Hypervisor, on_delete=models.CASCADE, related_name="+")
    is_coarse = models.BooleanField()
    began_at = models.DateTimeField()
    payload = models.BinaryField()
    """Series after series, as :mod:`hypervisors.metrics.blocks` packs them."""

    class Meta:
        verbose_name = _("metrics")
        verbose_name_plural = _("metrics")
        ordering = ["began_at"]
        indexes = [models.Index(fields=["is_coarse", "began_at"])]
        constraints = [
            models.UniqueConstraint(fields=["hypervisor", "is_coarse", "began_at"], name="metric_block_unique")
        ]

    def __str__(self) -> str:
        return f"{self.hypervisor_id} {self.began_at}"
