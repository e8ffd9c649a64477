"""Pages of images, pools, sizes and quotas, for everybody in the cast."""

from __future__ import annotations

import pytest
from django.urls import reverse

from hypervisors.errors import HostAway
from operations.models import Operation
from tests.cast import Cast
from tests.vms.stub_host import GIB, equip
from vms import storage
from vms.models import Disk, Image, ImageState, Quota, Size

pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts(cast: Cast) -> Cast:
    """Both sites have a host with storage."""
    equip(cast.hypervisor_here)
    equip(cast.hypervisor_there)
    return cast


def image(cast: Cast, **fields: object) -> Image:
    return Image.objects.create(**{"name": "Debian", "site": cast.here, "state": ImageState.READY, **fields})


def text(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]


def test_everybody_sees_the_images_that_they_may_use(hosts: Cast):
    image(hosts, name="For all")
    image(hosts, name="Acme only", project=hosts.acme)
    page = text(hosts.pages(hosts.viewer).get(reverse("images")))
    assert "For all" in page
    assert "Acme only" in page
    assert "Acme only" not in text(hosts.pages(hosts.outsider).get(reverse("images")))
    assert "Acme only" not in text(hosts.pages(hosts.staff_here).get(reverse("images")))
    assert "Acme only" in text(hosts.pages(hosts.staff_here).get(reverse("manage-images")))
    assert "Acme only" not in text(hosts.pages(hosts.staff_there).get(reverse("manage-images")))
    assert hosts.pages(hosts.owner).get(reverse("manage-images")).status_code == 404
    assert "No image fits" in text(hosts.pages(hosts.owner).get(reverse("images") + "?q=zzz"))
    assert "For all" not in text(hosts.pages(hosts.owner).get(reverse("images") + "?kind=iso"))


def test_an_image_is_fetched_by_a_form(hosts: Cast):
    client = hosts.pages(hosts.owner)
    address = reverse("image-new") + "?how=address"
    wanted = {
        "url": "https://example.org/x.qcow2",
        "name": "Debian",
        "kind": "cloud",
        "format": "qcow2",
        "project": str(hosts.acme.pk),
        "site": str(hosts.here.pk),
        "sha256": "AB" * 32,
    }
    answer = client.post(address, wanted)
    made = Image.objects.get()
    assert (answer.status_code, answer.url) == (302, reverse("image-detail", args=[made.pk]))
    assert (made.project, made.sha256, Operation.objects.get().kind) == (hosts.acme, "ab" * 32, "image.fetch")
    page = text(client.get(answer.url))
    assert "Fetching" in page
    assert "every 1s" in page
    for bad in (
        {"url": "file:///etc/passwd"},
        {"sha256": "abc"},
        {"project": ""},
        {"site": str(hosts.there.pk)},
        {"name": " "},
    ):
        refused = client.post(address, {**wanted, **bad})
        assert refused.status_code == 400, bad
        assert "errorlist" in text(refused), bad
    assert Image.objects.count() == 1


def test_who_owns_no_project_is_told_whom_to_ask(hosts: Cast):
    hosts.viewer.memberships.exclude(project=hosts.acme).delete()
    assert "You own no project" in text(hosts.pages(hosts.viewer).get(reverse("image-new")))


def test_an_upload_that_broke_off_can_go_on(hosts: Cast):
    waiting = image(hosts, project=hosts.acme, state=ImageState.COMING, size_bytes=3 * GIB)
    page = text(hosts.pages(hosts.owner).get(reverse("image-detail", args=[waiting.pk])))
    assert f'data-size="{3 * GIB}"' in page
    assert "Choose the same file to go on" in page
    assert "Choose the same file" not in text(
        hosts.pages(hosts.operator).get(reverse("image-detail", args=[waiting.pk]))
    )


def test_a_page_says_why_an_image_failed_and_what_uses_one(hosts: Cast):
    failed = image(hosts, project=hosts.acme, state=ImageState.FAILED, state_reason="The checksum is wrong.")
    client = hosts.pages(hosts.owner)
    assert "The checksum is wrong." in text(client.get(reverse("image-detail", args=[failed.pk])))
    used = image(hosts, project=hosts.acme)
    Disk.objects.create(
        project=hosts.acme, vm=hosts.acme_vm, hypervisor=hosts.hypervisor_here, pool="p", size_bytes=1, image=used
    )
    assert "In use by acme-web" in text(client.get(reverse("image-detail", args=[used.pk])))
    answer = client.post(reverse("image-delete", args=[used.pk]), follow=True)
    assert "delete them first" in text(answer)
    client.post(reverse("image-delete", args=[failed.pk]))
    assert Operation.objects.get().kind == "image.delete"


def test_names_and_remarks_are_changed_by_who_may(hosts: Cast):
    mine = image(hosts, project=hosts.acme, remarks="<script>alert(1)</script>")
    path = reverse("image-change", args=[mine.pk])
    hosts.pages(hosts.owner).post(path, {"name": "Newer", "remarks": "x"})
    mine.refresh_from_db()
    assert (mine.name, mine.remarks) == ("Newer", "x")
    for user, status in ((hosts.viewer, 302), (hosts.outsider, 404), (hosts.staff_there, 404)):
        assert hosts.pages(user).post(path, {"name": "Mine", "remarks": ""}).status_code == status
    hosts.pages(hosts.owner).post(path, {"name": "", "remarks": ""})
    mine.refresh_from_db()
    assert mine.name == "Newer"


def test_pools_are_shown_with_what_is_in_them(hosts: Cast, monkeypatch: pytest.MonkeyPatch):
    page = text(hosts.pages(hosts.staff_here).get(reverse("manage-pools")))
    assert "hv-here" in page
    assert "hv-there" not in page
    assert "no: folders only" in page

    def away(_pool: object) -> None:
        raise HostAway("hv-here does not answer.")

    monkeypatch.setattr(storage, "volumes_in", away)
    monkeypatch.setattr("vms.views.storage.volumes_in", away)
    pool = reverse("manage-pool", args=[hosts.hypervisor_here.pk, "default"])
    assert "hv-here does not answer." in text(hosts.pages(hosts.staff_here).get(pool))
    assert hosts.pages(hosts.staff_there).get(pool).status_code == 404


def test_sizes_are_changed_by_staff_of_every_site(hosts: Cast):
    client = hosts.pages(hosts.staff_everywhere)
    new = {"name": "Half", "vcpus": 1, "memory": "0.5", "disk": "5"}
    assert client.post(reverse("manage-sizes"), new).status_code == 302
    half = Size.objects.get(name="Half")
    assert (half.memory_bytes, half.disk_bytes) == (GIB // 2, 5 * GIB)
    assert client.post(reverse("manage-sizes"), new).status_code == 400
    assert client.post(reverse("manage-sizes"), {**new, "name": "x", "memory": "0"}).status_code == 400
    client.post(reverse("manage-size", args=[half.pk]), {**new, "vcpus": 2})
    client.post(reverse("manage-size-offer", args=[half.pk]))
    half.refresh_from_db()
    assert (half.vcpus, half.is_offered) == (2, False)
    client.post(reverse("manage-size-end", args=[half.pk]))
    assert not Size.objects.filter(pk=half.pk).exists()
    limited = hosts.pages(hosts.staff_here)
    assert "One more" not in text(limited.get(reverse("manage-sizes")))
    assert limited.post(reverse("manage-sizes"), new).status_code == 400
    assert limited.post(reverse("manage-size-end", args=[Size.objects.first().pk])).status_code == 404


def test_limits_are_seen_before_they_are_hit_and_set_by_staff(hosts: Cast):
    client = hosts.pages(hosts.superuser)
    path = reverse("manage-quota", args=[hosts.acme.pk])
    limits = {"vms": 1, "vcpus": "", "memory_bytes": 8, "disk_bytes": "", "images": ""}
    assert client.post(path, limits).status_code == 302
    quota = Quota.objects.get()
    assert (quota.vms, quota.vcpus, quota.memory_bytes) == (1, None, 8 * GIB)
    assert "1 of 1" in text(client.get(reverse("manage-quotas") + "?q=Acme"))
    project = text(hosts.pages(hosts.viewer).get(reverse("project-detail", args=[hosts.acme.pk])))
    assert "1 of 1" in project
    assert "8 GiB" in project
    for user in (hosts.owner, hosts.staff_here):
        assert hosts.pages(user).post(path, limits).status_code == 404
        assert hosts.pages(user).get(reverse("manage-quotas")).status_code == 404
