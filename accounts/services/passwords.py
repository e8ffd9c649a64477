"""Passwords, and the one-use links by which they are set."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import make_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from accounts.audit import audit_record
from accounts.errors import LinkSpent, PasswordTooWeak, TooManyAttempts
from accounts.hashing import hashing_slot
from accounts.mail import password_mail_send
from accounts.models import AuditOutcome, User
from accounts.throttle import attempt_reserve, limit_of, network_of
from common.context import current_context
from common.errors import Conflict
from common.sentences import gettext as _

from .logins import logins_end
from .privileges import privileges_check

LINKS_PER_ADDRESS = 10
LINKS_PER_ACCOUNT = 3


def password_link(*, user: User, by: User | None = None) -> str:
    """An address at which `user` may set a password once, within the hour, to be handed over (`by` None: by a command).

    Raises:
        NotAllowed: `by` is no superuser and `user` is staff.
        Conflict: the user is disabled.
    """
    privileges_check(by=by, target=user, action="password.link")
    if not user.is_active:
        raise Conflict(_("%(user)s is disabled. Enable the user first.") % {"user": user})
    audit_record(action="password.link", actor=by, target=user)
    return _link_to(user)


def password_forgotten(*, email: str) -> None:
    """Mails a link to whoever has that address. Takes the same steps whether somebody has, and says nothing of it.

    Raises:
        TooManyAttempts: from this address; for one account more than a few are silently not sent.
    """
    attempt_reserve(limit_of("link-address", network_of(current_context().address), most=LINKS_PER_ADDRESS))
    try:
        attempt_reserve(limit_of("link-account", email.strip().lower(), most=LINKS_PER_ACCOUNT))
    except TooManyAttempts:
        return
    user = User.objects.filter(email=email, is_active=True).first()
    outcome = AuditOutcome.SUCCESS if user else AuditOutcome.FAILURE
    audit_record(action="password.forgotten", actor_label=email, target=user, outcome=outcome)
    if user is not None:
        password_mail_send(address=user.email, link=_link_to(user))


def link_user(link: str, *, is_locked: bool = False) -> User:
    """Whose one-use link it is, while it is good; with the user's row locked, if asked. Raises LinkSpent."""
    uid, _separator, token = link.partition(".")
    users = User.objects.select_for_update() if is_locked else User.objects.all()
    try:
        user = users.filter(pk=uuid.UUID(bytes=urlsafe_base64_decode(uid)), is_active=True).first()
    except ValueError:
        user = None
    if user is None or not default_token_generator.check_token(user, token):
        raise LinkSpent(_("It was used, is older than an hour, or was overtaken by a sign-in. Ask for a new one."))
    return user


def password_set_by_link(*, link: str, password: str) -> User:
    """Sets the password that a one-use link allows; of two that race, one wins.

    Raises:
        LinkSpent: used, too old, or never valid; also for a disabled user.
        PasswordTooWeak: by Django's validators; the link stays good.
    """
    encoded = password_hash(password, link_user(link))
    with transaction.atomic():
        user = link_user(link, is_locked=True)
        _store(user, encoded, by=user)
    return user


def password_set(*, user: User, password: str, by: User | None, is_validated: bool = True) -> None:
    """Sets a password, and ends every login session and token of the user. Raises PasswordTooWeak, if validated."""
    encoded = password_hash(password, user if is_validated else None)
    with transaction.atomic():
        _store(user, encoded, by=by)


def password_hash(password: str, user: User | None) -> str:
    """Checks (as a password of `user`) and hashes.

    Never inside a transaction: on SQLite everybody else's writing would wait for the hash.
    """
    if user is not None:
        try:
            password_validation.validate_password(password, user)
        except ValidationError as error:
            raise PasswordTooWeak(" ".join(error.messages)) from error
    with hashing_slot():
        return make_password(password)


def _store(user: User, encoded: str, *, by: User | None) -> None:
    user.password = encoded
    user.save(update_fields=["password"])
    audit_record(action="password.set", actor=by, target=user)
    logins_end(user=user, reason="password_changed")


def _link_to(user: User) -> str:
    """Signed over the present password, e-mail address and last sign-in, so that a change of any ends it.

    The secret is in the query, which no access log holds (source: Django's PasswordResetTokenGenerator).
    """
    link = f"{urlsafe_base64_encode(user.pk.bytes)}.{default_token_generator.make_token(user)}"
    return f"{settings.PUBLIC_URL}{reverse('password-set')}?{urlencode({'link': link})}"
