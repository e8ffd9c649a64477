"""In which pools disks are made: chosen, or by room."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.cast import Cast
from vms.models import Disk, Image, Quota, Vm
from vms.placement import Space, _pools_for

from .changing_host import ChangingHost
from .stub_host import GIB
from .test_changing import ask, host, vm, work
from .test_systems import cloud

__all__ = ["cloud", "host", "vm"]


@pytest.fixture
def fast(cast: Cast, host: ChangingHost) -> str:
    """Another pool of the host, with 20 GiB."""
    row = cast.hypervisor_here
    more = {"name": "fast", "kind": "dir", "is_active": True, "capacity_bytes": 50 * GIB, "available_bytes": 20 * GIB}
    row.facts["pools"].append(more)
    row.save()
    return "fast"


def create(cast: Cast, *disks: dict[str, Any], **fields: Any) -> Any:
    """A machine with those disks."""
    body = {"name": "db", "vcpus": 1, "memory_bytes": GIB, "disks": list(disks), "project": str(cast.acme.pk)}
    return cast.api(cast.owner).post("/api/v1/vms", {**body, **fields}, format="json")


def pools_of(name: str) -> list[str]:
    """Where its disks are."""
    return list(Disk.objects.filter(vm__name=name).order_by("position").values_list("pool", flat=True))


def test_each_disk_in_a_pool_of_its_own(cast: Cast, host: ChangingHost, fast: str, cloud: Image) -> None:
    answer = create(cast, {"size_bytes": 5 * GIB, "pool": fast}, {"size_bytes": GIB}, image=str(cloud.pk))
    assert answer.status_code == 202, answer.content
    assert pools_of("db") == ["fast", "default"]
    assert work().state == "succeeded"
    assert {copy.pool for copy in cloud.copies.all()} == {"fast"}, "the image is where the disk is that reads it"
    spec = host.specs[Vm.objects.get(name="db").pk]
    assert [disk.pool for disk in spec.disks] == ["fast", "default"]
    assert spec.seed_pool == "fast"


@pytest.mark.parametrize("pool", ["nowhere", "asleep", "lvm"])
def test_a_pool_that_is_none_is_named(cast: Cast, fast: str, pool: str) -> None:
    answer = create(cast, {"size_bytes": GIB}, {"size_bytes": GIB, "pool": pool})
    assert answer.status_code == 400
    assert answer.json()["errors"] == {"disks": [f"There is no pool “{pool}” for disks. Choose one of: default, fast."]}


def test_each_pool_has_its_own_room(cast: Cast, fast: str) -> None:
    answer = create(cast, {"size_bytes": 15 * GIB, "pool": fast}, {"size_bytes": 10 * GIB, "pool": fast})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    assert "The most that is left: “default” 500 GiB, “fast” 20 GiB." in answer.json()["detail"]
    answer = create(cast, {"size_bytes": 15 * GIB, "pool": fast}, {"size_bytes": 100 * GIB})
    assert answer.status_code == 202
    Quota.objects.create(project=cast.acme, disk_bytes=120 * GIB)
    answer = create(cast, {"size_bytes": 15 * GIB, "pool": fast}, name="other")
    assert answer.json()["code"] == "quota_exceeded"


@pytest.mark.parametrize(
    ("disks", "found"),
    [
        ([Space(GIB), Space(GIB)], ["default", "default"]),
        ([Space(GIB), Space(GIB, "fast")], ["default", "fast"]),
        ([Space(490 * GIB), Space(15 * GIB)], ["default", "fast"]),
        ([Space(500 * GIB, "default"), Space(15 * GIB), Space(5 * GIB)], ["default", "fast", "fast"]),
        ([Space(490 * GIB), Space(15 * GIB), Space(10 * GIB)], ["default", "fast", "default"]),
        ([Space(501 * GIB)], None),
        ([Space(15 * GIB, "fast"), Space(6 * GIB, "fast")], None),
        ([Space(GIB, "nowhere")], None),
        ([], []),
    ],
)
def test_disks_lie_together_where_there_is_room(
    cast: Cast, fast: str, disks: list[Space], found: list[str] | None
) -> None:
    assert _pools_for(cast.hypervisor_here, disks) == found


def test_a_disk_that_is_added_later(cast: Cast, host: ChangingHost, vm: Vm, fast: str) -> None:
    assert ask(cast, vm, "post", "disks", {"size_bytes": GIB, "pool": fast}).status_code == 202
    assert work().state == "succeeded"
    assert ask(cast, vm, "post", "disks", {"size_bytes": GIB}).status_code == 202
    assert work().state == "succeeded"
    assert pools_of("web") == ["default", "fast", "default"]
    answer = ask(cast, vm, "post", "disks", {"size_bytes": 21 * GIB, "pool": fast})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    assert "“fast” on its host has 20 GiB of space left, and 21 GiB are needed" in answer.json()["detail"]
    answer = ask(cast, vm, "post", "disks", {"size_bytes": GIB, "pool": "nowhere"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["pool"])
    client: Client = cast.pages(cast.operator)
    html = client.get(f"/vms/{vm.pk}/hardware/").content.decode()
    assert "fast · 20 GiB free" in html
    client.post(f"/vms/{vm.pk}/change/disk-add/", {"size_gib": "1", "pool": fast})
    assert pools_of("web")[-1] == "fast"


def test_the_form_of_a_new_machine_offers_them(cast: Cast, fast: str) -> None:
    client = cast.pages(cast.owner)
    html = client.get("/vms/new/").content.decode()
    assert "fast · up to 20 GiB free" in html
    form = {
        "name": "db",
        "image": "",
        "size": "own",
        "vcpus": "1",
        "memory_gib": "1",
        "more_disks": "1, 2",
        "project": str(cast.acme.pk),
        "pool": fast,
        "key": "4e1f0c57-7a4e-4a52-9d9e-0d6a2ce9a009",
    }
    assert client.post("/vms/new/", {**form, "pool": "nowhere"}).status_code == 400
    assert client.post("/vms/new/", form).status_code == 302
    assert pools_of("db") == ["fast", "fast", "fast"]
    assert [disk.size_bytes // GIB for disk in Disk.objects.filter(vm__name="db")] == [10, 1, 2]


def test_with_one_pool_nothing_is_asked(cast: Cast, host: ChangingHost) -> None:
    assert 'name="pool"' not in cast.pages(cast.owner).get("/vms/new/").content.decode()
