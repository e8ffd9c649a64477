"""Login sessions, named without giving them away."""

from __future__ import annotations

from common.secrets import digest_of


def session_digest(session_key: str | None) -> str:
    """What stands for a login session in tickets, messages and records; empty for none."""
    return digest_of(session_key) if session_key else ""
