"""Django's configuration of the app."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps

from common.sentences import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Users, projects and roles, login tokens, audit events."""

    name = "accounts"
    default = True
    verbose_name = _("Users and projects")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Imports what registers itself."""
        from . import receivers  # noqa: F401, PLC0415  (after the apps are loaded)


class EveAdminConfig(admin_apps.AdminConfig):
    """Django's admin, with Eve's own sign-in."""

    default = False
    default_site = "accounts.admin_site.EveAdminSite"
