"""Making an account by an invitation."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.audit import audit_record
from accounts.models import Project, User
from common.errors import Conflict
from common.sentences import gettext as _

from .invitations import invitation_of
from .passwords import password_hash
from .users import user_create


def invitation_accept(*, link: str, name: str, password: str) -> tuple[User, Project]:
    """Makes the account that an invitation is for; it is in the project at once. Of two that race, one wins.

    Raises:
        LinkSpent: used, too old, withdrawn, or never valid.
        PasswordTooWeak: by Django's validators; the link stays good.
        Conflict: there is an account with that address by now.
    """
    email = invitation_of(link).email
    encoded = password_hash(password, User(email=email, name=name))
    try:
        with transaction.atomic():
            project = invitation_of(link, is_locked=True).project
            user = user_create(email=email, name=name)
            user.password = encoded
            user.save(update_fields=["password"])
            audit_record(action="invitation.accept", actor=user, target=project, project=project)
    except ValidationError:
        raise Conflict(_("There is an account with this address already. Sign in with it.")) from None
    return user, project
