"""Which projects staff read the names of, and what they are told when one gets more than it may have."""

from __future__ import annotations

import pytest

from accounts.models import Project
from common.lists import PAGE_SIZE
from tests.cast import Cast
from tests.factories import make_member, make_project
from vms.inventory import inventory_apply
from vms.models import DiscoveredDomain, Disk, Quota, Vm
from vms.selectors import projects_known_to

from .conftest import make_domain


@pytest.fixture
def found(cast: Cast) -> DiscoveredDomain:
    """A domain of site "here"'s host that Eve does not have."""
    inventory_apply(hypervisor_id=cast.hypervisor_here.pk, domains=[make_domain("old")])
    return DiscoveredDomain.objects.get(name="old")


def test_staff_of_a_site_know_what_has_something_there(cast: Cast) -> None:
    known = projects_known_to(cast.staff_here)
    assert {project.name for project in known} == {"Acme", cast.staff_here.name}
    Disk.objects.create(project=cast.ottos, hypervisor=cast.hypervisor_here, pool="default", size_bytes=1)
    make_member(make_project("Mine", owner=cast.owner), cast.staff_here)
    assert {project.name for project in known.all()} == {"Acme", "Ottos", "Mine", cast.staff_here.name}
    Project.objects.filter(pk=cast.acme.pk).update(is_active=False)
    assert "Acme" not in {project.name for project in known.all()}
    assert projects_known_to(cast.staff_everywhere).count() == Project.objects.filter(is_active=True).count()


def test_pages_name_no_other(cast: Cast, found: DiscoveredDomain) -> None:
    for address in (f"/manage/drift/adopt/?domain={found.pk}", f"/vms/{cast.acme_vm.pk}/project/"):
        html = cast.pages(cast.staff_here).get(address).content.decode()
        assert "Acme" in html
        assert "Ottos" not in html, address
        assert "Ottos" in cast.pages(cast.staff_everywhere).get(address).content.decode(), address


def test_nothing_is_given_to_another(cast: Cast, found: DiscoveredDomain) -> None:
    api, page = cast.api(cast.staff_here), cast.pages(cast.staff_here)
    body = {"project": str(cast.ottos.pk)}
    answer = api.post(f"/api/v1/discovered-domains/{found.pk}/adopt", body, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["project"])
    page.post("/manage/drift/adopt/", {"domain": found.pk, **body})
    assert api.put(f"/api/v1/vms/{cast.acme_vm.pk}/project", body, format="json").status_code == 400
    assert not Vm.objects.filter(name="old").exists()
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == cast.acme


def test_an_adoption_beyond_the_quota_is_said(cast: Cast, found: DiscoveredDomain) -> None:
    Quota.objects.create(project=cast.acme, vms=1, memory_bytes=2**30)
    body = {"project": str(cast.acme.pk)}
    answer = cast.api(cast.staff_here).post(f"/api/v1/discovered-domains/{found.pk}/adopt", body, format="json")
    assert answer.status_code == 201
    assert answer.json()["warnings"] == [
        f"Acme is over its quota now ({what}). It can add no more until it has less, or a larger quota."
        for what in ("virtual machines: 2 of 1", "memory: 2.2 GiB of 1 GiB")
    ]


def test_and_on_the_page(cast: Cast, found: DiscoveredDomain) -> None:
    Quota.objects.create(project=cast.acme, vms=1)
    body = {"domain": found.pk, "project": str(cast.acme.pk)}
    answer = cast.pages(cast.staff_here).post("/manage/drift/adopt/", body, follow=True)
    assert "Acme is over its quota now (virtual machines: 2 of 1)." in answer.content.decode()


def test_of_a_thousand_projects_a_page_is_shown_and_each_is_found(cast: Cast) -> None:
    Project.objects.bulk_create(Project(name=f"Number {number:04}") for number in range(1000))
    pages, address = cast.pages(cast.staff_everywhere), f"/vms/{cast.acme_vm.pk}"
    settings = pages.get(f"{address}/settings/").content.decode()
    assert "Number" not in settings
    assert f'href="{address}/project/"' in settings
    assert pages.get(f"{address}/project/").content.decode().count("Move to ") == PAGE_SIZE // 2
    found = pages.get(f"{address}/project/?q=0777").content.decode()
    assert found.count("Move to ") == 1
    wanted = Project.objects.get(name="Number 0777")
    assert f'value="{wanted.pk}"' in found
    pages.post(f"{address}/project/", {"project": str(wanted.pk)})
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == wanted


def test_who_may_not_move_it_is_offered_nothing(cast: Cast) -> None:
    for user in (cast.operator, cast.viewer):
        pages, address = cast.pages(user), f"/vms/{cast.acme_vm.pk}"
        assert f"{address}/project/" not in pages.get(f"{address}/settings/").content.decode()
        assert pages.get(f"{address}/project/").status_code == 404
