"""The page that makes a virtual machine: its defaults, its mistakes beside their fields, and that a second click makes no second one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.test import Client

from accounts.models import SshKey
from operations.models import Operation
from tests.cast import Cast
from tests.factories import make_vm
from vms.models import Image, ImageState, Quota, Seed, Size, Vm

from .stub_host import GIB, equip

URL = "/vms/new/"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7 olivia@desk"


@pytest.fixture
def client(cast: Cast) -> Client:
    """Olivia's browser; site "here" has a host with storage, and no sizes are offered."""
    Size.objects.all().delete()
    equip(cast.hypervisor_here)
    return cast.pages(cast.owner)


def filled(client: Client, **changes: Any) -> dict[str, Any]:
    """The form as the page offers it, with `changes`; None takes a field out."""
    html = client.get(URL).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', html)
    project = re.search(r'<option value="([^"]+)" selected>', html)
    size = re.search(r'name="size" value="([^"]+)"[^>]*checked', html)
    assert key
    assert project
    assert size
    start: dict[str, Any] = {
        "key": key[1],
        "project": project[1],
        "size": size[1],
        "image": "",
        "vcpus": "1",
        "memory_gib": "1",
        "disk_gib": "10",
        "nics": re.findall(r'name="nics" value="([^"]+)"[^>]*checked', html),
        "keys": re.findall(r'name="keys" value="([^"]+)"[^>]*checked', html),
        "firmware": "bios",
        "devices": "virtio",
        "start": "on",
        **changes,
    }
    return {name: value for name, value in start.items() if value is not None}


def offered(client: Client) -> list[Any]:
    """The ids of the projects to choose from."""
    return [project.pk for project in client.get(URL).context["form"].projects]


def cloud(cast: Cast, **fields: Any) -> Image:
    return Image.objects.create(
        **{"name": "Debian 12", "site": cast.here, "state": ImageState.READY, "virtual_bytes": 2 * GIB, **fields}
    )


def test_a_name_is_all_that_has_to_be_typed(cast: Cast, client: Client) -> None:
    answer = client.post(URL, filled(client, name="web-01"))
    vm = Vm.objects.get(name="web-01")
    assert (answer.status_code, answer["Location"]) == (302, f"/vms/{vm.pk}/")
    assert (vm.project, vm.vcpus, vm.memory_bytes) == (cast.owner.personal_project, 1, GIB)
    assert [disk.size_bytes for disk in vm.disks.all()] == [10 * GIB]
    assert [nic.source for nic in vm.nics.all()] == ["default"]
    assert Operation.objects.get(target_id=vm.pk).arguments["is_started"]


def test_a_second_click_makes_no_second_one(cast: Cast, client: Client) -> None:
    form = filled(client, name="web-01")
    first, second = client.post(URL, form), client.post(URL, form)
    assert first["Location"] == second["Location"]
    assert Vm.objects.filter(name="web-01").count() == 1


def test_a_form_that_was_sent_and_changed_asks_once_more(cast: Cast, client: Client) -> None:
    form = filled(client, name="web-01")
    client.post(URL, form)
    answer = client.post(URL, {**form, "name": "web-02"})
    assert answer.status_code == 400
    key = re.search(r'name="key" value="([^"]+)"', answer.content.decode())
    assert key
    assert key[1] != form["key"]
    assert client.post(URL, {**form, "name": "web-02", "key": key[1]}).status_code == 302
    assert Vm.objects.filter(name="web-02").exists()


def test_an_image_a_size_ones_keys_and_more(cast: Cast, client: Client) -> None:
    image = cloud(cast)
    size = Size.objects.create(name="Medium", vcpus=2, memory_bytes=4 * GIB, disk_bytes=40 * GIB)
    SshKey.objects.create(user=cast.owner, name="desk", line=KEY, fingerprint="f")
    stranger = SshKey.objects.create(user=cast.outsider, name="not-mine", line=KEY, fingerprint="f")
    form = filled(
        client,
        name="web-01",
        image=str(image.pk),
        project=str(cast.acme.pk),
        more_disks="20, 30",
        user_data="#cloud-config\npackages: [nginx]",
        autostart="on",
        firmware="uefi",
        start=None,
    )
    assert form["size"] == str(size.pk)
    assert "not-mine" not in client.get(URL).content.decode()
    refused = client.post(URL, {**form, "keys": [str(stranger.pk)]})
    assert refused.status_code == 400
    assert client.post(URL, form).status_code == 302
    vm = Vm.objects.get(name="web-01")
    assert (vm.project, vm.vcpus, vm.memory_bytes, vm.firmware, vm.is_autostarted) == (
        cast.acme,
        2,
        4 * GIB,
        "uefi",
        True,
    )
    assert [disk.size_bytes // GIB for disk in vm.disks.all()] == [40, 20, 30]
    told = yaml.safe_load(Seed.objects.get(vm=vm).user_data)
    assert (told["ssh_authorized_keys"], told["packages"]) == ([KEY], ["nginx"])
    assert Operation.objects.get(target_id=vm.pk).arguments["is_started"] is False


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "Web_01"}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "x" * 300}, "name"),
        ({"name": "acme"}, "name"),
        ({"memory_gib": "0"}, "memory_gib"),
        ({"memory_gib": ""}, "memory_gib"),
        ({"vcpus": "9999"}, "vcpus"),
        ({"disk_gib": "1", "image": "cloud"}, "disk_gib"),
        ({"more_disks": "a lot"}, "more_disks"),
        ({"nics": ["network:nowhere"]}, "nics"),
        ({"another_key": "nonsense", "image": "cloud"}, "another_key"),
        ({"user_data": "#cloud-config\na: [", "image": "cloud"}, "user_data"),
        ({"network_config": "- 1", "image": "cloud"}, "network_config"),
        ({"memory_gib": "100"}, "site"),
    ],
)
def test_a_mistake_stands_beside_its_field(cast: Cast, client: Client, changes: dict[str, Any], field: str) -> None:
    make_vm(cast.owner.personal_project, cast.hypervisor_here, "acme")
    Vm.objects.filter(name="acme").update(is_made_by_eve=True)
    if changes.get("image") == "cloud":
        changes = {**changes, "image": str(cloud(cast).pk)}
    answer = client.post(URL, {**filled(client), "name": "web-01", **changes})
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == [field]
    assert all(answer.context["form"].errors[field])
    html = answer.content.decode()
    assert html.count('class="errorlist"') == 1
    assert not Operation.objects.exists()


def test_an_image_of_a_project_is_for_machines_of_that_project(cast: Cast, client: Client) -> None:
    image = cloud(cast, project=cast.acme)
    answer = client.post(URL, filled(client, name="web-01", image=str(image.pk)))
    assert "Debian 12 belongs to project Acme. Choose that project" in str(answer.context["form"].errors["image"])
    assert (
        client.post(URL, filled(client, name="web-01", image=str(image.pk), project=str(cast.acme.pk))).status_code
        == 302
    )
    assert image not in cast.pages(cast.viewer).get(URL).context["form"].images


def test_what_the_quota_does_not_allow_is_said(cast: Cast, client: Client) -> None:
    Quota.objects.create(project=cast.owner.personal_project, memory_bytes=GIB)
    answer = client.post(URL, filled(client, name="web-01", memory_gib="2"))
    assert answer.status_code == 400
    assert "1 GiB" in str(answer.context["form"].errors["size"])


def test_it_is_filled_again_but_for_the_password(cast: Cast, client: Client) -> None:
    image = cloud(cast)
    answer = client.post(
        URL, filled(client, name="Bad Name", image=str(image.pk), user_data="#cloud-config", password="canary-word 7")
    )
    html = answer.content.decode()
    assert "Bad Name" in html
    assert "#cloud-config</textarea>" in html
    assert "canary-word" not in html


def test_projects_hosts_and_quotas_are_ones_own(cast: Cast, client: Client) -> None:
    html = client.get(URL).content.decode()
    assert "Ottos" not in html
    assert "hv-here" not in html
    assert "hv-here" in cast.pages(cast.staff_here).get(URL).content.decode()
    assert "hv-here" not in cast.pages(cast.staff_there).get(URL).content.decode()
    assert offered(cast.pages(cast.viewer)) == [cast.viewer.personal_project.pk]
    quota = f"{URL}quota/?project="
    assert client.get(f"{quota}{cast.acme.pk}").status_code == 200
    for address in (f"{quota}{cast.ottos.pk}", f"{quota}nonsense", quota):
        assert client.get(address).status_code == 404


def test_sites_are_those_that_one_knows(cast: Cast, client: Client) -> None:
    def sites(user: Any) -> list[str]:
        return [site.name for site in cast.pages(user).get(URL).context["form"].sites]

    assert (sites(cast.owner), sites(cast.outsider)) == (["here"], ["there"])
    assert cast.pages(cast.outsider).get(URL).context["form"].plugs == []
    Image.objects.create(name="Debian 12", site=cast.here, state=ImageState.READY)
    assert sites(cast.outsider) == ["here", "there"]


def test_no_project_of_others(cast: Cast, client: Client) -> None:
    answer = client.post(URL, filled(client, name="web-01", project=str(cast.ottos.pk)))
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == ["project"]
