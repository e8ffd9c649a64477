"""Login sessions in the database under a digest of their key: who reads the database, or a backup of it, can sign in as nobody."""

from __future__ import annotations

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.contrib.sessions.base_session import AbstractBaseSession
from django.utils import timezone

from common.secrets import digest_of

STORED_LENGTH = 40
"""How many digits of a key's SHA-256 its row is found by, as many as Django's column takes: 160 bits."""


def stored_key(session_key: str) -> str:
    """What a session's row is found by."""
    return stored_digest(digest_of(session_key))


def stored_digest(digest: str) -> str:
    """What a row is found by whose key has this SHA-256."""
    return digest[:STORED_LENGTH]


class SessionStore(DatabaseSessionStore):
    """As Django's; the cookie holds the key, the database its digest."""

    def exists(self, session_key: str) -> bool:
        """Whether there is such a session."""
        return super().exists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """The row that is going to be saved."""
        row = super().create_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Deletes that session, or this one."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(stored_key(key))

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        key = self.session_key or ""
        row = self.model.objects.filter(session_key=stored_key(key), expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
        return row

    async def aexists(self, session_key: str) -> bool:
        """:meth:`exists` on an event loop."""
        return await super().aexists(stored_key(session_key))

    async def acreate_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """:meth:`create_model_instance` on an event loop."""
        row = await super().acreate_model_instance(data)
        row.session_key = stored_key(row.session_key)
        return row

    async def adelete(self, session_key: str | None = None) -> None:
        """:meth:`delete` on an event loop."""
        await sync_to_async(self.delete)(session_key)

    async def _aget_session_from_db(self) -> AbstractBaseSession | None:
        return await sync_to_async(self._get_session_from_db)()
