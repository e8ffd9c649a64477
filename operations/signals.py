"""What operations/ announces to the apps above it; sent once the change is committed."""

from __future__ import annotations

from django.dispatch import Signal

operation_changed = Signal()
"""An operation was queued, begun or ended. ``operation`` (:class:`operations.models.Operation` as it is now)."""
