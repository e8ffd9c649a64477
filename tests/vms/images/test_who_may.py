"""Who sees, makes, changes and deletes which images, sizes, pools and quotas."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent
from operations.models import Operation
from tests.cast import Cast
from tests.together import at_once
from tests.vms.stub_host import GIB, equip
from vms.errors import ImageInUse
from vms.models import Disk, Image, ImageState, Size
from vms.quotas import LIMITS
from vms.services import creating, image_delete

pytestmark = pytest.mark.django_db
URL = "https://example.org/debian.qcow2"


@pytest.fixture
def hosts(cast: Cast) -> Cast:
    """Both sites have a host with storage."""
    equip(cast.hypervisor_here)
    equip(cast.hypervisor_there)
    return cast


def image(cast: Cast, **fields: Any) -> Image:
    return Image.objects.create(**{"name": "Debian", "site": cast.here, "state": ImageState.READY, **fields})


def disk_over(cast: Cast, of: Image, **fields: Any) -> Disk:
    usual = {"project": cast.acme, "vm": cast.acme_vm, "hypervisor": cast.hypervisor_here, "pool": "default"}
    return Disk.objects.create(**{**usual, "size_bytes": GIB, "image": of, **fields})


def body(cast: Cast, **fields: Any) -> dict[str, Any]:
    return {"name": "Debian", "site": str(cast.here.pk), "url": URL, **fields}


MAKES = {
    # who: of project Acme, public here
    "owner": (202, 403),
    "operator": (403, 403),
    "viewer": (403, 403),
    "outsider": (400, 400),
    "staff_here": (400, 202),
    "staff_there": (400, 400),
    "staff_everywhere": (202, 202),
    "superuser": (202, 202),
}


@pytest.mark.parametrize("who", MAKES)
def test_who_makes_images(hosts: Cast, who: str):
    client = hosts.api(hosts.everybody[who])
    of_project, public = MAKES[who]
    wanted = body(hosts, project=str(hosts.acme.pk))
    assert client.post("/api/v1/images", wanted, format="json").status_code == of_project
    assert client.post("/api/v1/images", body(hosts), format="json").status_code == public
    assert Image.objects.count() == Operation.objects.count() == (of_project, public).count(202)


def test_without_a_site_it_comes_where_there_is_space_and_staffs_own_only_where_they_manage(hosts: Cast):
    equip(hosts.hypervisor_here, space_bytes=GIB)
    wanted = body(hosts)
    del wanted["site"]
    answer = hosts.api(hosts.owner).post("/api/v1/images", {**wanted, "project": str(hosts.acme.pk)}, format="json")
    assert answer.json()["image"]["site"]["name"] == "there"
    answer = hosts.api(hosts.staff_here).post("/api/v1/images", wanted, format="json")
    assert answer.json()["image"]["site"]["name"] == "here"


def test_who_sees_images(hosts: Cast):
    image(hosts, name="public")
    image(hosts, name="acme", project=hosts.acme)
    image(hosts, name="otto", project=hosts.ottos, site=hosts.there)
    seen = {
        "owner": {"public", "acme"},
        "viewer": {"public", "acme"},
        "outsider": {"public", "otto"},
        "staff_here": {"public", "acme"},
        "staff_there": {"public", "otto"},
        "superuser": {"public", "acme", "otto"},
    }
    for who, names in seen.items():
        rows = hosts.api(hosts.everybody[who]).get("/api/v1/images").json()["results"]
        assert {row["name"] for row in rows} == names, who
    acme = Image.objects.get(name="acme")
    for who in ("outsider", "staff_there"):
        client = hosts.api(hosts.everybody[who])
        for method in ("get", "patch", "delete"):
            assert getattr(client, method)(f"/api/v1/images/{acme.pk}").status_code == 404
        assert client.get(f"/api/v1/images/{acme.pk}/data").status_code == 404


def test_who_changes_images(hosts: Cast):
    acme, public = image(hosts, project=hosts.acme), image(hosts)
    may = {"owner": (200, 403), "operator": (403, 403), "staff_here": (200, 200), "staff_everywhere": (200, 200)}
    for who, expected in may.items():
        client = hosts.api(hosts.everybody[who])
        for row, status in zip((acme, public), expected, strict=True):
            assert client.patch(f"/api/v1/images/{row.pk}", {"name": who}, format="json").status_code == status, who
    assert AuditEvent.objects.filter(action="image.update").count() == 5


def test_lists_of_images_take_as_many_queries_for_many(hosts: Cast, django_assert_max_num_queries: Any):
    client = hosts.api(hosts.owner)
    for number in range(30):
        image(hosts, name=f"i{number}", project=hosts.acme if number % 2 else None)
    with django_assert_max_num_queries(6):
        assert len(client.get("/api/v1/images").json()["results"]) == 30


def test_an_image_in_use_says_by_what(hosts: Cast):
    public = image(hosts)
    disk_over(hosts, public)
    disk_over(hosts, public, project=hosts.ottos, vm=hosts.ottos_vm, hypervisor=hosts.hypervisor_there)
    disk_over(hosts, public, vm=None)
    answer = hosts.api(hosts.staff_here).delete(f"/api/v1/images/{public.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_in_use")
    assert (answer.json()["used_by"], answer.json()["others"]) == (["acme-web"], 2)
    assert "acme-web and 2 others" in answer.json()["detail"]
    iso = image(hosts, kind="iso", project=hosts.acme)
    hosts.acme_vm.cd_image = iso
    hosts.acme_vm.save()
    problem = hosts.api(hosts.owner).delete(f"/api/v1/images/{iso.pk}").json()
    assert (problem["used_by"], "eject it there first" in problem["detail"]) == (["acme-web"], True)
    assert set(Image.objects.values_list("state", flat=True)) == {"ready"}


def test_of_an_image_that_is_being_deleted_nothing_is_made(hosts: Cast):
    acme = image(hosts, project=hosts.acme)
    image_delete(image=acme, user=hosts.owner)
    wanted = {"name": "web", "vcpus": 1, "memory_bytes": GIB, "image": str(acme.pk), "project": str(hosts.acme.pk)}
    answer = hosts.api(hosts.owner).post("/api/v1/vms", wanted, format="json")
    assert answer.status_code == 400
    assert "image" in answer.json()["errors"]


def test_a_vm_whose_image_went_after_it_was_looked_at_is_not_made(hosts: Cast, monkeypatch: pytest.MonkeyPatch):
    acme = image(hosts, project=hosts.acme)
    image_delete(image=acme, user=hosts.owner)
    monkeypatch.setattr(creating, "_image_check", lambda *_: acme)
    wanted = {"name": "web", "vcpus": 1, "memory_bytes": GIB, "image": str(acme.pk), "project": str(hosts.acme.pk)}
    answer = hosts.api(hosts.owner).post("/api/v1/vms", wanted, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "image_not_ready")
    assert not Disk.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_image_is_deleted_or_used_and_never_both(hosts: Cast):
    acme = image(hosts, project=hosts.acme, virtual_bytes=GIB)
    client = hosts.api(hosts.owner)
    wanted = {"name": "web", "vcpus": 1, "memory_bytes": GIB, "image": str(acme.pk), "project": str(hosts.acme.pk)}
    outcomes: dict[str, Any] = {}

    def create() -> None:
        outcomes["create"] = client.post("/api/v1/vms", wanted, format="json").status_code

    def delete() -> None:
        try:
            image_delete(image=acme, user=hosts.owner)
            outcomes["delete"] = 202
        except ImageInUse:
            outcomes["delete"] = 409

    at_once(create, delete)
    assert sorted(outcomes.values()) in ([202, 400], [202, 409]), outcomes
    acme.refresh_from_db()
    assert (acme.state == ImageState.REMOVING) is (not Disk.objects.exists())


BAD: dict[str, dict[str, Any]] = {
    "name empty": {"name": " "},
    "name long": {"name": "x" * 101},
    "name NUL": {"name": "a\0"},
    "sha256": {"sha256": "abc"},
    "format": {"format": "vmdk"},
    "kind": {"kind": "tape"},
    "file": {"url": "file:///etc/passwd"},
    "ftp": {"url": "ftp://example.org/x"},
    "credentials": {"url": "https://me:secret@example.org/x"},
    "space": {"url": "https://example.org/a b\n"},
    "two sources": {"size_bytes": 7},
    "no such site": {"site": "00000000-0000-0000-0000-000000000007"},
    "no such field": {"state": "ready"},
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_makes_no_image(hosts: Cast, what: str):
    wanted = {**body(hosts, project=str(hosts.acme.pk)), **BAD[what]}
    answer = hosts.api(hosts.owner).post("/api/v1/images", wanted, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.content
    assert not Image.objects.exists()


def test_images_have_room_and_a_limit(hosts: Cast, settings: Any):
    client = hosts.api(hosts.owner)
    wanted = body(hosts, project=str(hosts.acme.pk))
    del wanted["url"]
    too_long = client.post("/api/v1/images", {**wanted, "size_bytes": settings.IMAGE_MAX_BYTES + 1}, format="json")
    assert too_long.status_code == 400
    settings.IMAGE_MAX_BYTES = 2000 * GIB
    assert client.post("/api/v1/images", {**wanted, "size_bytes": 900 * GIB}, format="json").json()["code"] == "no_room"
    settings.QUOTA = {**settings.QUOTA, "images": 1}
    assert client.post("/api/v1/images", {**wanted, "size_bytes": GIB}, format="json").status_code == 201
    refused = client.post("/api/v1/images", {**wanted, "size_bytes": GIB}, format="json").json()
    assert (refused["code"], refused["what"], refused["used"], refused["limit"]) == ("quota_exceeded", "images", 1, 1)
    shares = {row["name"]: row for row in client.get(f"/api/v1/projects/{hosts.acme.pk}/quota").json()}
    assert (shares["images"]["used"], shares["disk_bytes"]["used"]) == (1, GIB)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_no_more_come_than_the_quota_allows(hosts: Cast, settings: Any):
    settings.QUOTA = {**settings.QUOTA, "images": 3}
    client = hosts.api(hosts.owner)
    wanted = {**body(hosts, project=str(hosts.acme.pk)), "size_bytes": GIB}
    del wanted["url"]
    answers: list[int] = []
    at_once(*[lambda: answers.append(client.post("/api/v1/images", wanted, format="json").status_code)] * 8)
    assert sorted(answers) == [201] * 3 + [409] * 5
    assert Image.objects.count() == 3


def test_sizes_are_set_by_staff_of_every_site(hosts: Cast):
    assert Size.objects.count() == 4, "a fresh installation has some to choose from"
    new = {"name": "Huge", "vcpus": 64, "memory_bytes": 256 * GIB, "disk_bytes": 500 * GIB}
    for who in ("owner", "staff_here"):
        client = hosts.api(hosts.everybody[who])
        assert client.post("/api/v1/sizes", new, format="json").status_code == 403
        assert client.patch(f"/api/v1/sizes/{Size.objects.first().pk}", {"vcpus": 1}, format="json").status_code == 404
    client = hosts.api(hosts.staff_everywhere)
    size_id = client.post("/api/v1/sizes", new, format="json").json()["id"]
    assert client.post("/api/v1/sizes", new, format="json").json()["code"] == "name_taken"
    for bad in ({"vcpus": 0}, {"memory_bytes": 7}, {"disk_bytes": 2**60}, {"name": " "}):
        assert client.post("/api/v1/sizes", {**new, "name": "x", **bad}, format="json").status_code == 400, bad
    assert client.patch(f"/api/v1/sizes/{size_id}", {"is_offered": False}, format="json").status_code == 200
    assert len(hosts.api(hosts.owner).get("/api/v1/sizes").json()["results"]) == 4
    assert len(client.get("/api/v1/sizes").json()["results"]) == 5
    assert client.delete(f"/api/v1/sizes/{size_id}").status_code == 204


def test_pools_are_seen_by_who_manages_their_hosts(hosts: Cast):
    for who, names in {"staff_here": ["hv-here"], "superuser": ["hv-here", "hv-there"]}.items():
        rows = hosts.api(hosts.everybody[who]).get("/api/v1/pools").json()["results"]
        assert sorted({row["hypervisor"]["name"] for row in rows}) == names
    usable = [(row["name"], row["is_usable"]) for row in rows if row["hypervisor"]["name"] == "hv-here"]
    assert usable == [("asleep", False), ("default", True), ("lvm", False)]
    assert hosts.api(hosts.owner).get("/api/v1/pools").status_code == 404
    volumes = f"/api/v1/hypervisors/{hosts.hypervisor_here.pk}/pools/default/volumes"
    for who in ("owner", "staff_there"):
        assert hosts.api(hosts.everybody[who]).get(volumes).status_code == 404
    assert hosts.api(hosts.staff_here).get(volumes.replace("default", "nowhere")).status_code == 404


def test_quotas_are_set_by_staff_of_every_site(hosts: Cast):
    path = f"/api/v1/projects/{hosts.acme.pk}/quota"
    for who, status in {"owner": 403, "viewer": 403, "staff_here": 404, "outsider": 404, "superuser": 200}.items():
        assert hosts.api(hosts.everybody[who]).patch(path, {"vms": 5}, format="json").status_code == status, who
    shares = {row["name"]: row["limit"] for row in hosts.api(hosts.viewer).get(path).json()}
    assert shares["vms"] == 5
    hosts.api(hosts.superuser).patch(path, {"vms": None}, format="json")
    assert hosts.api(hosts.viewer).get(path).json()[0]["limit"] == 20


@pytest.mark.parametrize("name", list(LIMITS))
def test_each_limit_can_be_set(hosts: Cast, name: str):
    path = f"/api/v1/projects/{hosts.acme.pk}/quota"
    answer = hosts.api(hosts.superuser).patch(path, {name: 3}, format="json")
    assert answer.status_code == 200, answer.content
    assert {row["name"]: row["limit"] for row in answer.json()}[name] == 3
