"""What changes users, projects, tokens; and the record of it."""

from __future__ import annotations

from .audit import audit_record

__all__ = ["audit_record"]
