"""Lists of VMs cost the database the same whatever there is, however they are searched, narrowed, sorted and paged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Cast
from vms.models import Vm, VmState

pytestmark = pytest.mark.django_db

PAGES = ("/", "/vms/", "/vms/?page=2", "/vms/?q=vm-", "/vms/?state=trouble", "/vms/?sort=name", "/vms/?sort=recent")
STAFF_PAGES = (
    "/manage/",
    "/manage/vms/",
    "/manage/vms/?q=vm-&sort=name",
    "/manage/vms/?page=2",
    "/manage/hypervisors/{host}/",
)
ANSWERS = ("", "?ordering=-state_since", "?search=vm-", "?state=crashed&state=running")


def vms_make(cast: Cast, count: int) -> None:
    states = (VmState.RUNNING, VmState.CRASHED, VmState.OFF)
    Vm.objects.bulk_create(
        Vm(
            pk=uuid4(),
            name=f"vm-{number:04}",
            project=cast.acme,
            hypervisor=cast.hypervisor_here,
            vcpus=1,
            memory_bytes=2**28,
            state=states[number % 3],
        )
        for number in range(count)
    )


def queries(get: Callable[[str], Any], address: str) -> int:
    get(address)
    with CaptureQueriesContext(connection) as caught:
        assert get(address).status_code == 200
    return len(caught)


@pytest.mark.parametrize("address", [*PAGES, *STAFF_PAGES, *(f"/api/v1/vms{query}" for query in ANSWERS)])
def test_queries_do_not_grow_with_what_there_is(cast: Cast, address: str):
    address = address.format(host=cast.hypervisor_here.pk)
    get: Callable[[str], Any]
    if address.startswith("/api/"):
        get = cast.api(cast.owner).get
    else:
        get = cast.pages(cast.staff_here if address.startswith("/manage/") else cast.owner).get
    vms_make(cast, 3)
    few = queries(get, address)
    vms_make(cast, 200)
    many = queries(get, address)
    assert many <= few  # fewer, where all on the page have a screen and nobody looks for kept pictures
    vms_make(cast, 2000)
    assert queries(get, address) == many


@pytest.mark.parametrize(
    ("address", "least"),
    [
        ("/?part=counts", 6),
        ("/?part=tabs", 6),
        ("/?part=feed", 7),
        ("/?part=list", 3),
        ("/?part=quota", 9),
        ("/vms/?part=tabs", 5),
    ],
)
def test_a_part_asks_only_for_what_it_shows(cast: Cast, address: str, least: int):
    vms_make(cast, 60)
    browser = cast.pages(cast.owner)
    assert queries(browser.get, address) <= queries(browser.get, address.split("?", maxsplit=1)[0]) - least


def test_what_is_searched_for_is_counted_and_found_at_once(cast: Cast):
    vms_make(cast, 200)
    browser = cast.pages(cast.owner)
    browser.get("/vms/?q=vm-")
    with CaptureQueriesContext(connection) as caught:
        page = browser.get("/vms/?q=vm-01&page=2").context["page_obj"]
    assert page.paginator.count == 100
    assert [vm.name for vm in page]
    assert sum('remarks" LIKE' in query["sql"] or 'remarks"::text' in query["sql"] for query in caught) == 1


def test_a_narrowed_list_knows_its_number(cast: Cast):
    vms_make(cast, 200)
    browser = cast.pages(cast.owner)
    for state, count in (("trouble", 67), ("off", 66), ("running", 68), ("paused", 0)):
        assert browser.get("/vms/", {"state": state}).context["page_obj"].paginator.count == count
    assert browser.get("/vms/", {"project": str(cast.ottos.pk)}).context["page_obj"].paginator.count == 0


def test_pages_follow_one_another_without_gap_or_repeat(cast: Cast):
    vms_make(cast, 100)
    browser = cast.pages(cast.owner)
    seen = []
    for number in (1, 2, 3):
        page = browser.get(f"/vms/?page={number}").context["page_obj"]
        assert page.paginator.num_pages == 3
        seen += [vm.name for vm in page]
    assert len(seen) == len(set(seen)) == 101


def test_a_search_finds_by_host_remarks_and_id(cast: Cast):
    browser = cast.pages(cast.owner)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(remarks="the shop's Database")
    for text in ("hv-HERE", "database", str(cast.acme_vm.pk)):
        page = browser.get("/vms/", {"q": text}).context["page_obj"]
        assert [vm.pk for vm in page] == [cast.acme_vm.pk], text
    assert not list(browser.get("/vms/", {"q": "hv-there"}).context["page_obj"])
