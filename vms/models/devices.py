"""Disks and network cards."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import Project
from common.sentences import gettext_lazy as _
from hypervisors.models import Hypervisor

from .images import Image
from .machines import Vm


class DiskBus(models.TextChoices):
    """How a disk appears to the guest."""

    VIRTIO = "virtio", _("virtio")
    SCSI = "scsi", _("virtio-scsi")
    SATA = "sata", _("SATA")


class Disk(models.Model):
    """A disk that Eve made. Its id is in its file's name on the host; it outlives the VM that it is taken from."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, verbose_name=_("project"), on_delete=models.PROTECT, related_name="disks")
    vm = models.ForeignKey(
        Vm, verbose_name=_("VM"), on_delete=models.SET_NULL, null=True, blank=True, related_name="disks"
    )
    hypervisor = models.ForeignKey(
        Hypervisor, verbose_name=_("hypervisor"), on_delete=models.PROTECT, related_name="disks"
    )
    pool = models.CharField(_("pool"), max_length=255)
    size_bytes = models.PositiveBigIntegerField(_("size"))
    """What the guest sees."""
    bus = models.CharField(_("bus"), max_length=10, choices=DiskBus, default=DiskBus.VIRTIO)
    image = models.ForeignKey(
        Image, verbose_name=_("image"), on_delete=models.PROTECT, null=True, blank=True, related_name="disks"
    )
    """What it is thin over: the image lives as long as its disks do."""
    position = models.PositiveSmallIntegerField(_("place"), default=0)
    """Among its VM's disks; the first is booted from."""
    kept_from = models.CharField(_("taken from"), max_length=255, blank=True, editable=False)
    """Without a VM: what the last one was called."""
    kept_since = models.DateTimeField(_("kept since"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("disk")
        verbose_name_plural = _("disks")
        ordering = ["vm", "position", "id"]

    def __str__(self) -> str:
        return str(self.pk)


class NicKind(models.TextChoices):
    """What a network card is plugged into."""

    NETWORK = "network", _("network")
    BRIDGE = "bridge", _("bridge")


class NicModel(models.TextChoices):
    """How a network card appears to the guest."""

    VIRTIO = "virtio", _("virtio")
    E1000E = "e1000e", _("Intel e1000e")


class Nic(models.Model):
    """A network card that Eve made."""

    vm = models.ForeignKey(Vm, verbose_name=_("VM"), on_delete=models.CASCADE, related_name="nics")
    mac = models.CharField(_("MAC address"), max_length=17, unique=True)
    kind = models.CharField(_("kind"), max_length=10, choices=NicKind, default=NicKind.NETWORK)
    source = models.CharField(_("network"), max_length=255)
    """Name of the libvirt network or the bridge."""
    model = models.CharField(_("model"), max_length=10, choices=NicModel, default=NicModel.VIRTIO)
    position = models.PositiveSmallIntegerField(_("place"), default=0)

    class Meta:
        verbose_name = _("network card")
        verbose_name_plural = _("network cards")
        ordering = ["vm", "position", "id"]

    def __str__(self) -> str:
        return self.mac
