"""Django's configuration of the composition root."""

from django.apps import AppConfig


class EveSiteConfig(AppConfig):
    """Registers the settings' checks."""

    name = "eve_site"

    def ready(self) -> None:
        """Imports what registers itself."""
        from . import checks  # noqa: F401, PLC0415  (after the apps are loaded)
