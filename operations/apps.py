"""Django's configuration of the app."""

from django.apps import AppConfig

from common.sentences import gettext_lazy as _


class OperationsConfig(AppConfig):
    """Long work: operations, their dispatch and recovery."""

    name = "operations"
    verbose_name = _("Operations")
    default_auto_field = "django.db.models.BigAutoField"
