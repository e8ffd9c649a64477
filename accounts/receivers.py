"""What happens whenever a user's row is made, whoever made it: a service, Django's admin or ``createsuperuser``."""

from __future__ import annotations

from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from .models import User
from .services.users import personal_project_ensure


@receiver(post_save, sender=User)
def on_user_saved(*, instance: User, created: bool, raw: bool, **_: Any) -> None:
    """Every user has a personal project."""
    if created and not raw:
        personal_project_ensure(user=instance)
