"""Disks that leave their machine and are kept: listed, counted, attached again, deleted."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent
from operations.models import Operation
from tests.cast import Cast
from vms.models import Disk, Quota, Snapshot, Vm
from vms.quotas import usage_of

from .changing_host import ChangingHost, refusal
from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]


@pytest.fixture
def disk(cast: Cast, vm: Vm) -> Disk:
    """The second disk of the machine."""
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    return Disk.objects.get(pk=work().result["disk"])


@pytest.fixture
def kept(cast: Cast, vm: Vm, disk: Disk) -> Disk:
    """The same, detached."""
    assert ask(cast, vm, "delete", f"disks/{disk.pk}?keep=true").status_code == 202
    assert work().state == "succeeded"
    return Disk.objects.get(pk=disk.pk)


def devices(host: ChangingHost, vm: Vm) -> list[UUID | None]:
    """The disks that the domain has."""
    return [each.uuid for each in host.domains[vm.pk].disks]


def test_a_detached_disk_stays_with_its_project(cast: Cast, host: ChangingHost, vm: Vm, kept: Disk) -> None:
    assert (kept.vm, kept.project, kept.kept_from) == (None, cast.acme, "web")
    assert kept.pk in host.disks
    assert kept.pk not in devices(host, vm)
    assert usage_of(cast.acme).disk_bytes == 6 * GIB
    for who, seen in {"viewer": 1, "staff_here": 1, "superuser": 1, "outsider": 0, "staff_there": 0}.items():
        api = cast.api(getattr(cast, who))
        assert len(api.get("/api/v1/disks").json()["results"]) == seen, who
        assert api.get(f"/api/v1/disks/{kept.pk}").status_code == (200 if seen else 404), who
    shown = cast.api(cast.viewer).get(f"/api/v1/disks?project={cast.acme.pk}").json()["results"][0]
    assert (shown["size_bytes"], shown["kept_from"], shown["project"]["name"]) == (GIB, "web", "Acme")


def test_it_is_attached_again(cast: Cast, host: ChangingHost, vm: Vm, kept: Disk) -> None:
    first, again = (ask(cast, vm, "put", f"disks/{kept.pk}", key="once") for _ in range(2))
    assert (first.status_code, first.json()) == (202, again.json())
    assert work().state == "succeeded"
    kept.refresh_from_db()
    assert (kept.vm, kept.position, kept.kept_from, kept.kept_since) == (vm, 1, "", None)
    assert kept.pk in devices(host, vm)
    assert cast.api(cast.owner).get("/api/v1/disks").json()["results"] == []
    assert ask(cast, vm, "put", f"disks/{kept.pk}").status_code == 400


@pytest.mark.parametrize(("who", "status"), [("viewer", 403), ("outsider", 404), ("staff_there", 404)])
def test_others_neither_attach_nor_delete_it(cast: Cast, vm: Vm, kept: Disk, who: str, status: int) -> None:
    before = Operation.objects.count()
    assert ask(cast, vm, "put", f"disks/{kept.pk}", who=who).status_code == status
    assert cast.api(getattr(cast, who)).delete(f"/api/v1/disks/{kept.pk}").status_code == status
    cast.pages(getattr(cast, who)).post(f"/disks/{kept.pk}/delete/")
    assert Operation.objects.count() == before


def test_another_projects_disk_is_not_attached(cast: Cast, vm: Vm, kept: Disk) -> None:
    Disk.objects.filter(pk=kept.pk).update(project=cast.operator.personal_project)
    answer = ask(cast, vm, "put", f"disks/{kept.pk}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["disk"])
    Disk.objects.filter(pk=kept.pk).update(project=cast.acme, hypervisor=cast.hypervisor_there)
    assert ask(cast, vm, "put", f"disks/{kept.pk}").status_code == 400


def test_one_that_cannot_be_attached_is_kept_as_before(cast: Cast, host: ChangingHost, vm: Vm, kept: Disk) -> None:
    def refuse(name: str) -> None:
        if name == "disk_attach":
            raise refusal(ErrorCode.VOLUME_IN_USE)

    host.before = refuse
    ask(cast, vm, "put", f"disks/{kept.pk}")
    assert work().state == "failed"
    after = Disk.objects.get(pk=kept.pk)
    assert (after.vm, after.kept_from, after.kept_since) == (None, "web", kept.kept_since)


def test_one_that_the_guest_holds_on_to_stays_where_it_is(cast: Cast, host: ChangingHost, vm: Vm, disk: Disk) -> None:
    def refuse(name: str) -> None:
        if name == "disk_detach":
            raise refusal(ErrorCode.ACTION_REFUSED)

    host.before = refuse
    ask(cast, vm, "delete", f"disks/{disk.pk}?keep=true")
    assert work().state == "failed"
    assert Disk.objects.get(pk=disk.pk).vm == vm


def test_a_kept_disk_is_deleted(cast: Cast, host: ChangingHost, vm: Vm, kept: Disk) -> None:
    first, again = (cast.api(cast.operator).delete(f"/api/v1/disks/{kept.pk}") for _ in range(2))
    assert first.status_code == 202
    assert first.json() == again.json()
    answer = ask(cast, vm, "put", f"disks/{kept.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert work().state == "succeeded"
    assert kept.pk not in host.disks
    assert not Disk.objects.filter(pk=kept.pk).exists()
    assert AuditEvent.objects.get(action="disk.delete").project == cast.acme


def test_one_that_a_machine_has_is_no_kept_disk(cast: Cast, vm: Vm, disk: Disk) -> None:
    assert cast.api(cast.owner).delete(f"/api/v1/disks/{disk.pk}").status_code == 404
    assert cast.api(cast.owner).get(f"/api/v1/disks/{disk.pk}").status_code == 404


def test_snapshots_and_the_first_disk_hold(cast: Cast, vm: Vm, disk: Disk, host: ChangingHost) -> None:
    first = vm.disks.order_by("position")[0]
    assert ask(cast, vm, "delete", f"disks/{first.pk}?keep=true").status_code == 409
    Snapshot.objects.create(vm=vm, name="old", vcpus=2, memory_bytes=2 * GIB, state="ready")
    assert ask(cast, vm, "delete", f"disks/{disk.pk}?keep=true").status_code == 409


def test_disks_of_a_deleted_machine_say_where_they_came_from(cast: Cast, vm: Vm, disk: Disk) -> None:
    cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}?keep_disks=true")
    assert work().state == "succeeded"
    assert set(Disk.objects.values_list("vm", "kept_from")) == {(None, "web")}
    assert not Disk.objects.filter(kept_since=None).exists()


def test_the_pages_do_the_same(cast: Cast, vm: Vm, disk: Disk, host: ChangingHost) -> None:
    client: Any = cast.pages(cast.operator)
    address = f"/vms/{vm.pk}/change"
    client.post(f"{address}/disk-detach/", {"id": str(disk.pk)})
    assert work().kind == "vm.disk_detach"
    html = client.get("/disks/").content.decode()
    assert "web" in html
    assert "/delete/" in html
    assert "/delete/" not in cast.pages(cast.viewer).get("/disks/").content.decode()
    assert str(disk.pk) not in cast.pages(cast.outsider).get("/disks/").content.decode()
    assert "1 kept disk" in client.get(f"/projects/{cast.acme.pk}/").content.decode()
    assert str(disk.pk) in client.get(f"/vms/{vm.pk}/hardware/").content.decode()
    client.post(f"{address}/disk-attach/", {"id": str(disk.pk)})
    assert work().kind == "vm.disk_attach"
    assert client.post(f"{address}/disk-attach/", {"id": str(disk.pk)}).status_code == 404
    client.post(f"{address}/disk-detach/", {"id": str(disk.pk)})
    work()
    client.post(f"/disks/{disk.pk}/delete/")
    assert "being deleted" in client.get("/disks/").content.decode()
    assert work().state == "succeeded"
    assert "No kept disks" in client.get("/disks/").content.decode()


def test_a_disk_that_cannot_be_deleted_says_why(cast: Cast, host: ChangingHost, kept: Disk) -> None:
    def refuse(name: str) -> None:
        if name == "disk_delete":
            raise refusal(ErrorCode.VOLUME_IN_USE)

    host.before = refuse
    cast.api(cast.owner).delete(f"/api/v1/disks/{kept.pk}")
    assert work().state == "failed"
    assert "A virtual machine uses that disk." in cast.pages(cast.owner).get("/disks/").content.decode()
    assert Disk.objects.filter(pk=kept.pk).exists()


def test_the_list_costs_the_same_however_long_it_is(cast: Cast, kept: Disk, django_assert_max_num_queries: Any) -> None:
    client = cast.pages(cast.owner)
    client.get("/disks/")
    for _ in range(20):
        Disk.objects.create(project=cast.acme, hypervisor=cast.hypervisor_here, pool="default", size_bytes=GIB)
    with django_assert_max_num_queries(10):
        assert client.get("/disks/").status_code == 200


def test_they_count(cast: Cast, vm: Vm, kept: Disk) -> None:
    Quota.objects.create(project=cast.acme, disk_bytes=6 * GIB)
    assert ask(cast, vm, "post", "disks", {"size_bytes": GIB}).json()["code"] == "quota_exceeded"
    assert ask(cast, vm, "put", f"disks/{kept.pk}").status_code == 202
