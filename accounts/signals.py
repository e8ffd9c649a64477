"""What accounts/ announces to the apps above it; sent once the change is committed."""

from __future__ import annotations

from django.dispatch import Signal

event_recorded = Signal()
"""An audit event was written. ``event`` (AuditEvent)."""

access_revoked = Signal()
"""Somebody lost access. Keyword arguments, all optional but at least one given:

- ``user_id`` (UUID): that user, everywhere (disabled, password changed, signed out everywhere)
- ``session_digest`` (str): the login session with that :func:`accounts.sessions.session_digest`
- ``token_id`` (UUID): that login token
- ``project_id`` (UUID, with ``user_id``): the user's access through that project (left, removed, or a lesser role)
- ``site_id`` (UUID, with ``user_id``): the user's access as staff of that site
- ``reason`` (str): ``logout``, ``token_revoked``, ``user_disabled``, ``membership_lost``, ``role_changed``, ``password_changed``
"""
