"""Images, where their bytes are, and sizes of VMs."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Project
from common.sentences import gettext_lazy as _
from hypervisors.models import Hypervisor, Site


class ImageKind(models.TextChoices):
    """What an image is for."""

    CLOUD = "cloud", _("cloud image")
    """A disk with a system that cloud-init prepares: VMs' disks are thin over it."""
    ISO = "iso", _("ISO")
    """A CD to boot or install from."""


class ImageFormat(models.TextChoices):
    """How an image's bytes are read: as declared, never as they look."""

    QCOW2 = "qcow2", _("qcow2")
    RAW = "raw", _("raw")


class ImageState(models.TextChoices):
    """Where an image stands."""

    COMING = "coming", _("on its way")
    """It is fetched, sent or checked."""
    READY = "ready", _("ready")
    FAILED = "failed", _("failed")
    """It never came, or is gone; `state_reason` says why."""
    REMOVING = "removing", _("being deleted")
    """Nothing new is made from it."""


class Image(models.Model):
    """A cloud image or ISO of one site: public, or of one project."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=ImageKind, default=ImageKind.CLOUD)
    format = models.CharField(_("format"), max_length=10, choices=ImageFormat, default=ImageFormat.QCOW2)
    project = models.ForeignKey(
        Project, verbose_name=_("project"), on_delete=models.PROTECT, null=True, blank=True, related_name="images"
    )
    """None: everybody may use it."""
    site = models.ForeignKey(Site, verbose_name=_("site"), on_delete=models.PROTECT, related_name="images")
    state = models.CharField(_("state"), max_length=10, choices=ImageState, default=ImageState.COMING, editable=False)
    state_reason = models.CharField(_("why"), max_length=500, blank=True, editable=False)
    source_url = models.CharField(_("address"), max_length=2000, blank=True, editable=False)
    """Where it was fetched from."""
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0, editable=False)
    """Of its file."""
    virtual_bytes = models.PositiveBigIntegerField(_("disk size"), default=0, editable=False)
    """Of the disk in it: a VM's disk cannot be smaller."""
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True)
    remarks = models.TextField(_("remarks"), blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    received_at = models.DateTimeField(default=timezone.now, editable=False)
    """Of an upload: when something of it came last."""

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class ImageCopy(models.Model):
    """That an image's bytes are in a pool of a host."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="copies")
    hypervisor = models.ForeignKey(Hypervisor, on_delete=models.CASCADE, related_name="image_copies")
    pool = models.CharField(_("pool"), max_length=255)
    is_ready = models.BooleanField(_("ready"), default=False)

    class Meta:
        verbose_name = _("copy of an image")
        verbose_name_plural = _("copies of images")
        ordering = ["image", "hypervisor", "pool"]
        constraints = [models.UniqueConstraint(fields=["image", "hypervisor", "pool"], name="image_copy_unique")]

    def __str__(self) -> str:
        return f"{self.image_id} · {self.pool}"


class Size(models.Model):
    """A choice of vCPUs, memory and disk that staff offer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=50, unique=True)
    vcpus = models.PositiveSmallIntegerField(_("vCPUs"))
    memory_bytes = models.PositiveBigIntegerField(_("memory"))
    disk_bytes = models.PositiveBigIntegerField(_("disk"))
    is_offered = models.BooleanField(_("offered"), default=True)
    """A size that is not offered any more stays what it was for the VMs made by it."""

    class Meta:
        verbose_name = _("size")
        verbose_name_plural = _("sizes")
        ordering = ["memory_bytes", "vcpus", "disk_bytes", "name"]

    def __str__(self) -> str:
        return self.name
