"""A real agent on a made-up hypervisor of site "here", and operations that are done when asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hypervisors.models import Hypervisor, HypervisorState
from operations.claims import operation_claim
from operations.models import Operation
from operations.worker import operation_run
from tests.cast import Cast
from tests.hypervisors.conftest import agent as enrolled
from tests.hypervisors.conftest import ca
from tests.hypervisors.real_agent import RealAgent
from tests.vms.stub_host import equip

__all__ = ["ca", "enrolled"]


@pytest.fixture
def hypervisor(ca: object, cast: Cast) -> Hypervisor:
    """The host of site "here"."""
    return cast.hypervisor_here


@pytest.fixture
def agent(enrolled: RealAgent) -> RealAgent:
    """Its agent, and what the watcher would have written down of it."""
    equip(enrolled.hypervisor)
    Hypervisor.objects.filter(pk=enrolled.hypervisor.pk).update(state=HypervisorState.ONLINE)
    return enrolled


@pytest.fixture
def work() -> Callable[[], Operation]:
    """Does what waits."""

    def do() -> Operation:
        operation = operation_claim(worker="w")
        assert operation is not None
        operation_run(operation)
        operation.refresh_from_db()
        return operation

    return do
