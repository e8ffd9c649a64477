"""What staff are told to look at: on the overview, on a host's page, in the API; each with the way to where it is mended."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.host import Cpu, HostFacts, HostPool
from eve_agent.wire.version import CONTRACT_VERSION

from accounts.services import audit_record
from hypervisors.models import Hypervisor, HypervisorState
from vms.models import Vm, VmState

from .test_staff import discover, page, words

GIB = 2**30


def host_is(cast, **fields):
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(**fields)


def facts(*pools, contract_version=CONTRACT_VERSION):
    return codec.to_plain(
        HostFacts(
            host_name="hv-here",
            agent_version="1",
            contract_version=contract_version,
            libvirt_version="9.0.0",
            hypervisor_version="7.2.0",
            cpu=Cpu("x86_64", "", 1, 1, 1, 1),
            memory_bytes=64 * GIB,
            memory_free_bytes=GIB,
            time=timezone.now(),
            pools=pools,
        )
    )


def pool(name, free_gib, *, is_active=True):
    return HostPool(name, "dir", is_active=is_active, capacity_bytes=100 * GIB, available_bytes=free_gib * GIB)


def told(cast, user=None):
    answer = cast.api(user or cast.staff_here).get("/api/v1/alerts")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    ("fields", "code", "severity", "place"),
    [
        ({"state": HypervisorState.OFFLINE}, "host_offline", "away", "test/"),
        ({"state": HypervisorState.LIBVIRT_DOWN}, "host_libvirt_down", "warn", "test/"),
        ({"state": HypervisorState.REJECTED}, "host_rejected", "bad", "test/"),
        ({"state": HypervisorState.REVOKED}, "host_shut_out", "bad", "enrolment/"),
        ({"certificate_expires_at": timezone.now() + dt.timedelta(days=5)}, "certificate", "warn", "test/"),
        ({"certificate_expires_at": timezone.now() - dt.timedelta(days=1)}, "certificate", "bad", "enrolment/"),
        ({"clock_offset_seconds": -90}, "clock", "warn", ""),
        ({"clock_offset_seconds": 90}, "clock", "warn", ""),
        ({"facts": facts(contract_version=CONTRACT_VERSION - 1)}, "agent_old", "warn", ""),
    ],
)
def test_each_trouble_of_a_host_is_told_with_the_page_that_mends_it(cast, fields, code, severity, place):
    assert told(cast) == []
    host_is(cast, **fields)
    (alert,) = told(cast)
    assert (alert["code"], alert["severity"]) == (code, severity)
    assert alert["hypervisor"] == str(cast.hypervisor_here.pk)
    assert alert["page"] == f"/manage/hypervisors/{cast.hypervisor_here.pk}/{place}"
    browser = cast.pages(cast.staff_here)
    assert browser.get(alert["page"]).status_code == 200
    overview = browser.get("/manage/?part=1").content.decode()
    host = browser.get(f"/manage/hypervisors/{cast.hypervisor_here.pk}/").content.decode()
    assert alert["title"] in words(overview)
    assert alert["title"] in words(host)
    assert f'{alert["page"]}">{"Show the host" if not place else ""}' in overview
    assert "Show the host" not in host


@pytest.mark.parametrize("offset", [None, 0, 60, -60])
def test_clocks_that_agree_well_enough_are_no_trouble(cast, offset):
    host_is(cast, clock_offset_seconds=offset)
    assert told(cast) == []


@pytest.mark.parametrize(("free", "severity"), [(5, "bad"), (15, "warn"), (50, None)])
def test_a_pool_that_fills_is_told_before_guests_stop(cast, free, severity):
    host_is(cast, facts=facts(pool("images", free), pool("asleep", 0, is_active=False)))
    alerts = told(cast)
    assert [alert["severity"] for alert in alerts] == ([severity] if severity else [])
    if severity:
        assert alerts[0]["title"] == f"Pool images on hv-here is {100 - free} % full"
        assert alerts[0]["page"] == f"/manage/pools/{cast.hypervisor_here.pk}/images/"


def test_what_a_host_said_before_it_went_away_is_no_news(cast):
    host_is(cast, facts=facts(pool("images", 1)), state=HypervisorState.OFFLINE, clock_offset_seconds=900)
    assert [alert["code"] for alert in told(cast)] == ["host_offline"]


def test_a_host_that_lies_about_a_pools_name_takes_no_page_with_it(cast):
    host_is(cast, facts=facts(pool("../evil", 1)))
    assert told(cast)[0]["page"] == "/manage/pools/"
    for address in ("/manage/", "/manage/pools/", f"/manage/hypervisors/{cast.hypervisor_here.pk}/"):
        assert "../evil" in page(cast, cast.staff_here, address)


def test_crashed_machines_and_drift_are_told_the_worst_first(cast):
    discover(cast.hypervisor_here, "legacy-dns")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.CRASHED)
    alerts = told(cast)
    assert [(alert["code"], alert["page"]) for alert in alerts] == [
        ("vm_crashed", "/manage/vms/?state=trouble"),
        ("drift", "/manage/drift/"),
    ]
    assert "acme-web" in page(cast, cast.staff_here, alerts[0]["page"])


@pytest.mark.parametrize(("part", "count"), [("staff_here", 1), ("staff_there", 0), ("staff_everywhere", 1)])
def test_staff_are_told_of_their_sites_only(cast, part, count):
    host_is(cast, state=HypervisorState.OFFLINE)
    assert len(told(cast, getattr(cast, part))) == count


@pytest.mark.parametrize("part", ["owner", "outsider"])
def test_customers_have_no_such_list(cast, part):
    assert cast.api(getattr(cast, part)).get("/api/v1/alerts").status_code == 404


def test_a_hosts_page_has_pools_networks_clock_and_what_was_done_to_it(cast):
    host_is(cast, facts=facts(pool("images", 40)), clock_offset_seconds=-5)
    audit_record(action="hypervisor.update", actor=cast.superuser, target=cast.hypervisor_here)
    audit_record(action="hypervisor.delete", actor=cast.superuser, target=cast.hypervisor_there)
    text = words(page(cast, cast.staff_here, f"/manage/hypervisors/{cast.hypervisor_here.pk}/"))
    for said in ("60 GiB of 100 GiB used", "5 s behind Eve's", "hypervisor.update", "It has neither."):
        assert said in text.replace("&#x27;", "'")
    assert "hypervisor.delete" not in text


def test_the_overviews_part_is_fetched_again_when_drift_changes(cast):
    assert 'data-live="hosts vms operations drift"' in page(cast, cast.staff_here, "/manage/?part=1")
