"""How busy machines were in the last hour, several at once."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hypervisors.metrics.blocks import UNKNOWN
from hypervisors.metrics.reading import MINUTES
from hypervisors.metrics.recorder import SAMPLES, Block
from hypervisors.metrics.store import block_store
from tests.factories import make_vm

URL = "/api/v1/vms/use"


def measured(vm, *, minutes, cores):
    began_at = timezone.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=minutes)
    samples = [(cores, 1.0, 0.0, 0.0, 0.0, 0.0)] * (SAMPLES - 1) + [UNKNOWN]
    block_store(hypervisor_id=vm.hypervisor_id, block=Block(began_at, {vm.pk: samples}))


def ask(cast, who, *vms):
    return cast.api(who).get(URL, {"vm": [getattr(vm, "pk", vm) for vm in vms]})


def test_minutes_come_oldest_first_as_shares_of_what_a_machine_has(cast):
    cast.acme_vm.vcpus = 4
    cast.acme_vm.save()
    for minutes, cores in ((60, 4.0), (2, 1.0), (1, 9.0), (0, 4.0), (61, 2.0)):
        measured(cast.acme_vm, minutes=minutes, cores=cores)
    answer = ask(cast, cast.viewer, cast.acme_vm)
    assert answer.status_code == 200
    assert answer.json()["step_seconds"] == 60
    (use,) = answer.json()["vms"]
    assert use["vm"] == str(cast.acme_vm.pk)
    assert len(use["cpu"]) == MINUTES
    assert (use["cpu"][0], use["cpu"][-2:]) == (1.0, [0.25, 1.0])
    assert set(use["cpu"][1:-2]) == {None}


def test_others_machines_are_left_out(cast):
    measured(cast.ottos_vm, minutes=1, cores=1.0)
    uses = ask(cast, cast.viewer, cast.ottos_vm, cast.acme_vm, uuid.uuid4()).json()["vms"]
    assert [use["vm"] for use in uses] == [str(cast.acme_vm.pk)]


def test_staff_see_those_of_their_sites(cast):
    uses = ask(cast, cast.staff_here, cast.ottos_vm, cast.acme_vm).json()["vms"]
    assert [use["vm"] for use in uses] == [str(cast.acme_vm.pk)]


def test_many_cost_as_many_queries_as_one(cast, django_assert_num_queries):
    vms = [make_vm(cast.acme, cast.hypervisor_here, f"web-{number}") for number in range(99)]
    for vm in vms[:5]:
        measured(vm, minutes=5, cores=0.5)
    ask(cast, cast.owner, cast.acme_vm)
    with CaptureQueriesContext(connection) as one:
        ask(cast, cast.owner, cast.acme_vm)
    with django_assert_num_queries(len(one)):
        assert len(ask(cast, cast.owner, cast.acme_vm, *vms).json()["vms"]) == 100


@pytest.mark.parametrize("asked", [[], ["x"], [str(uuid.UUID(int=number)) for number in range(101)]], ids=len)
def test_a_question_that_is_none_is_refused(cast, asked):
    answer = ask(cast, cast.owner, *asked)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
