"""``manage.py admin_recover``: the way in when nobody can sign in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import PasswordTooWeak
from accounts.models import User
from accounts.services import password_link, password_set, user_create
from accounts.services.users import personal_project_ensure


class Command(BaseCommand):
    """Makes or re-opens a superuser."""

    help = (
        "Makes (or re-activates) a superuser, and prints a one-use link to set the password, or takes it from a file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line's options."""
        parser.add_argument("email", help="the superuser's e-mail address")
        parser.add_argument("--name", default="Administrator", help="the name of a new one")
        parser.add_argument(
            "--password-file", type=Path, help="a file that holds the password; without it a link is printed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Does it, and says what was done."""
        user = User.objects.filter(email__iexact=options["email"]).first()
        try:
            if user is None:
                user = user_create(email=options["email"], name=options["name"], is_staff=True, is_superuser=True)
            elif not (user.is_active and user.is_staff and user.is_superuser):
                User.objects.filter(pk=user.pk).update(is_active=True, is_staff=True, is_superuser=True)
                user.refresh_from_db()
            personal_project_ensure(user=user)
            if options["password_file"] is None:
                self.stdout.write(f"Set a password within the hour: {password_link(user=user)}")
                return
            self._set_password(user, options["password_file"])
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error

    def _set_password(self, user: User, path: Path) -> None:
        try:
            password = path.read_text().strip()
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror}") from error
        if user.check_password(password):
            self.stdout.write(f"{user.email} is a superuser and has that password already.")
            return
        try:
            password_set(user=user, password=password, by=None)
        except PasswordTooWeak as error:
            raise CommandError(f"the password in {path} is refused: {error}") from error
        self.stdout.write(f"{user.email} is a superuser and has the password of {path}.")
