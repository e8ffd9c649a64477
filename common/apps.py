"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class CommonConfig(AppConfig):
    """The leaf that every app may import."""

    name = "common"
    verbose_name = _("Common")
    default_auto_field = "django.db.models.BigAutoField"
