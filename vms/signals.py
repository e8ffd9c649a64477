"""What vms/ announces to the apps above it; sent once the change is committed."""

from __future__ import annotations

from django.dispatch import Signal

vm_deleted = Signal()
"""Eve no longer has the VM. ``vm_id`` (UUID), ``reason`` (str)."""

vm_moved = Signal()
"""The VM belongs to another project now. ``vm_id`` (UUID), ``project_id`` (UUID of the new one)."""

vm_state_changed = Signal()
"""``vm_id`` (UUID), ``state`` (VmState value)."""
