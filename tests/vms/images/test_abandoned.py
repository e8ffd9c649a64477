"""Uploads that nobody goes on with: given up after a while, on their hosts too."""

from __future__ import annotations

import datetime as dt

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import AuditEvent
from hypervisors.client import AgentClient
from hypervisors.models import Hypervisor, HypervisorState
from operations.models import Operation, OperationState
from operations.services import operation_create
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.models import Image, ImageState
from vms.services import uploads_sweep

from .test_coming import MIB, Work, announce, begin, send

pytestmark = pytest.mark.django_db(transaction=True)


def age(**since: float) -> None:
    """So long ago something came last."""
    Image.objects.update(received_at=timezone.now() - dt.timedelta(**since))


def on_host(agent: RealAgent) -> int:
    with AgentClient(agent.hypervisor) as client:
        return len(client.volumes("default"))


def test_an_upload_without_a_piece_for_a_day_is_given_up_on_the_host_too(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast)
    send(cast, path, 0, MIB)
    age(hours=23)
    assert uploads_sweep() == 0
    age(hours=25)
    assert on_host(agent) == 1
    assert uploads_sweep() == 1
    assert uploads_sweep() == 0
    assert Image.objects.get().state == ImageState.REMOVING
    assert send(cast, path, MIB, 2 * MIB).status_code == 409
    assert work().state == OperationState.SUCCEEDED
    assert not Image.objects.exists()
    assert on_host(agent) == 0
    event = AuditEvent.objects.get(action="image.delete")
    assert (event.actor, event.project) == (None, cast.acme)


def test_each_piece_and_the_end_put_it_off(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast)
    age(hours=25)
    send(cast, path, 0, 5 * MIB)
    assert uploads_sweep() == 0
    age(hours=25)
    assert cast.api(cast.owner).post(path).status_code == 202
    assert uploads_sweep() == 0
    age(hours=25)
    assert uploads_sweep() == 0  # it is being checked
    assert work().state == OperationState.SUCCEEDED
    age(hours=25)
    assert uploads_sweep() == 0
    assert Image.objects.get().state == ImageState.READY


def test_what_comes_otherwise_is_no_upload(cast: Cast, agent: RealAgent):
    announce(cast, url="https://images.example/debian.img")
    image = Image.objects.create(name="taken", site=cast.here)
    operation_create(kind="image.take", target=image, project=None, user=cast.superuser)
    age(hours=25)
    assert uploads_sweep() == 0
    assert Operation.objects.count() == 2


def test_a_host_that_is_away_is_waited_for(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast)
    send(cast, path, 0, MIB)
    age(hours=25)
    hosts = Hypervisor.objects.filter(pk=agent.hypervisor.pk)
    hosts.update(state=HypervisorState.OFFLINE)
    assert uploads_sweep() == 0
    hosts.update(state=HypervisorState.ONLINE)
    agent.stop()  # of which Eve has not heard so far
    assert uploads_sweep() == 1
    assert work().state == OperationState.FAILED
    assert Image.objects.get().state == ImageState.COMING
    agent.start()
    assert uploads_sweep() == 1
    assert work().state == OperationState.SUCCEEDED
    assert (Image.objects.count(), on_host(agent)) == (0, 0)


def test_never_where_the_setting_says_so(cast: Cast, agent: RealAgent, settings: LazySettings):
    begin(cast)
    age(days=400)
    settings.UPLOAD_HOURS = 0
    assert uploads_sweep() == 0
    settings.UPLOAD_HOURS = 8760
    assert uploads_sweep() == 1
