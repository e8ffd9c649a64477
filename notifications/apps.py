"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class NotificationsConfig(AppConfig):
    """What happened, whom it is told, and by which way."""

    name = "notifications"
    verbose_name = _("Notifications")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listens to what the apps below write."""
        from . import receivers  # noqa: F401, PLC0415  (after the apps are loaded)
