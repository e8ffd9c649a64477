"""What cloud-init in a machine is told."""

from __future__ import annotations

from django.db import models

from common.sentences import gettext_lazy as _

from .machines import Vm


class Seed(models.Model):
    """A disc that tells cloud-init who its machine is (NoCloud). Its id is the instance's: with another, the guest begins anew.

    What the first boot alone is told may hold secrets. It is kept here until the disc is on the host, and on the disc until the first
    boot is over. Later boots find there who they are: a guest that finds no disc may take itself for another one.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    vm = models.ForeignKey(Vm, on_delete=models.CASCADE, related_name="seeds")
    """It has two while it is reinstalled: what it was, and what it is to be."""
    pool = models.CharField(max_length=255)
    """Where the disc is."""
    user_data = models.TextField(blank=True)
    """For the first boot; empty once it is on the disc."""
    network_config = models.TextField(blank=True)
    """The same."""
    later_user_data = models.TextField()
    """For all other boots, without secrets."""
    written_at = models.DateTimeField(null=True)
    """Since when the disc is on the host."""
    is_over = models.BooleanField(default=False)
    """Whether the first boot is over, and the disc is one for later boots."""
    tried_at = models.DateTimeField(null=True)
    """When the disc was to be exchanged last."""

    class Meta:
        verbose_name = _("seed")
        verbose_name_plural = _("seeds")
        indexes = [models.Index(fields=["vm"], condition=models.Q(is_over=False), name="seed_of_a_first_boot")]

    def __str__(self) -> str:
        return str(self.pk)
