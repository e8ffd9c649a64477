"""The dashboard: what machines use just now, names of every kind, and lists that take in what comes new."""

from __future__ import annotations

import datetime as dt
import math
import re

import pytest
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.guest import GuestAddress, GuestInfo

from accounts.models import Project
from hypervisors.metrics.blocks import UNKNOWN
from hypervisors.metrics.reading import metrics_now
from hypervisors.metrics.recorder import SAMPLES, Block
from hypervisors.metrics.store import block_store
from operations.models import Operation, OperationState
from tests.factories import make_project, make_vm
from vms.models import Quota, Vm, VmState

from .test_pages import page, words

MIB = 2**20
LONG = "a-name-of-eighty-characters-" + "x" * 52
NAMES = (LONG, "שרת־דואר", "🚀 rocket 🐘", "<b>bold</b>")


def measured(cast, minutes=1, cores=0.5, memory=64.0 * MIB):
    began_at = timezone.now().replace(second=0, microsecond=0) - dt.timedelta(minutes=minutes)
    samples = [(cores, memory, 0.0, 0.0, 0.0, 0.0)] * (SAMPLES - 1) + [UNKNOWN]
    block_store(hypervisor_id=cast.hypervisor_here.pk, block=Block(began_at, {cast.acme_vm.pk: samples}))


def told(*addresses, vm, **fields):
    """What the guest's agent says."""
    info = GuestInfo(has_agent=True, addresses=tuple(GuestAddress(each, 24) for each in addresses), **fields)
    Vm.objects.filter(pk=vm.pk).update(guest=codec.to_plain(info), guest_asked_at=timezone.now())


def card(cast):
    return words(page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/part/?as=card"))


@pytest.mark.parametrize("address", ["/", "/?part=list"])
def test_a_card_says_what_its_machine_uses(cast, address):
    measured(cast, minutes=2, cores=0.9)
    measured(cast)
    assert "CPU 50 % RAM 64 MiB of 256 MiB" in words(page(cast, cast.owner, address))
    assert "CPU 50 % RAM 64 MiB of 256 MiB" in card(cast)


def test_what_is_old_or_of_a_machine_that_is_off_is_not_said(cast):
    measured(cast, minutes=4)
    assert "%" not in card(cast)
    measured(cast)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF)
    assert "%" not in card(cast)


@pytest.mark.parametrize(("cores", "shown"), [(1.7, "CPU 100 %"), (-1.0, "CPU 0 %")])
def test_a_machine_uses_no_more_than_it_has(cast, cores, shown):
    measured(cast, cores=cores)
    assert shown in card(cast)


def test_a_guest_that_does_not_tell_its_memory_shows_what_it_has(cast):
    measured(cast, memory=math.nan)
    assert "CPU 50 % RAM 256 MiB" in card(cast)
    measured(cast, cores=math.nan)


def test_where_its_guest_is_reached_can_be_copied(cast):
    told("192.0.2.7", "fe80::7", "2001:db8::7", "192.0.2.8", vm=cast.acme_vm)
    assert "IPv4 192.0.2.7 IPv6 2001:db8::7 " in card(cast)
    html = page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/part/?as=card")
    assert re.findall(r'data-copy="([^"]*)"', html) == ["192.0.2.7", "2001:db8::7"]


@pytest.mark.parametrize(
    ("os_id", "icon"), [("debian", "brand-debian"), ("mswindows", "brand-windows"), ("plan9", "device-desktop")]
)
def test_its_system_is_told_even_once_it_is_off(cast, os_id, icon):
    told(vm=cast.acme_vm, os_id=os_id, os_name="Some OS 12 (codename)")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF)
    assert "Some OS 12 " in card(cast)
    assert "codename" not in card(cast)
    html = page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/part/?as=card")
    assert re.search(r'class="os"[^>]*>.*?#([a-z0-9-]+)"', html, re.DOTALL)[1] == icon


def under_way(cast, **fields):
    Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF)
    operation = Operation(
        kind="vm.create", target_type="vm", target_id=cast.acme_vm.pk, target_label="acme-web", project=cast.acme
    )
    for name, value in {"state": OperationState.RUNNING, "can_cancel": True, **fields}.items():
        setattr(operation, name, value)
    operation.save()
    return page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/part/?as=card")


def test_what_is_done_to_a_machine_without_a_screen_is_told_in_its_place(cast):
    html = under_way(cast, progress=62, phase="Copying the image")
    assert "Copying the image 62 %" in words(html)
    assert re.search(r'<progress[^>]* max="100" value="62"', html)
    assert "Show steps" in html
    assert "/cancel/" in html
    assert "Went off" not in html
    assert "Console" not in words(html)


def test_what_is_too_far_to_stop_is_not_offered_to_be_cancelled(cast):
    html = under_way(cast, can_cancel=False)
    assert "Making" in words(html)
    assert "/cancel/" not in html


def test_many_hosts_are_asked_for_at_once(cast, django_assert_num_queries):
    measured(cast)
    keys = {cast.hypervisor_here.pk: [cast.acme_vm.pk], cast.hypervisor_there.pk: [cast.ottos_vm.pk]}
    with django_assert_num_queries(1):
        assert set(metrics_now(keys)) == {cast.acme_vm.pk}


def test_names_of_every_kind_are_whole_safe_and_run_their_own_way(cast):
    for name in NAMES:
        make_vm(cast.acme, cast.hypervisor_here, name)
    for address in ("/", "/vms/"):
        html = page(cast, cast.owner, address)
        for name in NAMES[:3]:
            assert f">{name}</a>" in html
        assert "&lt;b&gt;bold&lt;/b&gt;</a>" in html
        assert "<b>bold" not in html
        assert len(re.findall(r'class="vm-n"[^>]* dir="auto"', html)) == len(NAMES) + 1


@pytest.mark.parametrize(("part", "address"), [("owner", "/"), ("owner", "/vms/"), ("staff_here", "/manage/vms/")])
def test_a_list_can_be_fetched_by_itself_and_leads_to_pages(cast, part, address):
    for number in range(60):
        make_vm(cast.acme, cast.hypervisor_here, f"web-{number:02}")
    user = getattr(cast, part)
    whole = page(cast, user, f"{address}?q=web&sort=name")
    place = f'data-part="{address}?q=web&amp;sort=name&amp;part=list"'
    assert place in whole
    alone = page(cast, user, f"{address}?q=web&sort=name&part=list")
    assert place in alone
    assert "<html" not in alone
    assert alone.count('id="vm-list"') == 1
    assert 'id="vm-tabs"' in whole
    links = set(re.findall(r'<a [^>]*href="(\?[^"]*)"', alone))
    assert "?q=web&amp;sort=name&amp;page=2" in links
    assert not [link for link in links if "part=" in link]
    tabs = page(cast, user, f"{address}?q=web&part=tabs")
    assert "Running" in tabs
    assert "part=" not in "".join(re.findall(r'<a href="(\?[^"]*)"', tabs))
    assert "<html" not in tabs


@pytest.mark.parametrize("address", ["/", "/vms/"])
def test_an_empty_list_waits_for_its_first_machine(cast, address):
    Vm.objects.all().delete()
    html = page(cast, cast.owner, address)
    assert 'data-live="list"' in html
    assert "it appears here by itself" in html
    make_vm(cast.acme, cast.hypervisor_here, "first")
    alone = page(cast, cast.owner, f"{address}?part=list")
    assert "first" in alone
    assert "search" in alone


# ------------------------------------------------------------------------------------------------ Quota


def quota_card(cast, user, project=None):
    html = page(cast, user, f"/?part=quota&project={project.pk}" if project else "/?part=quota")
    return words(html).strip()


def test_the_dashboard_says_what_is_left_of_the_chosen_projects_quota(cast):
    Quota.objects.create(project=cast.acme, vms=2, vcpus=10, memory_bytes=2**30, disk_bytes=2**40)
    card = quota_card(cast, cast.viewer, cast.acme)
    assert card.startswith("Quota of Acme")
    for share in (
        "Virtual machines 1 of 2",
        "vCPUs 1 of 10",
        "Memory 256 MiB of 1 GiB",
        "Disk space 0 GiB of 1,024 GiB",
    ):
        assert share in card
    assert card in words(page(cast, cast.viewer, f"/?project={cast.acme.pk}"))


def test_of_all_projects_the_one_nearest_to_a_limit_has_its_quota_shown(cast):
    assert quota_card(cast, cast.owner).startswith("Quota of Acme")
    second = make_project("Second", owner=cast.owner)
    make_vm(second, cast.hypervisor_here)
    Quota.objects.create(project=second, vms=1)
    assert quota_card(cast, cast.owner).startswith("Quota of Second")
    assert quota_card(cast, cast.owner, cast.acme).startswith("Quota of Acme")


def test_where_nothing_is_used_ones_personal_project_has_its_quota_shown(cast):
    make_project("A", owner=cast.staff_here)
    assert quota_card(cast, cast.staff_here).startswith("Quota of Hera Here")


def test_only_limits_that_there_are_have_a_bar(cast, settings):
    settings.QUOTA = dict.fromkeys(settings.QUOTA, 0)
    assert quota_card(cast, cast.owner) == ""
    assert 'id="quota"' in page(cast, cast.owner, "/")  # so that a limit set now is shown at once
    Quota.objects.create(project=cast.acme, vcpus=1)
    assert quota_card(cast, cast.owner) == "Quota of Acme Project vCPUs 1 of 1"


def test_the_dashboard_has_no_quota_of_a_project_that_one_is_not_in(cast):
    for somebody in (cast.outsider, cast.staff_everywhere, cast.superuser):
        assert "Acme" not in quota_card(cast, somebody, cast.acme)
    Project.objects.filter(personal_owner=cast.staff_everywhere).update(is_active=False)
    assert quota_card(cast, cast.staff_everywhere) == ""
