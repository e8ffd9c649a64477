"""What a project may use."""

from __future__ import annotations

from django.db import models

from accounts.models import Project
from common.sentences import gettext_lazy as _


class Quota(models.Model):
    """Limits of one project. None is the installation's default; a project without a row has all defaults."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, primary_key=True, related_name="quota")
    vms = models.PositiveIntegerField(_("virtual machines"), null=True, blank=True)
    vcpus = models.PositiveIntegerField(_("vCPUs"), null=True, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory"), null=True, blank=True)
    disk_bytes = models.PositiveBigIntegerField(_("disk space"), null=True, blank=True)

    snapshots = models.PositiveIntegerField(_("snapshots"), null=True, blank=True)
    images = models.PositiveIntegerField(_("images"), null=True, blank=True)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")

    def __str__(self) -> str:
        return str(self.project)
