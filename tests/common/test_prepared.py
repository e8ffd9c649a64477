"""Prepared queries give what the same querysets give."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import CharField, Count, DateTimeField, Q, UUIDField
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from common.prepared import Parameter, Prepared
from common.threads import with_connections
from consoles.selectors import vm_for_console
from tests.cast import Cast, make_cast
from vms.models import Vm
from vms.selectors import vms_visible_to

VM_ID = Parameter("vm_id", UUIDField())
VM = Prepared(lambda: Vm.objects.select_related("hypervisor", "project").order_by().filter(pk=VM_ID))
NAMES = Prepared(
    lambda: (
        Vm.objects.filter(
            Q(name=Parameter("name", CharField())) | Q(created_at__gt=Parameter("after", DateTimeField()))
        )
        .order_by("name")
        .values_list("name", flat=True)
    )
)


def test_models_come_with_what_is_related(cast: Cast) -> None:
    for vm in (cast.acme_vm, cast.ottos_vm, cast.acme_vm):
        with CaptureQueriesContext(connection) as queries:
            found = VM.first(vm_id=vm.pk)
            assert found is not None
            assert (found, found.hypervisor, found.project) == (vm, vm.hypervisor, vm.project)
            assert (found.facts, found.created_at) == (vm.facts, vm.created_at)
        assert len(queries) == 1
    assert VM.first(vm_id=uuid.uuid4()) is None


def test_values_are_put_where_they_belong(cast: Cast) -> None:
    names = list(Vm.objects.order_by("name").values_list("name", flat=True))
    assert NAMES.rows(name=names[1], after=timezone.now()) == [names[1]]
    assert NAMES.rows(name="", after=cast.acme_vm.created_at.replace(year=2000)) == names
    assert NAMES.rows(name="' OR 1=1 --", after=timezone.now()) == []


def test_annotations_are_counted_anew_each_time(cast: Cast) -> None:
    counts = Prepared(
        lambda: (
            User.objects.filter(pk=Parameter("user_id", UUIDField()))
            .order_by()
            .values_list("pk")
            .annotate(tokens=Count("login_tokens"))
        )
    )
    assert counts.rows(user_id=cast.owner.pk) == [(cast.owner.pk, 0)]
    cast.token(cast.owner)
    assert counts.rows(user_id=cast.owner.pk) == [(cast.owner.pk, 1)]


@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "outsider", "superuser", "staff_here", "staff_there"])
def test_a_selector_may_be_given_parameters_for_a_user(cast: Cast, part: str) -> None:
    user = getattr(cast, part)
    for vm in (cast.acme_vm, cast.ottos_vm):
        assert vm_for_console(user, vm.pk) == vms_visible_to(user).filter(pk=vm.pk).first()


def test_a_missing_value_is_no_query(cast: Cast) -> None:
    with pytest.raises(KeyError):
        VM.rows(other=1)


@pytest.mark.django_db(transaction=True)
def test_each_thread_asks_over_its_own_connection() -> None:
    cast = make_cast()
    vms = [cast.acme_vm, cast.ottos_vm]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: with_connections(lambda: VM.first(vm_id=vms[number % 2].pk)), range(40)))
    assert found == vms * 20
