"""A retry with the same key gets what the first try made."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from accounts.models import Project
from common.errors import Conflict, Invalid
from operations.errors import IdempotencyMismatch
from operations.idempotency import operation_once, request_digest
from operations.models import IdempotencyKey, Operation
from operations.services import operation_create
from tests.factories import make_vm

DIGEST = request_digest("POST", "/api/v1/things", {"name": "a"})


def maker(cast, made=None):
    """Makes a VM and its operation in one go, as a create does."""

    def make():
        vm = make_vm(cast.acme, cast.hypervisor_here)
        if made is not None:
            made.append(vm.pk)
        return operation_create(kind="test.do", target=vm, project=cast.acme, user=cast.owner)

    return make


def test_the_same_again_is_the_same(cast, kinds):
    first = operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast))
    assert operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast)) == first
    assert Operation.objects.count() == 1


def test_without_a_key_each_is_its_own(cast, kinds):
    first = operation_once(user=cast.owner, key="", digest=DIGEST, make=maker(cast))
    assert operation_once(user=cast.owner, key="", digest=DIGEST, make=maker(cast)) != first


def test_another_request_under_the_key_is_refused(cast, kinds):
    operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast))
    with pytest.raises(IdempotencyMismatch) as refusal:
        operation_once(user=cast.owner, key="k", digest=request_digest("other"), make=maker(cast))
    assert refusal.value.status == 422
    assert Operation.objects.count() == 1


def test_somebody_elses_key_is_another(cast, kinds):
    first = operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast))
    assert operation_once(user=cast.operator, key="k", digest=DIGEST, make=maker(cast)) != first


@pytest.mark.parametrize("key", ["two words", "\0", "ü", "x" * 256])
def test_what_is_no_key_is_refused(cast, kinds, key):
    with pytest.raises(Invalid):
        operation_once(user=cast.owner, key=key, digest=DIGEST, make=maker(cast))
    assert not Operation.objects.exists()


def test_what_fails_leaves_the_key_free(cast, kinds):
    def refuse():
        Project.objects.create(name="left over")
        raise Conflict("Not now.")

    with pytest.raises(Conflict):
        operation_once(user=cast.owner, key="k", digest=DIGEST, make=refuse)
    assert not Project.objects.filter(name="left over").exists()
    assert operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast))
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_make_one(cast, kinds):
    from vms.models import Vm

    before = Vm.objects.count()
    got, barrier = [], threading.Barrier(50)

    def ask():
        try:
            barrier.wait()
            got.append(operation_once(user=cast.owner, key="k", digest=DIGEST, make=maker(cast)).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 50
    assert len(set(got)) == 1
    assert (Operation.objects.count(), Vm.objects.count()) == (1, before + 1)
