"""What consoles say of a machine that is off: who switched it off and when, and to visitors no names."""

from __future__ import annotations

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone

from operations.models import Operation, OperationState
from tests.cast import Cast
from vms.models import Vm, VmState

from .test_guests import entered, made

pytestmark = pytest.mark.django_db


@pytest.fixture
def switched_off(cast: Cast) -> Vm:
    """Oscar stopped it three minutes ago."""
    at = timezone.now() - dt.timedelta(minutes=3)
    Operation.objects.create(
        kind="vm.stop",
        target_type="vm",
        target_id=cast.acme_vm.pk,
        target_label=cast.acme_vm.name,
        project=cast.acme,
        requested_by=cast.operator,
        state=OperationState.SUCCEEDED,
        created_at=at,
        finished_at=at,
    )
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF, state_reason="destroyed", state_since=at)
    return Vm.objects.get(pk=cast.acme_vm.pk)


def said(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    told = answer.json()
    if told["words"]:
        assert dt.datetime.fromisoformat(told["since"]) < timezone.now() - dt.timedelta(seconds=179)
    return str(told["words"]).translate({0x2068: None, 0x2069: None})  # around names of any script


def test_who_stopped_it_is_said_to_all_who_see_it(cast: Cast, switched_off: Vm) -> None:
    for user in (cast.owner, cast.viewer, cast.staff_here):
        assert said(cast.pages(user), f"/vms/{switched_off.pk}/console/off/") == "Oscar Operator stopped it {ago}."


def test_the_other_ways_to_go_off_are_said(cast: Cast, switched_off: Vm) -> None:
    address, browser = f"/vms/{switched_off.pk}/console/off/", cast.pages(cast.viewer)
    Operation.objects.update(kind="vm.shutdown")
    Vm.objects.update(state_reason="shutdown")
    assert said(browser, address) == "Oscar Operator shut it down {ago}."
    Operation.objects.all().delete()
    assert said(browser, address) == "Its guest shut down {ago}."
    Vm.objects.update(state_reason="")
    assert said(browser, address) == "It went off {ago}."
    Vm.objects.update(state=VmState.RUNNING)
    assert said(browser, address) == ""


def test_visitors_are_told_no_name(cast: Cast, switched_off: Vm) -> None:
    secret, link = made(cast)
    visitor = entered(cast, secret, link)
    assert said(visitor, f"/guest/{link.pk}/off/") == "It went off {ago}."
    assert f'data-ending="/guest/{link.pk}/off/"' in visitor.get(f"/guest/{link.pk}/").content.decode()


def test_who_does_not_see_it_is_told_nothing(cast: Cast, switched_off: Vm) -> None:
    for user in (cast.outsider, cast.staff_there):
        assert cast.pages(user).get(f"/vms/{switched_off.pk}/console/off/").status_code == 404
    _secret, link = made(cast)
    assert Client().get(f"/guest/{link.pk}/off/").status_code == 404
    assert Client().get(f"/vms/{switched_off.pk}/console/off/").status_code == 302
