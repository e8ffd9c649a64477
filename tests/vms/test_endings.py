"""How a machine that is off went off."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from operations.models import Operation, OperationState
from tests.cast import Cast
from vms.endings import Ending, ending_of
from vms.models import Vm, VmState

pytestmark = pytest.mark.django_db


def off(cast: Cast, reason: str = "destroyed", *, seconds_ago: int = 180) -> Vm:
    since = timezone.now() - dt.timedelta(seconds=seconds_ago)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF, state_reason=reason, state_since=since)
    return Vm.objects.get(pk=cast.acme_vm.pk)


def asked(
    cast: Cast, kind: str, *, seconds_ago: int = 181, state: OperationState = OperationState.SUCCEEDED, **fields: object
) -> None:
    at = timezone.now() - dt.timedelta(seconds=seconds_ago)
    Operation.objects.create(
        **{
            "kind": kind,
            "target_type": "vm",
            "target_id": cast.acme_vm.pk,
            "target_label": cast.acme_vm.name,
            "project": cast.acme,
            "requested_by": cast.operator,
            "state": state,
            "created_at": at,
            "finished_at": None if state == OperationState.RUNNING else at,
            **fields,
        }
    )


@pytest.mark.parametrize("reason", ["destroyed", ""])
@pytest.mark.parametrize("state", [OperationState.SUCCEEDED, OperationState.RUNNING])
def test_who_stopped_it_is_known(cast: Cast, reason: str, state: OperationState) -> None:
    asked(cast, "vm.start", seconds_ago=900)
    asked(cast, "vm.stop", state=state)
    asked(cast, "vm.start", seconds_ago=2, state=OperationState.FAILED)
    assert ending_of(off(cast, reason)) == Ending("vm.stop", "Oscar Operator")


def test_who_asked_its_guest_to_shut_down_is_known(cast: Cast) -> None:
    asked(cast, "vm.shutdown", seconds_ago=240)
    assert ending_of(off(cast, "shutdown")) == Ending("vm.shutdown", "Oscar Operator", is_by_guest=True)


def test_nobody_is_named_who_did_not_do_it(cast: Cast) -> None:
    asked(cast, "vm.shutdown", seconds_ago=240)
    assert ending_of(off(cast, "destroyed")) == Ending()  # somebody pulled the plug behind Eve's back
    assert ending_of(off(cast, "shutdown", seconds_ago=100)) == Ending(is_by_guest=True)  # long after it was asked
    asked(cast, "vm.start", seconds_ago=200)
    assert ending_of(off(cast, "shutdown")) == Ending(is_by_guest=True)  # it ran again since


@pytest.mark.parametrize(
    "fields",
    [
        {"state": OperationState.FAILED},
        {"state": OperationState.CANCELLED},
        {"project": None},
        {"requested_by": None},
        {"kind": "vm.reset"},
        {"seconds_ago": 190},
    ],
)
def test_what_does_not_explain_it_is_not_told(cast: Cast, fields: dict[str, object]) -> None:
    asked(cast, **{"kind": "vm.stop", **fields})  # type: ignore[arg-type]
    assert ending_of(off(cast)) == Ending()
