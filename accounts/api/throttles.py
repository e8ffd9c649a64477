"""How much of the API one user may ask for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts.errors import TooManyRequests
from accounts.models import User
from common.cache import count_up
from common.sentences import gettext as _

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which reads the settings that name this module

WINDOW_SECONDS = 60


class UserThrottle(BaseThrottle):
    """By user, whichever token or page asks: one program that asks without end takes the server from nobody else.

    It protects from load only, so nothing is refused while the cache is away. Consoles are websockets, and limited apart.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Raises TooManyRequests."""
        most, user, now = settings.API_REQUESTS_PER_MINUTE, request.user, time.time()
        if not most or not isinstance(user, User):
            return True
        window = int(now // WINDOW_SECONDS)
        if count_up(f"api:{user.pk}:{window}", seconds=2 * WINDOW_SECONDS) > most:
            raise TooManyRequests(
                _(
                    "The API takes %(most)d requests a minute from one user. Ask less often, or for more at once (page_size)."
                )
                % {"most": most},
                limit=most,
                retry_after=max(1, round((window + 1) * WINDOW_SECONDS - now)),
            )
        return True
