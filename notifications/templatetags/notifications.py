"""What every page's head shows."""

from __future__ import annotations

from django import template

from accounts.models import User
from notifications.selectors import MOST_COUNTED
from notifications.selectors import unread_count as count_unread

register = template.Library()


@register.simple_tag
def unread_count(user: object) -> str:
    """How many notifications are unread, such as “3” or “99+”; empty for none."""
    count = count_unread(user) if isinstance(user, User) else 0
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")
