"""Samples on the websocket of open pages: heard at once, and only of what one may see and shows."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import pytest
from channels.db import database_sync_to_async

from accounts.models import Membership
from hypervisors.metrics.blocks import FIELDS, UNKNOWN
from hypervisors.metrics.recorder import SAMPLES, Block
from hypervisors.signals import host_sampled
from tests.vms.test_live import heard, listen, revoke

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = dt.datetime(2026, 11, 26, 12, 0, tzinfo=dt.UTC)
VM_SAMPLE = (0.5, 2.0**30, 1.0, 2.0, 3.0, 4.0)
HOST_SAMPLE = (1.5, 2.0**31, 10.0, 20.0, 30.0, 40.0)


@database_sync_to_async
def sample(cast):
    """The host of the acme VM was sampled once in this minute."""
    series = {
        cast.hypervisor_here.pk: [HOST_SAMPLE] + [UNKNOWN] * (SAMPLES - 1),
        cast.acme_vm.pk: [VM_SAMPLE] + [UNKNOWN] * (SAMPLES - 1),
    }
    host_sampled.send(sender=None, hypervisor_id=cast.hypervisor_here.pk, block=Block(MINUTE, series))


def told(values):
    began = int(MINUTE.timestamp())
    columns = {name: [value] + [None] * (SAMPLES - 1) for name, value in zip(FIELDS, values, strict=True)}
    return {"type": "samples", "times": [began + 10 * place for place in range(SAMPLES)], **columns}


SEES_VM = {"owner", "operator", "viewer", "staff_here", "staff_everywhere", "superuser"}
SEES_HOST = {"staff_here", "staff_everywhere", "superuser"}


async def test_samples_are_heard_by_whom_they_concern_and_no_others_on_the_host(cast):
    of_vm = {name: (await listen(user, f"vm:{cast.acme_vm.pk}"))[0] for name, user in cast.everybody.items()}
    of_host = {
        name: (await listen(user, f"host:{cast.hypervisor_here.pk}"))[0] for name, user in cast.everybody.items()
    }
    await sample(cast)
    for name, socket in of_vm.items():
        assert await heard(socket, 0.1) == ([told(VM_SAMPLE)] if name in SEES_VM else []), name
    for name, socket in of_host.items():
        assert await heard(socket, 0.1) == ([told(HOST_SAMPLE)] if name in SEES_HOST else []), name


async def test_a_sample_is_heard_within_a_second(cast):
    socket, _cookie = await listen(cast.viewer, f"vm:{cast.acme_vm.pk}")
    await sample(cast)
    assert json.loads((await asyncio.wait_for(socket.receive_output(), 1))["text"])["cpu_cores"][0] == 0.5


@pytest.mark.parametrize(
    "wanted", ["", "vm:", "vm:nonsense", "host:{vm}", "vm:{host}", "user:{vm}", "{vm}", "vm:{other}"]
)
async def test_who_asks_for_nothing_that_exists_hears_none(cast, wanted):
    ids = {"vm": cast.acme_vm.pk, "host": cast.hypervisor_here.pk, "other": cast.ottos_vm.pk}
    socket, _cookie = await listen(cast.owner, wanted.format(**ids))
    await sample(cast)
    assert await heard(socket) == []


async def test_who_lost_the_machine_hears_no_more_samples(cast):
    socket, _cookie = await listen(cast.operator, f"vm:{cast.acme_vm.pk}")
    await Membership.objects.filter(user=cast.operator, project=cast.acme).adelete()
    await revoke(user_id=cast.operator.pk, project_id=cast.acme.pk, reason="membership_lost")
    assert await heard(socket) == [{"type": "access"}]
    await sample(cast)
    assert await heard(socket) == []
