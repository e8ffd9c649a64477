"""Guests: people without an account who see, or use, one VM's screen by a link. Their session knows the name that they gave."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from .models import GuestLink

IN_SESSION: Final = "guest_links"
"""Under this a visitor's session holds, by the link's id, the name that they gave."""
LABEL: Final = "guest: {name}"
"""How guests are called in the audit."""
MAX_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Guest:
    """A visitor who came by a link."""

    link: GuestLink
    name: str

    @property
    def label(self) -> str:
        """As the audit calls them."""
        return LABEL.format(name=self.name)


def guest_remember(session: SessionBase, guest: Guest) -> None:
    """Lets the visitor's session open the screen: under a new key, which nobody can have planted.

    The key stays where it opened that screen before (in another tab, whose console would end), and whoever is signed in got theirs then.
    """
    if not name_in(session, guest.link.pk) and SESSION_KEY not in session:
        session.cycle_key()
    session[IN_SESSION] = {**session.get(IN_SESSION, {}), str(guest.link.pk): guest.name}


def name_in(session: Any, link_id: uuid.UUID) -> str:
    """The name that was given at that link in that session; empty where none was."""
    return str(session.get(IN_SESSION, {}).get(str(link_id), ""))


def name_by_key(session_key: str, link_id: uuid.UUID) -> str:
    """:func:`name_in` for the session with that key."""
    if not session_key:
        return ""
    return name_in(import_module(settings.SESSION_ENGINE).SessionStore(session_key), link_id)
