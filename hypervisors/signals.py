"""What hypervisors/ announces to the apps above it.

Receivers run in a thread with the database, never on an event loop, and after the commit of what they are told; those of
:data:`hypervisor_state_written` before it.
"""

from __future__ import annotations

from django.dispatch import Signal

inventory_seen = Signal()
"""All domains of a host were listed. ``hypervisor_id`` (UUID), ``domains`` (tuple of eve_agent.wire.domain.Domain)."""

domain_seen = Signal()
"""One domain changed. ``hypervisor_id`` (UUID), ``domain`` (eve_agent.wire.domain.Domain)."""

domain_vanished = Signal()
"""One domain is no longer defined. ``hypervisor_id`` (UUID), ``domain_uuid`` (UUID)."""

hypervisor_state_changed = Signal()
"""``hypervisor_id`` (UUID), ``state`` (HypervisorState value), ``since`` (aware datetime)."""

hypervisor_state_written = Signal()
"""``hypervisor_id`` (UUID), ``state`` (HypervisorState value), ``since`` (aware datetime).

Sent within the transaction that writes it: a receiver writes rows that have to be there if and only if the state is, and does nothing else.
"""

host_sampled = Signal()
"""The counters of a host and its domains were read. ``hypervisor_id`` (UUID), ``block`` (hypervisors.metrics.recorder.Block: the
minute so far, the newest sample in it)."""

host_reached = Signal()
"""Eve reaches the host: whoever wants to ask it for something now and then does so, for a few seconds at most. ``hypervisor_id`` (UUID).

Sent every ten seconds for each host, in a thread that it shares with hosts that are slow.
"""

hypervisor_moved = Signal()
"""A hypervisor stands at another site now: its staff are others.

``hypervisor_id`` (UUID), ``site_id`` (UUID of the new one), ``old_site_id`` (UUID).
"""

hypervisor_edited = Signal()
"""Somebody registered, renamed or deleted a hypervisor, or it reported other pools, networks or the like: what is shown of it is other now.

``hypervisor_id`` (UUID), ``site_id`` (UUID), ``state`` (HypervisorState value; empty once it is deleted).
"""

hypervisor_removed = Signal()
"""A hypervisor was deleted, its certificate revoked, or the host enrolled anew: links to it must end now.

``hypervisor_id`` (UUID), ``reason`` (str: ``deleted``, ``revoked``, ``enrolled``).
"""
