"""Snapshots of virtual machines."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from common.sentences import gettext_lazy as _

from .machines import Vm


class SnapshotState(models.TextChoices):
    """Where a snapshot stands."""

    MAKING = "making", _("being made")
    READY = "ready", _("ready")


class Snapshot(models.Model):
    """What a VM was at one moment: its disks, and its memory if it ran. Its id is its name in libvirt."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vm = models.ForeignKey(Vm, verbose_name=_("VM"), on_delete=models.CASCADE, related_name="snapshots")
    parent = models.ForeignKey(
        "self", verbose_name=_("made after"), on_delete=models.SET_NULL, null=True, blank=True, related_name="children"
    )
    name = models.CharField(_("name"), max_length=100)
    with_memory = models.BooleanField(_("with memory"), default=False)
    """Then the guest runs on after a return to it, as it ran then."""
    is_current = models.BooleanField(_("current"), default=False)
    """Whether the disks go on from this one."""
    state = models.CharField(_("state"), max_length=10, choices=SnapshotState, default=SnapshotState.MAKING)
    vcpus = models.PositiveIntegerField(_("vCPUs"))
    """What the VM had then, and has again after a return."""
    memory_bytes = models.PositiveBigIntegerField(_("memory"))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("snapshot")
        verbose_name_plural = _("snapshots")
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return self.name
