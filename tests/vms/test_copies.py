"""Copies of machines and images of their disks, on a real agent: whole, of their own, and without a trace where they fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eve_agent.wire.errors import ErrorCode

from hypervisors.client import AgentClient
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from vms.models import Disk, Image, ImageState, Quota, Vm, VmState

from .changing_host import refusal
from .images.conftest import agent, ca, enrolled, hypervisor, work
from .images.test_coming import DATA, begin, send
from .test_changing import ask

__all__ = ["agent", "ca", "enrolled", "hypervisor", "work"]

pytestmark = pytest.mark.django_db(transaction=True)
GIB = 2**30
Work = Callable[[], Operation]


@pytest.fixture
def vm(cast: Cast, agent: RealAgent, work: Work) -> Vm:
    """A machine from a cloud image with a second disk, that is off."""
    path = begin(cast, kind="cloud")
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    assert work().state == OperationState.SUCCEEDED
    body = {
        "name": "web",
        "vcpus": 1,
        "memory_bytes": GIB // 4,
        "project": str(cast.acme.pk),
        "image": path.split("/")[-2],
        "disks": [{"size_bytes": GIB}, {"size_bytes": GIB // 2}],
        "nics": [{"network": "default"}],
        "start": False,
    }
    answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    assert answer.status_code == 202, answer.content
    assert work().state == OperationState.SUCCEEDED
    return Vm.objects.select_related("hypervisor", "project").get(pk=answer.json()["id"])


def files(agent: RealAgent) -> dict[str, str]:
    """The disks and images of the pool, with what they are thin over."""
    with AgentClient(agent.hypervisor) as client:
        return {volume.name: volume.backing for volume in client.volumes("default")}


def test_a_copy_is_whole_and_of_its_own(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    first, again = (ask(cast, vm, "post", "clone", {"name": "web-2", "start": True}, key="once") for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json())
    operation = work()
    assert operation.state == OperationState.SUCCEEDED, operation.error
    clone = Vm.objects.get(pk=first.json()["id"])
    assert (clone.name, clone.state, clone.vcpus, clone.memory_bytes) == ("web-2", VmState.RUNNING, 1, GIB // 4)
    disks = list(clone.disks.order_by("position"))
    assert [disk.size_bytes for disk in disks] == [GIB, GIB // 2]
    assert not set(clone.nics.values_list("mac", flat=True)) & set(vm.nics.values_list("mac", flat=True))
    found = files(agent)
    assert [found[f"{disk.pk}.qcow2"] for disk in disks] == ["", ""]
    assert f"seed-{clone.pk}.iso" in found
    assert not [name for name in found if name.startswith(tuple(str(disk.pk) for disk in disks)) and ".img" in name]
    assert ask(cast, vm, "delete", "").status_code == 202
    assert work().state == OperationState.SUCCEEDED
    assert Disk.objects.count() == 2


def test_a_copy_of_a_copy_finds_out_who_it_is(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    for name in ("web-2", "web-3"):
        answer = ask(cast, vm, "post", "clone", {"name": name})
        assert answer.status_code == 202, answer.content
        assert work().state == OperationState.SUCCEEDED
        vm = Vm.objects.get(name=name)
        told = agent.driver.seeds["default", vm.pk]
        assert f"instance-id: {vm.pk}" in told.meta_data
        assert f"hostname: {name}" in told.user_data
    assert (vm.seeds.count(), vm.disks.exclude(image=None).count()) == (1, 0)


def test_an_image_of_a_machine_makes_another(cast: Cast, agent: RealAgent, vm: Vm, work: Work) -> None:
    answer = ask(cast, vm, "post", "template", {"name": "Web of May"}, who="owner")
    assert answer.status_code == 202, answer.content
    operation = work()
    assert operation.state == OperationState.SUCCEEDED, operation.error
    image = Image.objects.get(pk=operation.result["image"])
    assert (image.state, image.project, image.kind, image.virtual_bytes) == ("ready", cast.acme, "cloud", GIB)
    assert files(agent)[f"{image.pk}.img"] == ""
    body = {"name": "web-3", "vcpus": 1, "memory_bytes": GIB // 4, "image": str(image.pk), "start": False}
    made = cast.api(cast.owner).post("/api/v1/vms", {**body, "project": str(cast.acme.pk)}, format="json")
    assert made.status_code == 202, made.content
    assert work().state == OperationState.SUCCEEDED


COPIES = [("clone", {"name": "web-2"}), ("template", {"name": "Web of May"})]


@pytest.mark.parametrize(("path", "body"), COPIES)
def test_who_may_and_when(cast: Cast, vm: Vm, work: Work, path: str, body: Any) -> None:
    assert ask(cast, vm, "post", path, body, who="viewer").status_code == 403
    assert ask(cast, vm, "post", path, body, who="outsider").status_code == 404
    assert ask(cast, vm, "post", path, {"name": "a\nb'/><"}, who="owner").status_code == 400
    assert ask(cast, vm, "patch", "state", {"action": "start"}).status_code == 202
    assert ask(cast, vm, "post", path, body, who="owner").json()["code"] == "wrong_state"
    work()
    assert ask(cast, vm, "post", path, body, who="owner").json()["code"] == "wrong_state"
    assert (Vm.objects.filter(is_made_by_eve=True).count(), Image.objects.count()) == (1, 1)


def test_images_are_added_by_owners(cast: Cast, vm: Vm) -> None:
    assert ask(cast, vm, "post", "template", {"name": "Web of May"}).status_code == 403
    assert Image.objects.count() == 1


@pytest.mark.parametrize(("path", "body"), COPIES)
def test_the_quota_holds(cast: Cast, vm: Vm, path: str, body: Any) -> None:
    Quota.objects.create(project=cast.acme, disk_bytes=2 * GIB)
    assert ask(cast, vm, "post", path, body, who="owner").json()["code"] == "quota_exceeded"


def test_a_name_that_is_taken(cast: Cast, vm: Vm) -> None:
    assert ask(cast, vm, "post", "clone", {"name": "web"}).json()["code"] == "name_taken"


@pytest.mark.parametrize(
    ("path", "body", "at"),
    [
        (*COPIES[0], "image_copy"),
        (*COPIES[0], "job"),
        (*COPIES[0], "disk_make"),
        (*COPIES[0], "domain_define"),
        (*COPIES[1], "image_copy"),
        (*COPIES[1], "job"),
    ],
)
def test_one_that_fails_leaves_nothing(
    cast: Cast, agent: RealAgent, vm: Vm, work: Work, monkeypatch: pytest.MonkeyPatch, path: str, body: Any, at: str
) -> None:
    before = files(agent)

    def refuse(*_: Any, **__: Any) -> None:
        raise refusal(ErrorCode.NO_SPACE)

    with monkeypatch.context() as patch:
        patch.setattr(AgentClient, at, refuse)
        assert ask(cast, vm, "post", path, body, who="owner").status_code == 202
        operation = work()
    assert operation.state == OperationState.FAILED
    assert {name for name in files(agent) if not name.endswith(".part")} == set(before)
    assert Vm.objects.filter(is_made_by_eve=True).count() == 1
    assert not Image.objects.exclude(state__in=(ImageState.READY, ImageState.FAILED)).exists()


def test_the_pages_do_the_same(cast: Cast, vm: Vm, work: Work) -> None:
    client, address = cast.pages(cast.owner), f"/vms/{vm.pk}"
    answer = client.post(f"{address}/clone/", {"name": "web"}, follow=True)
    assert 'role="alert"' in answer.content.decode()
    location = client.post(f"{address}/clone/", {"name": "web-2"})["Location"]
    assert location == f"/vms/{Vm.objects.get(name='web-2').pk}/"
    assert work().state == OperationState.SUCCEEDED
    client.post(f"{address}/template/", {"name": "Web of May"})
    assert work().kind == "vm.template"
    assert "Web of May" in client.get("/images/").content.decode()
    Vm.objects.filter(pk=vm.pk).update(state=VmState.RUNNING)
    assert "/clone/" not in client.get(f"{address}/settings/").content.decode()
