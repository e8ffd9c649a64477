"""How the API knows who asks: a login token, or the login session of one of Eve's own pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from common.sentences import gettext_lazy as _

from .errors import CHALLENGE
from .models import LoginToken, User
from .tokens import token_from_header, token_resolve


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer …``; ``request.auth`` is then the :class:`~accounts.models.LoginToken`."""

    def authenticate(self, request: Request) -> tuple[User, LoginToken] | None:
        """The token's user; None without a bearer token. Raises AuthenticationFailed for a bad one."""
        text = token_from_header(request.headers.get("Authorization", ""))
        if not text:
            return None
        token = token_resolve(text)
        if token is None:
            raise AuthenticationFailed(_("This token is not valid, or not any more. Log in again for a new one."))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return CHALLENGE


class PageSessionAuthentication(SessionAuthentication):
    """The session cookie of a page, with Django's CSRF check; ``request.auth`` is None."""


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema names login tokens."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme's definition."""
        return {"type": "http", "scheme": "bearer"}


class PageSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI schema names login sessions."""

    target_class = PageSessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """The scheme's definition."""
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
