"""``manage.py admin_recover``: the way in when nobody can sign in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import password_link, password_set, user_create, user_update


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
        password = _password_of(options["password_file"]) if options["password_file"] else ""
        user = _superuser(options["email"], options["name"])
        if not password:
            self.stdout.write(f"Set a password within the hour: {password_link(user=user)}")
        elif user.check_password(password):
            self.stdout.write(f"{user.email} is a superuser and has that password already.")
        else:
            self._warn_of_weak(password, user)
            password_set(user=user, password=password, by=None, is_validated=False)
            self.stdout.write(f"{user.email} is a superuser and has the password of {options['password_file']}.")

    def _warn_of_weak(self, password: str, user: User) -> None:
        """Whoever runs this owns the machine, so a weak password is theirs to choose; but it is said."""
        try:
            password_validation.validate_password(password, user)
        except ValidationError as error:
            self.stderr.write(f"This password is weak, change it after signing in: {' '.join(error.messages)}")


def _superuser(email: str, name: str) -> User:
    user = User.objects.filter(email=email).first()
    try:
        if user is None:
            return user_create(email=email, name=name, is_staff=True, is_superuser=True)
        return user_update(user=user, by=None, is_active=True, is_staff=True, is_superuser=True)
    except ValidationError as error:
        raise CommandError("; ".join(error.messages)) from error


def _password_of(path: Path) -> str:
    try:
        password = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {path}: {error}") from error
    if not password:
        raise CommandError(f"{path} is empty: write the password into it, or leave --password-file out to get a link")
    return password
