"""What operations/ announces to the apps above it."""

from __future__ import annotations

from django.dispatch import Signal

operation_changed = Signal()
"""An operation was queued, begun or ended. ``operation`` (:class:`operations.models.Operation` as it is now). Sent once that is committed."""

operation_ended = Signal()
"""An operation is over. ``operation``.

Sent within the transaction that ends it: a receiver writes rows that have to be there if and only if it ended so, and does nothing else.
"""
