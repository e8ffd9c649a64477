"""Errors of accounts::

BadLogin            wrong password, unknown user, disabled user: all the same
SecondFactorRequired the password is right, and a second factor has to follow
BadCode             a wrong, spent or replayed code, or a passkey that proves nothing
SecondFactorMissing staff who have to have a second factor have none
TooManyAttempts     the limit of attempts is reached; `retry_after` seconds
LastOwner           a project would be left without an owner
StillOwns           a user or project owns VMs, so it can only be disabled or its VMs transferred
PasswordTooWeak     Django's validators refuse it
LinkSpent           a one-use link that was used, is too old, or was never ours
KeyKnown            the user has that SSH key already
TooManyProjects     somebody owns as many as one may
TooManyRequests     somebody asks the API too often; `retry_after` seconds
"""

from __future__ import annotations

import math

from common.errors import Conflict, EveError, Invalid, LimitReached
from common.sentences import gettext_lazy as _
from common.sentences import ngettext

CHALLENGE = "Bearer"
"""How programs sign in (RFC 6750)."""


class BadLogin(EveError):
    """Wrong password, unknown user, disabled user: all the same, in words and in time."""

    status = 401
    code = "bad_login"
    title = _("You are not signed in")
    challenge = CHALLENGE

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or _("The e-mail address or the password is wrong."))


class SecondFactorRequired(EveError):
    """The password is right, and a second factor has to follow."""

    status = 401
    code = "second_factor_required"
    title = _("A second factor is needed")
    challenge = CHALLENGE

    def __init__(self, kinds: list[str]) -> None:
        super().__init__(
            _(
                "This account has a second factor. Send the code of its authenticator app, or a recovery code, as “code”. "
                "Passkeys work in browsers only."
            ),
            kinds=kinds,
        )


class BadCode(EveError):
    """A wrong, spent or replayed code, or a passkey that proves nothing: all the same."""

    status = 401
    code = "bad_code"
    title = _("That is not the second factor")
    challenge = CHALLENGE

    def __init__(self) -> None:
        super().__init__(
            _("The code is wrong, or was used already. Wait for the next one, and look at the clock of your phone.")
        )


class SecondFactorMissing(EveError):
    """Staff who have to have a second factor have none."""

    status = 403
    code = "second_factor_missing"
    title = _("You need a second factor")

    def __init__(self) -> None:
        super().__init__(
            _("Staff sign in here with a second factor, and you have none. Sign in with a browser, and set one up.")
        )


class TooManyAttempts(LimitReached):
    """The limit of attempts is reached."""

    code = "too_many_attempts"
    title = _("Too many attempts")
    retryable = True

    def __init__(self, *, retry_after_seconds: int, is_first: bool) -> None:
        minutes = math.ceil(retry_after_seconds / 60)
        super().__init__(
            ngettext(
                "Too many attempts. Wait %(minutes)d minute, then try again.",
                "Too many attempts. Wait %(minutes)d minutes, then try again.",
                minutes,
            )
            % {"minutes": minutes},
            retry_after=retry_after_seconds,
        )
        self.is_first = is_first
        """Whether it is the first refusal in this window."""


class LastOwner(Conflict):
    """A project would be left without an owner."""

    code = "last_owner"
    title = _("The project needs an owner")


class StillOwns(Conflict):
    """It owns virtual machines."""

    code = "still_owns_vms"
    title = _("It still owns virtual machines")


class PasswordTooWeak(Invalid):
    """Django's password validators refuse it; the detail says why."""

    code = "password_too_weak"
    title = _("This password is too weak")


class LinkSpent(Conflict):
    """A one-use link that was used, is too old, or was never ours."""

    code = "link_spent"
    title = _("This link does not work any more")


class KeyKnown(Conflict):
    """The user has that SSH key already."""

    code = "key_known"
    title = _("The key is there already")


class TooManyProjects(LimitReached):
    """Somebody owns as many projects as one may: each has a quota of its own."""

    code = "too_many_projects"
    title = _("No more projects")


class TooManyRequests(LimitReached):
    """Somebody asks the API too often."""

    code = "too_many_requests"
    title = _("Too many requests")
    retryable = True
