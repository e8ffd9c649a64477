"""Somebody asks for something, and may not do it any more when its turn comes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import Membership, User
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.models import Image, ImageState, Lifecycle, Vm

from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import DATA, begin, send
from .test_changing import ask
from .test_copies import files, vm

__all__ = ["agent", "ca", "enrolled", "hypervisor", "vm", "work"]

pytestmark = pytest.mark.django_db(transaction=True)
Work = Callable[[], Operation]


def leave(cast: Cast, user: User) -> None:
    """The user is no member any more."""
    Membership.objects.filter(user=user, project=cast.acme).delete()


def refused(operation: Operation) -> bool:
    """Whether it failed for that."""
    assert operation.error is not None
    words = "Who asked for this may not do it any more. Nothing was done."
    return (operation.state, operation.error["code"], operation.error["detail"]) == ("failed", "not_allowed", words)


def test_a_machine_is_not_deleted(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    before = files(agent)
    assert ask(cast, vm, "delete", "").status_code == 202
    leave(cast, cast.operator)
    assert refused(work())
    assert Vm.objects.get(pk=vm.pk).lifecycle == Lifecycle.KEPT
    assert files(agent) == before
    assert ask(cast, vm, "delete", "", who="owner").status_code == 202
    assert work().state == OperationState.SUCCEEDED


def test_a_machine_is_not_copied(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    before = files(agent)
    assert ask(cast, vm, "post", "clone", {"name": "web-2"}).status_code == 202
    leave(cast, cast.operator)
    assert refused(work())
    assert not Vm.objects.filter(name="web-2").exists()
    assert files(agent) == before


def test_an_owner_who_is_none_any_more_makes_no_image_of_a_machine(
    cast: Cast, agent: RealAgent, vm: Vm, work: Work
) -> None:
    before = files(agent)
    assert ask(cast, vm, "post", "template", {"name": "Web of May"}, who="owner").status_code == 202
    Membership.objects.filter(user=cast.owner, project=cast.acme).update(role="operator")
    assert refused(work())
    image = Image.objects.get(name="Web of May")
    assert (image.state, image.copies.count()) == (ImageState.FAILED, 0)
    assert files(agent) == before


def test_an_image_is_neither_taken_in_nor_deleted(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    path = begin(cast, kind="iso", name="rescue")
    send(cast, path, 0, len(DATA))
    image_id = path.split("/")[-2]
    assert cast.api(cast.owner).post(path).status_code == 202
    leave(cast, cast.owner)
    assert refused(work())
    assert Image.objects.get(pk=image_id).state == ImageState.COMING
    cast.api(cast.superuser).post(path)
    assert work().state == OperationState.SUCCEEDED
    Membership.objects.create(user=cast.owner, project=cast.acme, role="owner")
    assert cast.api(cast.owner).delete(f"/api/v1/images/{image_id}").status_code == 202
    User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    assert refused(work())
    assert Image.objects.get(pk=image_id).state == ImageState.READY
    assert f"{image_id}.img" in files(agent)
