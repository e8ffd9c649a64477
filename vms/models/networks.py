"""What network cards of customers' machines may be plugged into."""

from __future__ import annotations

from django.db import models

from common.sentences import gettext_lazy as _
from hypervisors.models import Site

from .devices import NicKind


class OpenNetwork(models.Model):
    """A network or bridge that the staff of a site opened to customers. The default network is open without a row."""

    site = models.ForeignKey(Site, verbose_name=_("site"), on_delete=models.CASCADE, related_name="open_networks")
    kind = models.CharField(_("kind"), max_length=10, choices=NicKind)
    name = models.CharField(_("name"), max_length=255)
    """Of the libvirt network or the bridge, on whichever hosts of the site have it."""

    class Meta:
        verbose_name = _("open network")
        verbose_name_plural = _("open networks")
        ordering = ["site", "kind", "name"]
        constraints = [models.UniqueConstraint(fields=["site", "kind", "name"], name="open_network_unique")]

    def __str__(self) -> str:
        return self.name
