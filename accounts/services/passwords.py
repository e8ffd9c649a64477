"""Passwords, and the one-use links by which they are set."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.errors import LinkSpent, PasswordTooWeak
from accounts.models import User

from .announce import announce_revoked
from .tokens import tokens_revoke_all


def password_link(*, user: User, by: User | None = None) -> str:
    """An address at which `user` may set a password once, within the hour.

    It is signed over the present password and the time of the last sign-in, so that either ends it (source: Django's
    PasswordResetTokenGenerator).
    """
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    audit_record(action="password.link", actor=by, target=user, detail={"by_mail": by is None})
    return settings.PUBLIC_URL + reverse("password-set", kwargs={"uidb64": uid, "token": token})


def password_set_by_link(*, user: User, token: str, password: str) -> User:
    """Sets the password that a one-use link allows; of two that race, one wins.

    Raises:
        LinkSpent: used, too old, or never valid; also for a disabled user.
        PasswordTooWeak: by Django's validators; the link stays good.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if not (user.is_active and default_token_generator.check_token(user, token)):
            raise LinkSpent(_("Ask for a new link: each works once, for an hour."))
        password_set(user=user, password=password, by=user)
    return user


@transaction.atomic
def password_set(*, user: User, password: str, by: User | None) -> None:
    """Sets a password, and ends every login session and token of the user. Raises PasswordTooWeak."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise PasswordTooWeak(" ".join(error.messages)) from error
    user.set_password(password)
    user.save(update_fields=["password"])
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    tokens_revoke_all(user=user)
    audit_record(action="password.set", actor=by, target=user)
    announce_revoked(user_id=user.pk, reason="password_changed")
