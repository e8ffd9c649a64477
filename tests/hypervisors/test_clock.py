"""How far a host's clock is off is written down with its facts, for staff to see."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
from django.utils import timezone

from hypervisors import inventory

from .real_agent import RealAgent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("ahead", [0, 90, -90])
def test_the_clock_of_a_host_is_compared_with_eves(
    agent: RealAgent, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    def eve_now() -> dt.datetime:
        return timezone.now() - dt.timedelta(seconds=ahead)

    monkeypatch.setattr(inventory, "timezone", SimpleNamespace(now=eve_now))
    hypervisor = agent.hypervisor
    assert inventory.host_resync(hypervisor_id=hypervisor.pk, enrolled_at=hypervisor.enrolled_at)
    hypervisor.refresh_from_db()
    assert hypervisor.clock_offset_seconds is not None
    assert abs(hypervisor.clock_offset_seconds - ahead) <= 15  # the answer may have waited on a busy machine
