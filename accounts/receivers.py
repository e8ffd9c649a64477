"""What happens whenever a user's row or a login session is made, whoever made it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest

from .middleware import session_note
from .models import User
from .services.invitations import invitations_apply
from .services.users import personal_project_ensure


@receiver(post_save, sender=User)
def on_user_saved(*, instance: User, created: bool, raw: bool, **_: Any) -> None:
    """Every user has a personal project, and is in those that waited for their address."""
    if created and not raw:
        personal_project_ensure(user=instance)
        invitations_apply(user=instance)


@receiver(user_logged_in)
def on_user_logged_in(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Every login session is in its user's list at once."""
    if request.session.session_key is None:
        request.session.save()
    session_note(request, user)
