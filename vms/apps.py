"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class VmsConfig(AppConfig):
    """Virtual machines: models, services, selectors, pages, API."""

    name = "vms"
    verbose_name = _("Virtual machines")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listens to what the apps below announce, registers how VMs' operations are done, and tells Prometheus of VMs."""
        from . import exporting, receivers  # noqa: F401, PLC0415  (after the apps are loaded)
        from .handlers import (  # noqa: F401, PLC0415
            copying,
            creating,
            deleting,
            disks,
            drift,
            hardware,
            images,
            power,
            reinstall,
            rescue,
            seeds,
            settings,
            snapshots,
        )
