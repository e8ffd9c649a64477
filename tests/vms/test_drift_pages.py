"""The pages of drift where there is much of it: light, searched, and adopted many at a time."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from accounts.models import Project
from tests.cast import Cast
from vms.models import DiscoveredDomain, Vm
from vms.services import vm_adopt

from .test_staff import ADOPT, discover, page, words

MANY = 1000
LIGHT_BYTES = 150_000


@pytest.fixture
def many(cast: Cast) -> None:
    """Domains that Eve does not have, and projects that they may be given to."""
    DiscoveredDomain.objects.bulk_create(
        DiscoveredDomain(hypervisor=cast.hypervisor_here, uuid=uuid4(), name=f"left-{number:04}")
        for number in range(MANY)
    )
    Project.objects.bulk_create(Project(name=f"project-{number:04}") for number in range(MANY))


def test_many_are_told_a_few_at_a_time(cast: Cast, many: None) -> None:
    html = page(cast, cast.superuser, "/manage/drift/")
    assert len(set(re.findall(r"left-\d{4}", html))) == 10
    assert "Show all 1,000" in words(html)
    assert "project-" not in html
    whole = page(cast, cast.superuser, "/manage/drift/unknown/?q=left-09")
    assert len(set(re.findall(r"<bdi>left-\d{4}", whole))) == 50
    assert "1–50 of 100" in words(whole)
    assert "project-" not in whole
    assert max(len(html), len(whole)) < LIGHT_BYTES


def test_a_search_goes_through_all_kinds(cast: Cast) -> None:
    discover(cast.hypervisor_here, "wanted-domain")
    discover(cast.hypervisor_here, "else")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(name="wanted-vm", seen_vcpus=9)
    html = page(cast, cast.superuser, "/manage/drift/?q=wanted")
    assert "wanted-domain" in html
    assert "wanted-vm" in html
    assert "else</bdi>" not in html
    assert 'href="/manage/drift/unknown/?q=wanted"' in html
    assert "No difference fits" in page(cast, cast.superuser, "/manage/drift/?q=nothing-like-it")


def test_no_other_kind_has_a_page(cast: Cast) -> None:
    assert cast.pages(cast.superuser).get("/manage/drift/else/").status_code == 404
    assert "nothing of this kind" in page(cast, cast.superuser, "/manage/drift/conflicts/")


def test_a_project_is_searched_for(cast: Cast, many: None) -> None:
    found = discover(cast.hypervisor_here, "left-over")
    html = page(cast, cast.superuser, f"{ADOPT}?domain={found.pk}&q=project-0042&next=/manage/drift/unknown/")
    assert re.findall(r"<bdi>(project-\d{4})", html) == ["project-0042"]
    search = html.partition('role="search"')[2].partition("</form>")[0]
    assert f'name="domain" value="{found.pk}"' in search
    chosen = re.search(r'name="project" value="([^"]+)"', html)
    assert chosen
    body = {"domain": found.pk, "project": chosen[1], "next": "/manage/drift/unknown/"}
    answer = cast.pages(cast.superuser).post(ADOPT, body)
    assert answer["Location"] == "/manage/drift/unknown/"
    assert Vm.objects.get(pk=found.uuid).project.name == "project-0042"


def test_staff_of_some_sites_are_told_which_projects_they_choose_from(cast: Cast) -> None:
    address = f"{ADOPT}?domain={discover(cast.hypervisor_here, 'left').pk}"
    said = "given to it by staff of every site"
    assert said in words(page(cast, cast.staff_here, address))
    assert said not in words(page(cast, cast.superuser, address))


def test_several_are_adopted_at_once_each_by_itself(cast: Cast) -> None:
    first, gone, third = (discover(cast.hypervisor_here, name) for name in ("first", "gone", "third"))
    not_ours = discover(cast.hypervisor_there, "not-ours")
    named = [row.pk for row in (first, gone, third, not_ours)]
    vm_adopt(discovered=gone, project=cast.ottos, user=None)
    html = cast.pages(cast.staff_here).get(ADOPT, {"domain": named}).content.decode()
    assert "Adopt 2 domains" in html
    assert "not-ours" not in html
    answer = cast.pages(cast.staff_here).post(ADOPT, {"domain": named, "project": str(cast.acme.pk)}, follow=True)
    assert "2 machines belong to project Acme now." in words(answer.content.decode())
    assert set(Vm.objects.filter(project=cast.acme).values_list("name", flat=True)) >= {"first", "third"}
    assert DiscoveredDomain.objects.filter(name="not-ours").exists()


@pytest.mark.parametrize("next_", ["https://elsewhere.example/", "//elsewhere.example/"])
def test_it_goes_on_nowhere_else(cast: Cast, next_: str) -> None:
    found = discover(cast.hypervisor_here, "left-over")
    body = {"domain": found.pk, "project": str(cast.acme.pk), "next": next_}
    assert cast.pages(cast.staff_here).post(ADOPT, body)["Location"] == "/manage/drift/"


@pytest.mark.parametrize("text", ["x", "-1", "99999999999999999999", "\0", "\u0661"])
def test_odd_ids_name_nothing(cast: Cast, text: str) -> None:
    answer = cast.pages(cast.staff_here).get(ADOPT, {"domain": text})
    assert answer["Location"] == "/manage/drift/"
