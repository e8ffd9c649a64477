"""What vms/ announces to the apps above it; sent once the change is committed, unless it says otherwise."""

from __future__ import annotations

from django.dispatch import Signal

vm_deleted = Signal()
"""Eve no longer has the VM. ``vm_id`` (UUID), ``reason`` (str)."""

vm_moved = Signal()
"""The VM belongs to another project now. ``vm_id`` (UUID), ``project_id`` (UUID of the new one)."""

vm_state_changed = Signal()
"""``vm_id`` (UUID), ``state``, and ``before``: what it was when it was last known, or empty (VmState values)."""

vm_states_written = Signal()
"""``vms`` (tuple of (UUID, VmState value)): VMs whose state is another now.

Sent within the transaction that writes them: a receiver writes rows that have to be there if and only if the states are, and does nothing else.
"""
