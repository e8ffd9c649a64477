"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class HypervisorsConfig(AppConfig):
    """Sites, hypervisors, enrolment, Eve's CA, the agent client, inventory, the watcher."""

    name = "hypervisors"
    verbose_name = _("Sites and hypervisors")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Says which audit events staff of a site see, and tells Prometheus of hosts."""
        from . import receivers  # noqa: F401, PLC0415  (after the apps are loaded)
        from .metrics import export  # noqa: F401, PLC0415
