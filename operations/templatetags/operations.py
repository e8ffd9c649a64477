"""What a page says of an operation to this reader only."""

from __future__ import annotations

from django import template

from accounts.models import User
from operations.models import Operation
from operations.selectors import staff_words

register = template.Library()


@register.filter
def to_staff(operation: Operation, user: object) -> str:
    """What only staff of its site are told of how it failed; empty for others."""
    return staff_words(user, operation) if isinstance(user, User) else ""
