"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class ConsolesConfig(AppConfig):
    """Console tickets, live sessions, the relay and its consumer, console pages."""

    name = "consoles"
    verbose_name = _("Consoles")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listens to what the apps below announce."""
        from . import photographer, revocation, timeline  # noqa: F401, PLC0415  (after the apps are loaded)
