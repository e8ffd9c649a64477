"""Staff's pages: for staff of the site only, and what can be done there."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool, NumaNode

from accounts.services import audit_record
from hypervisors.models import Hypervisor, HypervisorState
from tests.factories import make_hypervisor, make_vm
from tests.vms.conftest import make_domain
from vms.models import DiscoveredDomain, Vm, VmState
from vms.services import vm_change_state

GIB = 1024**3
LISTS = ("/manage/", "/manage/vms/", "/manage/drift/", "/manage/operations/", "/manage/audit/")
ADOPT = "/manage/drift/adopt/"
STAFF = ("staff_here", "staff_there", "staff_everywhere", "superuser")


def facts(**fields):
    images = HostPool("images", "dir", is_active=True, capacity_bytes=100 * GIB, available_bytes=5 * GIB)
    cpu = Cpu(architecture="x86_64", model="EPYC", sockets=1, cores_per_socket=8, threads_per_core=2, threads_total=16)
    return codec.to_plain(
        HostFacts(
            host_name="hv-here.example",
            agent_version="1.4.2",
            contract_version=1,
            libvirt_version="9.0.0",
            hypervisor_version="7.2.0",
            cpu=cpu,
            memory_bytes=64 * GIB,
            memory_free_bytes=32 * GIB,
            time=timezone.now(),
            numa_nodes=(NumaNode(node_id=0, memory_bytes=64 * GIB),),
            bridges=("br0",),
            networks=(HostNetwork(name="default", is_active=True),),
            **{"pools": (images,), **fields},
        )
    )


def page(cast, user, address):
    response = cast.pages(user).get(address)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode()


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def discover(hypervisor, name, **fields):
    domain = make_domain(name, **fields)
    return DiscoveredDomain.objects.create(
        hypervisor=hypervisor, uuid=domain.uuid, name=name, facts=codec.to_plain(domain)
    )


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "outsider"])
def test_for_customers_they_are_not_there(cast, address, part):
    assert cast.pages(getattr(cast, part)).get(address).status_code == 404


@pytest.mark.parametrize("address", LISTS)
def test_strangers_are_asked_who_they_are(cast, address):
    assert cast.pages().get(address)["Location"].startswith("/login/")


@pytest.mark.parametrize("address", [*LISTS, "/manage/?part=1", "/manage/drift/?part=1", "/manage/operations/?part=1"])
@pytest.mark.parametrize("part", STAFF)
def test_staff_see_their_sites_only(cast, address, part):
    discover(cast.hypervisor_here, "canary-here-domain")
    discover(cast.hypervisor_there, "canary-there-domain")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(name="canary-here-vm", seen_vcpus=9)
    Vm.objects.filter(pk=cast.ottos_vm.pk).update(name="canary-there-vm", seen_vcpus=9)
    vm_change_state(vm=Vm.objects.get(name="canary-here-vm"), action="stop", user=cast.owner)
    vm_change_state(vm=Vm.objects.get(name="canary-there-vm"), action="stop", user=cast.outsider)
    audit_record(action="vm.start", actor=cast.owner, target=Vm.objects.get(name="canary-here-vm"))
    audit_record(action="vm.start", actor=cast.outsider, target=Vm.objects.get(name="canary-there-vm"))
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(name="canary-here-host")
    Hypervisor.objects.filter(pk=cast.hypervisor_there.pk).update(name="canary-there-host")
    html = page(cast, getattr(cast, part), address)
    assert ("canary-here" in html) == (part != "staff_there")
    assert ("canary-there" in html) == (part != "staff_here")


@pytest.mark.parametrize(
    ("part", "status"), [("staff_here", 200), ("superuser", 200), ("staff_there", 404), ("owner", 404)]
)
def test_a_hosts_page_is_for_staff_of_its_site(cast, part, status):
    assert cast.pages(getattr(cast, part)).get(f"/manage/hypervisors/{cast.hypervisor_here.pk}/").status_code == status


def test_a_host_shows_its_facts(cast):
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(facts=facts(), domain_count=3)
    discover(cast.hypervisor_here, "legacy-dns")
    text = words(page(cast, cast.staff_here, f"/manage/hypervisors/{cast.hypervisor_here.pk}/"))
    for fact in (
        "hv-here.example",
        "7.2.0",
        "9.0.0",
        "EPYC",
        "64 GiB",
        "br0",
        "default",
        "images",
        "legacy-dns",
        "acme-web",
    ):
        assert fact in text


def test_the_head_of_a_hosts_page_is_a_part_of_its_own(cast):
    address = f"/manage/hypervisors/{cast.hypervisor_here.pk}/"
    whole, head = page(cast, cast.staff_here, address), page(cast, cast.staff_here, f"{address}?part=head")
    assert f'data-part="{address}?part=head"' in whole
    assert head.strip().startswith('<div class="phead" id="host-head" data-live="hosts"')
    assert "<h2" not in head


def test_the_overview_is_kept_true_from_its_head_on(cast):
    head = page(cast, cast.staff_here, "/manage/?part=head")
    assert head.lstrip().startswith('<div id="fleet-head" data-live="hosts vms" data-part="/manage/?part=head"')
    assert "1 site, 1 host, 1 VM" in words(head)
    make_hypervisor(cast.here)
    assert "1 site, 2 hosts, 1 VM" in words(page(cast, cast.staff_here, "/manage/?part=head"))


def test_who_looks_after_no_site_yet_is_told_who_gives_one(cast):
    cast.here.staff.clear()
    text = words(page(cast, cast.staff_here, "/manage/"))
    assert "You look after no site yet" in text
    assert "Add a host" not in text
    assert "All is well" not in text
    Vm.objects.all().delete()
    Hypervisor.objects.all().delete()
    assert "Add a host" in words(page(cast, cast.superuser, "/manage/"))


def test_a_host_that_enrolled_and_was_not_seen_yet_wants_its_agent_started(cast):
    rows = Hypervisor.objects.filter(pk=cast.hypervisor_here.pk)
    rows.update(state=HypervisorState.OFFLINE, last_seen_at=None, enrolled_at=None)
    assert "run the line from its enrolment" in words(page(cast, cast.staff_here, "/manage/"))
    rows.update(enrolled_at=timezone.now())
    text = words(page(cast, cast.staff_here, "/manage/"))
    assert "start the agent on the host" in text
    assert "0 VMs are shown as unknown" not in text


def test_the_hosts_of_the_overview_stay_as_they_were_asked_for(cast):
    make_hypervisor(cast.here, name="hv-other")
    for query in ("q=hv-other", "part=fleet&q=hv-other"):
        part = page(cast, cast.staff_here, f"/manage/?{query}")
        assert 'id="fleet" data-live="hosts vms operations drift"' in part
        assert re.search(r'data-part="/manage/\?(q=hv-other&amp;part=fleet|part=fleet&amp;q=hv-other)"', part)
        assert "hv-other" in part
        assert "hv-here" not in part


def test_the_numbers_at_the_side_are_parts_of_their_own(cast):
    assert 'data-live="drift vms" data-part="/manage/side/?part=drift" hidden>0</span>' in page(
        cast, cast.staff_here, "/manage/vms/"
    )
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.MISSING)
    discover(cast.hypervisor_here, "left-over")
    vm_change_state(vm=make_vm(cast.acme, cast.hypervisor_here), action="reset", user=cast.staff_here)
    for address, name, count in (("/manage/", "drift", 2), ("/manage/", "operations", 1)):
        element = f'id="side-{name}" data-live="'
        part = page(cast, cast.staff_here, f"/manage/side/?part={name}")
        assert part.count(element) == page(cast, cast.staff_here, address).count(element) == 1
        assert f'data-part="/manage/side/?part={name}">{count}</span>' in part
    assert ">0</span>" in page(cast, cast.staff_there, "/manage/side/?part=drift")
    assert cast.pages(cast.staff_here).get("/manage/side/?part=else").status_code == 404
    assert cast.pages(cast.owner).get("/manage/side/?part=drift").status_code == 404


@pytest.mark.parametrize(
    ("address", "part", "most"),
    [("/manage/", "head", 4), ("/manage/", "fleet", 9), ("/manage/drift/", "1", 7), ("/manage/operations/", "1", 3)],
)
def test_a_part_costs_less_than_its_page(cast, address, part, most):
    browser, costs = cast.pages(cast.staff_here), []
    for query in ({}, {"part": part}):
        browser.get(address, query)
        with CaptureQueriesContext(connection) as caught:
            browser.get(address, query)
        costs.append(len(caught))
    assert costs[1] <= most < costs[0], costs


def test_a_host_that_was_never_seen_or_reports_nonsense_has_a_page_too(cast):
    for nonsense in ({}, {"host_name": 3}, {"cpu": []}):
        Hypervisor.objects.update(facts=nonsense, state=HypervisorState.NEW)
        page(cast, cast.superuser, "/manage/")
        page(cast, cast.superuser, f"/manage/hypervisors/{cast.hypervisor_here.pk}/")


def test_the_fleet_adds_up(cast):
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(facts=facts())
    make_vm(cast.acme, cast.hypervisor_here, memory_bytes=8 * GIB, state=VmState.CRASHED)
    text = words(page(cast, cast.staff_here, "/manage/"))
    assert "1 site, 1 host, 2 VMs" in text
    assert "1 of 2" in text
    assert "1 crashed" in text
    assert "8.2 GiB of 64 GiB" in text
    assert "95 GiB of 100 GiB" in text


def test_a_certificate_that_was_revoked_is_good_for_no_days(cast):
    rows = Hypervisor.objects.filter(pk=cast.hypervisor_here.pk)
    rows.update(state=HypervisorState.REVOKED, certificate_expires_at=timezone.now() + dt.timedelta(days=50))
    rows.update(certificate_serial="ab12", certificate_fingerprint="")
    for address in ("/manage/", f"/manage/hypervisors/{cast.hypervisor_here.pk}/"):
        text = words(page(cast, cast.staff_here, address))
        assert "revoked" in text
        assert not re.search(r"\d+ days", text.replace("30 days", ""))
        assert " Pin " not in text


def test_pools_that_share_a_file_system_are_counted_once(cast):
    sizes = {"is_active": True, "capacity_bytes": 100 * GIB, "available_bytes": 40 * GIB}
    places = {"default": "2049", "isos": "2049", "fast": "2050", "old-agent": "", "lvm": ""}
    pools = tuple(HostPool(name, "dir", filesystem=place, **sizes) for name, place in places.items())
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(facts=facts(pools=pools))
    assert "240 GiB of 400 GiB" in words(page(cast, cast.staff_here, "/manage/"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (HypervisorState.OFFLINE, "hv-here does not answer"),
        (HypervisorState.LIBVIRT_DOWN, "libvirt on hv-here does not answer"),
        (HypervisorState.REJECTED, "hv-here is not trusted"),
        (HypervisorState.REVOKED, "hv-here is shut out"),
    ],
)
def test_what_is_wrong_with_a_host_is_an_alert(cast, state, said):
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(state=state, state_reason="Because of the tests.")
    assert said in words(page(cast, cast.staff_here, "/manage/"))


@pytest.mark.parametrize(("days", "said"), [(-1, "has ended"), (5, "was not renewed"), (30, "")])
def test_a_certificate_that_ends_soon_is_an_alert(cast, days, said):
    end = timezone.now() + dt.timedelta(days=days, hours=1)
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(certificate_expires_at=end)
    text = words(page(cast, cast.staff_here, "/manage/"))
    assert ("certificate of hv-here" in text) == bool(said)
    assert said in text


@pytest.mark.parametrize("address", LISTS)
def test_pages_cost_the_same_however_much_there_is(cast, address, django_assert_max_num_queries):
    browser = cast.pages(cast.staff_here)
    browser.get(address)
    for number in range(20):
        host = make_hypervisor(cast.here, facts=facts())
        make_vm(cast.acme, host, seen_vcpus=5)
        make_vm(cast.acme, host, state=VmState.MISSING)
        discover(host, f"domain-{number}")
        audit_record(action="vm.start", actor=cast.owner, target=cast.acme_vm)
    with django_assert_max_num_queries(21):
        assert browser.get(address).status_code == 200


# ------------------------------------------------------------------------------------------------ Drift


def test_adopting_is_one_click_into_a_chosen_project(cast):
    discovered = discover(cast.hypervisor_here, "legacy-dns")
    assert "legacy-dns" in page(cast, cast.staff_here, "/manage/drift/")
    browser = cast.pages(cast.staff_here)
    answer = browser.post(ADOPT, {"domain": discovered.pk, "project": str(cast.acme.pk)}, follow=True)
    assert "legacy-dns belongs to project Acme now." in words(answer.content.decode())
    assert Vm.objects.get(pk=discovered.uuid).project == cast.acme
    again = browser.post(ADOPT, {"domain": discovered.pk, "project": str(cast.acme.pk)}, follow=True)
    assert "Nothing waits there" in words(again.content.decode())


@pytest.mark.parametrize("project", ["", "nonsense", "7f0c63a4-5f7e-4f5e-9f0e-3c1f0a6f2b11"])
def test_without_a_project_nothing_is_adopted(cast, project):
    discovered = discover(cast.hypervisor_here, "legacy-dns")
    answer = cast.pages(cast.staff_here).post(ADOPT, {"domain": discovered.pk, "project": project}, follow=True)
    assert "Choose the project" in words(answer.content.decode())
    assert not Vm.objects.filter(pk=discovered.uuid).exists()


@pytest.mark.parametrize("part", ["staff_there", "owner"])
def test_others_change_nothing_here(cast, part):
    discovered = discover(cast.hypervisor_here, "legacy-dns")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.MISSING, seen_vcpus=9)
    browser = cast.pages(getattr(cast, part))
    browser.post(ADOPT, {"domain": discovered.pk, "project": str(cast.acme.pk)})
    assert browser.post(f"/manage/drift/accept/{cast.acme_vm.pk}/").status_code == 404
    assert browser.post(f"/manage/drift/forget/{cast.acme_vm.pk}/").status_code == 404
    assert not Vm.objects.filter(pk=discovered.uuid).exists()
    assert Vm.objects.get(pk=cast.acme_vm.pk).vcpus == 1


def test_a_conflict_is_shown_with_both_sides(cast):
    DiscoveredDomain.objects.create(
        hypervisor=cast.hypervisor_there, uuid=cast.acme_vm.pk, name="copied", is_conflict=True
    )
    text = words(page(cast, cast.superuser, "/manage/drift/"))
    assert "copied" in text
    assert "acme-web on hv-here" in text


def test_differences_are_accepted_and_missing_vms_forgotten(cast):
    Vm.objects.filter(pk=cast.acme_vm.pk).update(seen_vcpus=4, seen_memory_bytes=GIB)
    browser = cast.pages(cast.staff_here)
    assert "4 vCPU" in words(page(cast, cast.staff_here, "/manage/drift/"))
    browser.post(f"/manage/drift/accept/{cast.acme_vm.pk}/")
    assert Vm.objects.get(pk=cast.acme_vm.pk).vcpus == 4
    refused = browser.post(f"/manage/drift/forget/{cast.acme_vm.pk}/", follow=True)
    assert "is on its host" in words(refused.content.decode())
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.MISSING)
    browser.post(f"/manage/drift/forget/{cast.acme_vm.pk}/")
    assert not Vm.objects.filter(pk=cast.acme_vm.pk).exists()


def test_no_differences_is_said(cast):
    assert "No differences" in page(cast, cast.superuser, "/manage/drift/")


def test_lists_are_searched(cast):
    vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner)
    audit_record(action="vm.stop", actor=cast.owner, target=cast.acme_vm, outcome="denied")
    for address in (
        "/manage/operations/?q=acme",
        "/manage/operations/?state=queued",
        "/manage/audit/?q=olivia",
        "/manage/audit/?outcome=denied",
    ):
        assert "acme-web" in page(cast, cast.superuser, address)
    for address in (
        "/manage/operations/?q=zzz",
        "/manage/operations/?state=failed",
        "/manage/audit/?q=%00zzz",
        "/manage/audit/?outcome=failure",
    ):
        assert "acme-web" not in page(cast, cast.superuser, address)


def test_forms_of_other_sites_do_nothing(cast):
    discovered = discover(cast.hypervisor_here, "legacy-dns")
    browser = cast.pages(cast.superuser, enforce_csrf_checks=True)
    answer = browser.post(ADOPT, {"domain": discovered.pk, "project": str(cast.acme.pk)})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("part", "sees"),
    [
        ("staff_here", {"acme-web"}),
        ("staff_there", {"otto-mail"}),
        ("superuser", {"acme-web", "otto-mail"}),
        ("owner", None),
    ],
)
def test_django_admin_shows_the_vms_of_ones_sites_and_changes_nothing(cast, part, sees):
    browser = cast.pages(getattr(cast, part))
    listed = browser.get("/admin/vms/vm/")
    if sees is None:
        assert listed.status_code != 200
        return
    html = listed.content.decode()
    assert {name for name in ("acme-web", "otto-mail") if name in html} == sees
    for vm in (cast.acme_vm, cast.ottos_vm):
        shown = browser.get(f"/admin/vms/vm/{vm.pk}/change/")
        assert (shown.status_code == 200) == (vm.name in sees)
        assert (
            browser.post(f"/admin/vms/vm/{vm.pk}/change/", {"name": "x", "project": str(cast.ottos.pk)}).status_code
            != 200
        )
        assert browser.post(f"/admin/vms/vm/{vm.pk}/delete/", {"post": "yes"}).status_code != 200
    assert set(Vm.objects.values_list("name", flat=True)) == {"acme-web", "otto-mail"}
    assert browser.get("/admin/vms/vm/add/").status_code == 403


@pytest.mark.parametrize("address", ["/manage/vms/", "/manage/operations/", "/manage/audit/"])
def test_a_search_that_finds_nothing_leads_back_to_everything(cast, address):
    vm_change_state(vm=cast.acme_vm, action="stop", user=cast.owner)
    page = cast.pages(cast.superuser).get(address, {"q": "no such thing"}).content.decode()
    assert "Nothing found" in page
    assert f'href="{address}"' in page.split("Nothing found")[1]
    assert "Show all" in page


def test_a_row_that_is_fetched_again_is_the_row_of_its_list(cast):
    for user, address, shape in ((cast.owner, "/vms/", "row"), (cast.superuser, "/manage/vms/", "bulk")):
        page = cast.pages(user).get(address).content.decode()
        part = f"{reverse('vm-card', args=[cast.acme_vm.pk])}?as={shape}"
        assert f'data-part="{part}"' in page
        row = cast.pages(user).get(part).content.decode()
        assert f'data-part="{part}"' in row
        assert ("hv-here" in row) == (shape == "bulk")
        assert f"?as={shape}" in row.split("<form")[1]
