"""What Prometheus is told of machines: all that were measured, and no more than so many."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hypervisors.metrics.blocks import UNKNOWN
from hypervisors.metrics.recorder import SAMPLES, Block
from hypervisors.metrics.store import block_store
from tests.cast import Cast
from tests.factories import make_vm

pytestmark = pytest.mark.django_db
HALF = (0.5, float("nan"), 1.0, 2.0, 3.0, 4.0)


@pytest.fixture
def told(cast: Cast, client: Client) -> Any:
    """What is told once these machines were measured, line by line."""
    client.force_login(cast.staff_everywhere)

    def tell(*machines: Any) -> list[str]:
        series = {vm.pk: [UNKNOWN, HALF] + [UNKNOWN] * (SAMPLES - 2) for vm in machines}
        now = timezone.now().replace(second=0, microsecond=0)
        if series:
            block_store(hypervisor_id=cast.hypervisor_here.pk, block=Block(now, series))
        lines = client.get("/metrics").content.decode().splitlines()
        return [line for line in lines if line.startswith(("eve_vm_", "eve_vms_"))]

    return tell


def test_each_figure_that_is_known(cast: Cast, told: Any) -> None:
    vm = cast.acme_vm
    labels = f'hypervisor="hv-here",name="{vm.name}",project="{cast.acme.name}",vm="{vm.pk}"'
    lines = told(vm)
    assert f"eve_vm_cpu_cores{{{labels}}} 0.5" in lines
    assert f"eve_vm_network_sent_bytes_per_second{{{labels}}} 4.0" in lines
    assert not [line for line in lines if line.startswith("eve_vm_memory_bytes{")], "nothing is known of that"
    assert lines[-1] == "eve_vms_left_out 0.0"


def test_no_more_than_so_many_are_told(cast: Cast, told: Any, settings: LazySettings) -> None:
    settings.METRICS_VMS = 3
    machines = [cast.acme_vm, *(make_vm(cast.acme, cast.hypervisor_here) for _ in range(5))]
    lines = told(*machines)
    known = [line for line in lines if line.startswith("eve_vm_cpu_cores")]
    assert len(known) <= 3
    assert lines[-1] == f"eve_vms_left_out {type(cast.acme_vm).objects.count() - 3}.0"
    settings.METRICS_VMS = 0
    assert told() == [f"eve_vms_left_out {type(cast.acme_vm).objects.count()}.0"]


def test_the_queries_do_not_grow(cast: Cast, told: Any) -> None:
    counts = []
    for more in (0, 10):
        told(*(make_vm(cast.acme, cast.hypervisor_here) for _ in range(more)))
        with CaptureQueriesContext(connection) as queries:
            told()
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_without_its_database_the_rest_is_told(cast: Cast, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_most: int) -> Any:
        raise OperationalError

    monkeypatch.setattr("vms.exporting._told", away)
    assert told() == []
