"""``manage.py admin_recover``: the way in when nobody can sign in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import password_link, password_set, second_factor_reset, user_create, user_update
from common.sentences import gettext as _


class Command(BaseCommand):
    """Makes or re-opens a superuser."""

    help = _("Make (or re-activate) a superuser, and print a one-use link to set the password, or take it from a file.")

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line's options."""
        parser.add_argument("email", help=_("the superuser's e-mail address"))
        parser.add_argument("--name", default="Administrator", help=_("the name of a new one"))
        parser.add_argument(
            "--password-file", type=Path, help=_("a file that holds the password; without it a link is printed")
        )
        parser.add_argument(
            "--reset-second-factor",
            action="store_true",
            help=_("forget authenticator app, passkeys and recovery codes"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Does it, and says what was done."""
        password = _password_of(options["password_file"]) if options["password_file"] else ""
        user = self._superuser(options["email"], options["name"])
        if options["reset_second_factor"]:
            second_factor_reset(user=user, by=None)
            self.stdout.write(_("%(user)s has no second factor any more.") % {"user": user.email})
        if not password:
            self.stdout.write(_("Set a password within the hour: %(link)s") % {"link": password_link(user=user)})
        elif user.check_password(password):
            self.stdout.write(_("%(user)s is a superuser and has that password already.") % {"user": user.email})
        else:
            self._warn_of_weak(password, user)
            password_set(user=user, password=password, by=None, is_validated=False)
            self.stdout.write(
                _("%(user)s is a superuser and has the password of %(file)s.")
                % {"user": user.email, "file": options["password_file"]}
            )

    def _superuser(self, email: str, name: str) -> User:
        user = User.objects.filter(email=email).first()
        try:
            if user is not None:
                return user_update(user=user, by=None, is_active=True, is_staff=True, is_superuser=True)
            user = user_create(email=email, name=name, is_staff=True, is_superuser=True)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.stdout.write(_("There was no %(user)s: a superuser was made.") % {"user": user.email})
        return user

    def _warn_of_weak(self, password: str, user: User) -> None:
        """Whoever runs this owns the machine, so a weak password is theirs to choose; but it is said."""
        try:
            password_validation.validate_password(password, user)
        except ValidationError as error:
            self.stderr.write(
                _("This password is weak, change it after signing in: %(why)s") % {"why": " ".join(error.messages)}
            )


def _password_of(path: Path) -> str:
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(_("cannot read %(file)s: %(why)s") % {"file": path, "why": error}) from error
    if not password:
        raise CommandError(
            _("%(file)s is empty: write the password into it, or leave --password-file out to get a link")
            % {"file": path}
        )
    return password
