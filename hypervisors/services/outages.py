"""Writes down when hosts were away."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from common.sweeping import rows_sweep
from hypervisors.models import HypervisorState, Outage

OUTAGES_KEPT: Final = 200
"""Of each host, the newest."""


def outage_note(*, hypervisor_id: uuid.UUID, before: str, state: HypervisorState, reason: str, at: dt.datetime) -> None:
    """A host's state changed: an outage begins, goes on for another reason, or ends. Within the transaction that writes the state."""
    open_now = Outage.objects.filter(hypervisor_id=hypervisor_id, ended_at=None)
    if state == HypervisorState.ONLINE:
        open_now.update(ended_at=at)
    elif not open_now.update(state=state, reason=reason) and before == HypervisorState.ONLINE:
        Outage.objects.create(hypervisor_id=hypervisor_id, state=state, reason=reason, began_at=at)
        _old_sweep(hypervisor_id)


def _old_sweep(hypervisor_id: uuid.UUID) -> None:
    outages = Outage.objects.filter(hypervisor_id=hypervisor_id).order_by("-began_at", "-id")
    oldest = outages.values_list("began_at", flat=True)[OUTAGES_KEPT - 1 : OUTAGES_KEPT].first()
    if oldest is not None:
        rows_sweep(outages.filter(began_at__lt=oldest))
