"""How users are made and found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db import transaction

if TYPE_CHECKING:
    from .models import User


class UserManager(BaseUserManager["User"]):
    """Finds users by e-mail address whatever its case, and makes them as Django's own commands expect."""

    def get_by_natural_key(self, username: str | None) -> User:
        """The user with that e-mail address. Raises User.DoesNotExist."""
        return self.get(email=username or "")

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new user with `password`, or without a usable one."""
        user = self.model(email=email, **fields)
        user.set_password(password)
        with transaction.atomic():
            user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new user who may do everything."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})
