"""Who opens a console: reads the handshake's one credential and finds whom it stands for.

=======================================  ===================================================================
``?ticket=``                             a one-use ticket; one issued to a page also needs that login session's
                                         cookie and a good Origin, one issued to a token stands alone
``?token=``, ``Authorization: Bearer``   a login token, for programs; ``mode`` and ``kind`` beside it
=======================================  ===================================================================

A cookie alone opens nothing. Two credentials at once are refused, as is a repeated one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings

from accounts.models import LoginToken, User
from accounts.sessions import session_digest, session_user
from accounts.tokens import token_from_header, token_resolve
from common.origins import origin_is_good

from .errors import BadCredential
from .guests import Guest
from .models import ConsoleKind, ConsoleMode
from .selectors import guest_by_key


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a console session belongs to, and what it ends with: a login session, a login token, or a guest link."""

    user: User | None
    """None for a guest."""
    token: LoginToken | None = None
    session_digest: str = ""
    guest: Guest | None = None

    @property
    def label(self) -> str:
        """As records call them."""
        if self.guest is not None:
            return self.guest.name
        return self.user.email if self.user is not None else ""

    @property
    def actor(self) -> dict[str, Any]:
        """As :func:`accounts.services.audit_record` is told."""
        return {"actor_label": self.guest.label} if self.guest is not None else {"actor": self.user}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a console's websocket handshake says."""

    headers: tuple[tuple[bytes, bytes], ...]
    ticket: str
    token: str
    mode: ConsoleMode
    kind: ConsoleKind
    session_key: str

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> Handshake:
        """Reads an ASGI scope. Raises BadCredential where it is ambiguous or names no mode or kind of ours."""
        headers = tuple(scope["headers"])
        try:
            query = parse_qs(scope["query_string"].decode("ascii"), strict_parsing=False, max_num_fields=16)
        except (UnicodeDecodeError, ValueError) as error:
            raise BadCredential("the query is not readable") from error
        bearers = [
            token_from_header(value.decode("latin-1")) for name, value in headers if name.lower() == b"authorization"
        ]
        tickets, tokens = query.get("ticket", []), [*query.get("token", []), *bearers]
        if len(tickets) + len(tokens) != 1:
            raise BadCredential("not exactly one credential")
        try:
            mode = ConsoleMode(query.get("mode", [ConsoleMode.CONTROL])[0])
            kind = ConsoleKind(query.get("kind", [ConsoleKind.VNC])[0])
        except ValueError as error:
            raise BadCredential(str(error)) from error
        return cls(
            headers=headers,
            ticket=tickets[0] if tickets else "",
            token=tokens[0] if tokens else "",
            mode=mode,
            kind=kind,
            session_key=scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME, ""),
        )


def guest_principal(handshake: Handshake, *, link_id: uuid.UUID, expected_digest: str) -> Principal:
    """The guest whose session it is. Raises BadCredential."""
    if session_digest(handshake.session_key) != expected_digest:
        raise BadCredential("the ticket belongs to another visitor's session")
    guest = guest_by_key(handshake.session_key, link_id)
    if guest is None:
        raise BadCredential("the guest link has ended")
    return Principal(user=None, session_digest=expected_digest, guest=guest)


def principal_of_token(handshake: Handshake) -> Principal:
    """Whose login token it is. Raises BadCredential."""
    origin_check(handshake, is_required=False)
    token = token_resolve(handshake.token)
    if token is None:
        raise BadCredential("no such token")
    return Principal(user=token.user, token=token)


def origin_check(handshake: Handshake, *, is_required: bool) -> None:
    """That the page that opens the websocket is one of ours; a program has none. Raises BadCredential."""
    if not origin_is_good(handshake.headers, is_required=is_required):
        raise BadCredential("bad origin")


def page_session_check(handshake: Handshake, *, user: User, expected_digest: str) -> None:
    """That a page's ticket comes from the login session that it was given to. Raises BadCredential."""
    if session_digest(handshake.session_key) != expected_digest:
        raise BadCredential("the ticket belongs to another login session")
    if session_user(handshake.session_key) != user:
        raise BadCredential("the login session has ended")
