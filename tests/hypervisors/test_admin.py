"""Sites, hypervisors and certificates in Django admin, and the enrolment pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.signals import access_revoked
from hypervisors.castore import CaStore
from hypervisors.inventory import facts_as_plain
from hypervisors.models import Certificate, EnrolmentToken, Hypervisor, HypervisorState, Site
from tests.cast import Cast
from tests.hypervisors.peers import make_leaf, pin

LINE = re.compile(r"eve-agent enrol http://127\.0\.0\.1:8000 --token (eve1\.[A-Za-z0-9_.-]+)")


def change_url(hypervisor: Hypervisor) -> str:
    return reverse("admin:hypervisors_hypervisor_change", args=[hypervisor.pk])


def pages_of(hypervisor: Hypervisor) -> list[str]:
    """Every page of one hypervisor."""
    names = ["manage-hypervisor-enrolment", "manage-hypervisor-progress", "manage-hypervisor-test"]
    return [
        *[reverse(name, args=[hypervisor.pk]) for name in names],
        change_url(hypervisor),
        reverse("admin:hypervisors_hypervisor_delete", args=[hypervisor.pk]),
        reverse("admin:hypervisors_hypervisor_shut_out", args=[hypervisor.pk]),
    ]


def test_customers_see_none_of_it(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.owner)
    for path in pages_of(cast.hypervisor_here):
        assert pages.get(path).status_code in (302, 404), path
        assert pages.post(path).status_code in (302, 403, 404), path
    assert not EnrolmentToken.objects.exists()
    assert Hypervisor.objects.count() == 2


def test_the_first_host_is_added_where_there_is_no_site_yet(cast: Cast, ca: CaStore):
    cast.acme_vm.delete()
    cast.ottos_vm.delete()
    Hypervisor.objects.all().delete()
    Site.objects.all().delete()
    address = reverse("admin:hypervisors_hypervisor_add")
    assert "Add another site" in cast.pages(cast.superuser).get(address).content.decode()
    assert cast.pages(cast.staff_here).get(address).status_code == 403


def test_limited_staff_see_their_site_only(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.staff_here)
    listed = pages.get(reverse("admin:hypervisors_hypervisor_changelist")).content.decode()
    assert "hv-here" in listed
    assert "hv-there" not in listed
    sites = pages.get(reverse("admin:hypervisors_site_changelist")).content.decode()
    assert "there" not in re.sub(r"<[^>]*>", "", sites.split('id="result_list"')[1])
    for path in pages_of(cast.hypervisor_there):
        assert pages.get(path).status_code in (302, 404), path
        assert "hv-there" not in pages.get(path, follow=True).content.decode()
        pages.post(path, {"post": "yes"})
    assert Hypervisor.objects.filter(pk=cast.hypervisor_there.pk).exists()
    assert not EnrolmentToken.objects.exists()
    for path in pages_of(cast.hypervisor_here):
        assert pages.get(path).status_code == 200, path


def test_a_hosts_state_is_kept_true(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.staff_here)
    part = f"/manage/hypervisors/{cast.hypervisor_here.pk}/state/"
    marked = f'id="host-state-{cast.hypervisor_here.pk}" role="status" data-live="hosts" data-part="{part}"'
    for name, args in (("changelist", ()), ("change", (cast.hypervisor_here.pk,))):
        html = pages.get(reverse(f"admin:hypervisors_hypervisor_{name}", args=args)).content.decode()
        assert marked in html
        assert "eve/live.js" in html
        assert 'name="eve-address"' in html
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(state="offline", state_reason="No answer <b>.")
    html = pages.get(part).content.decode()
    assert marked in html
    assert "Away" in html
    assert "No answer &lt;b&gt;." in html
    for who in (cast.staff_there, cast.owner):
        assert cast.pages(who).get(part).status_code == 404


def test_the_line_is_shown_once_after_registering(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.staff_here)
    form = {"name": "hv9", "site": str(cast.here.pk), "address": "[2001:db8::5]:8443", "remarks": ""}
    answer = pages.post(reverse("admin:hypervisors_hypervisor_add"), form)
    text = answer.content.decode()
    found = LINE.search(text)
    assert answer.status_code == 200
    assert found, text
    assert "no-store" in answer["Cache-Control"]
    hypervisor = Hypervisor.objects.get(name="hv9")
    again = pages.get(reverse("manage-hypervisor-enrolment", args=[hypervisor.pk])).content.decode()
    assert not LINE.search(again)
    secret = found[1].split(".")[2]
    assert secret not in again
    assert secret not in pages.get(change_url(hypervisor)).content.decode()
    newer = LINE.search(pages.post(reverse("manage-hypervisor-enrolment", args=[hypervisor.pk])).content.decode())
    assert newer
    assert newer[1] != found[1]
    assert hypervisor.enrolment_tokens.filter(withdrawn_at__isnull=True).count() == 1


def test_nobody_registers_at_a_site_that_is_not_theirs(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.staff_here)
    form = {"name": "hv9", "site": str(cast.there.pk), "address": "hv9:8443", "remarks": ""}
    answer = pages.post(reverse("admin:hypervisors_hypervisor_add"), form)
    assert "Select a valid choice" in answer.content.decode()
    moved = {"name": "hv-here", "site": str(cast.there.pk), "address": "hv9:8443", "remarks": ""}
    pages.post(change_url(cast.hypervisor_here), moved)
    cast.hypervisor_here.refresh_from_db()
    assert cast.hypervisor_here.site == cast.here


@pytest.mark.parametrize(
    ("address", "words"), [("2001:db8::5:8443", "brackets"), ("hv1:99999", "1 to 65535"), ("hv 1", "neither a name")]
)
def test_a_bad_address_is_explained(address, words, cast: Cast, ca: CaStore):
    form = {"name": "hv9", "site": str(cast.here.pk), "address": address, "remarks": ""}
    answer = cast.pages(cast.staff_here).post(reverse("admin:hypervisors_hypervisor_add"), form)
    assert words in answer.content.decode()


def test_crafted_posts_change_nothing_else(cast: Cast, ca: CaStore):
    before = Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).values().get()
    form = {
        "name": "hv-here",
        "site": str(cast.here.pk),
        "address": "127.0.0.1:1",
        "remarks": "",
        "state": "revoked",
        "certificate_fingerprint": "f" * 64,
        "eve_pins": "[]",
        "facts": "{}",
    }
    assert cast.pages(cast.superuser).post(change_url(cast.hypervisor_here), form).status_code == 302
    assert Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).values().get() == before


def test_only_superusers_say_who_is_staff_of_a_site(cast: Cast):
    url = reverse("admin:hypervisors_site_change", args=[cast.there.pk])
    form = {"name": "there", "remarks": "", "staff": [str(cast.staff_everywhere.pk), str(cast.staff_here.pk)]}
    cast.pages(cast.staff_everywhere).post(url, form)
    cast.pages(cast.staff_here).post(reverse("admin:hypervisors_site_change", args=[cast.here.pk]), form)
    assert set(cast.there.staff.all()) == {cast.staff_there}
    assert "staff" not in cast.pages(cast.staff_everywhere).get(url).context["adminform"].form.fields
    cast.pages(cast.superuser).post(url, form)
    assert set(cast.there.staff.all()) == {cast.staff_everywhere, cast.staff_here}


def test_nobody_but_staff_is_offered_for_a_site(cast: Cast):
    url = reverse("admin:hypervisors_site_change", args=[cast.there.pk])
    answer = cast.pages(cast.superuser).post(url, {"name": "there", "remarks": "", "staff": [str(cast.owner.pk)]})
    assert answer.status_code == 200
    assert f'value="{cast.owner.pk}"' not in answer.content.decode()
    assert set(cast.there.staff.all()) == {cast.staff_there}


def test_who_is_taken_off_a_site_loses_it_at_once(
    cast: Cast, django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[list[object]]]
):
    lost: list[dict[str, object]] = []

    def hear(**what: object) -> None:
        lost.append(what)

    url = reverse("admin:hypervisors_site_change", args=[cast.there.pk])
    access_revoked.connect(hear)
    try:
        for _each in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                cast.pages(cast.superuser).post(
                    url, {"name": "there", "remarks": "", "staff": [str(cast.staff_here.pk)]}
                )
    finally:
        access_revoked.disconnect(hear)
    assert [(each["user_id"], each["site_id"]) for each in lost] == [(cast.staff_there.pk, cast.there.pk)]
    event = AuditEvent.objects.get(action="site.staff")
    assert event.actor == cast.superuser
    assert event.detail == {"added": [str(cast.staff_here.pk)], "removed": [str(cast.staff_there.pk)]}


def test_sites_are_made_by_staff_of_every_site(cast: Cast):
    url = reverse("admin:hypervisors_site_add")
    assert cast.pages(cast.staff_here).post(url, {"name": "new", "remarks": ""}).status_code == 403
    assert cast.pages(cast.staff_everywhere).post(url, {"name": "new", "remarks": ""}).status_code == 302
    assert Site.objects.filter(name="new").exists()


def test_virtual_machines_protect_their_hypervisor(cast: Cast, ca: CaStore):
    url = reverse("admin:hypervisors_hypervisor_delete", args=[cast.hypervisor_here.pk])
    pages = cast.pages(cast.superuser)
    assert "acme-web" in pages.get(url).content.decode()
    pages.post(url, {"post": "yes"})
    assert Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).exists()
    cast.acme_vm.delete()
    assert pages.post(url, {"post": "yes"}).status_code == 302
    assert not Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).exists()


def test_shutting_a_host_out_asks_first(cast: Cast, ca: CaStore):
    leaf = make_leaf(ca.authority(), cast.hypervisor_here)
    pin(cast.hypervisor_here, leaf, 1)
    url = reverse("admin:hypervisors_hypervisor_shut_out", args=[cast.hypervisor_here.pk])
    pages = cast.pages(cast.staff_here)
    assert "revoked at once" in pages.get(url).content.decode()
    assert Hypervisor.objects.get(pk=cast.hypervisor_here.pk).certificate_fingerprint == leaf.fingerprint
    pages.post(url, {"reason": "stolen"})
    row = Hypervisor.objects.get(pk=cast.hypervisor_here.pk)
    assert (row.state, row.certificate_fingerprint) == (HypervisorState.REVOKED, "")
    assert Certificate.objects.get(fingerprint=leaf.fingerprint).revoked_reason == "stolen"


def test_certificates_are_read_and_revoked_only(cast: Cast, ca: CaStore):
    leaf = make_leaf(ca.authority(), cast.hypervisor_here)
    row = pin(cast.hypervisor_here, leaf, 1)
    url = reverse("admin:hypervisors_certificate_changelist")
    assert row.serial in cast.pages(cast.staff_here).get(url).content.decode()
    assert row.serial not in cast.pages(cast.staff_there).get(url).content.decode()
    action = {"action": "revoke", "_selected_action": [row.pk]}
    assert "Revoke these certificates?" in cast.pages(cast.staff_here).post(url, action).content.decode()
    cast.pages(cast.staff_there).post(url, {**action, "confirmed": "yes"})
    row.refresh_from_db()
    assert row.revoked_at is None
    answer = cast.pages(cast.staff_here).post(url, {**action, "confirmed": "yes"}, follow=True)
    assert f"The certificate {row.serial} is revoked." in answer.content.decode()
    row.refresh_from_db()
    assert row.revoked_at is not None
    for name in ("add", "delete"):
        args = [] if name == "add" else [row.pk]
        assert (
            cast.pages(cast.superuser).post(reverse(f"admin:hypervisors_certificate_{name}", args=args)).status_code
            == 403
        )


def test_facts_are_shown_as_text(cast: Cast, ca: CaStore):
    import datetime as dt

    from eve_agent.wire.host import Cpu, HostFacts, HostNetwork, HostPool, NumaNode

    evil = "<script>alert(1)</script>\x1b[31m\u202e"
    facts = HostFacts(
        host_name=evil,
        agent_version="1",
        contract_version=1,
        libvirt_version="9.0.0",
        hypervisor_version="7.2.0",
        cpu=Cpu("x86_64", evil, 1, 4, 2, 8),
        memory_bytes=10**30,
        memory_free_bytes=1,
        time=dt.datetime.now(dt.UTC),
        numa_nodes=(NumaNode(0, 1, (0, 1)),),
        bridges=(evil,),
        networks=(HostNetwork(evil, True, "virbr0"),),
        pools=(HostPool(evil, "dir", True, 1024**4, 1024**3),),
    )
    cast.hypervisor_here.facts = facts_as_plain(facts)
    cast.hypervisor_here.save()
    pages = cast.pages(cast.staff_here)
    for path in (
        change_url(cast.hypervisor_here),
        reverse("manage-hypervisor-enrolment", args=[cast.hypervisor_here.pk]),
    ):
        text = pages.get(path).content.decode()
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert(1)" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "1 TiB" in pages.get(change_url(cast.hypervisor_here)).content.decode()


def test_the_connection_test_says_where_it_ends(cast: Cast, ca: CaStore):
    pin(cast.hypervisor_here, make_leaf(ca.authority(), cast.hypervisor_here), 1)
    url = reverse("manage-hypervisor-test", args=[cast.hypervisor_here.pk])
    part = cast.pages(cast.staff_here).post(url, headers={"X-Requested-With": "fetch"}).content.decode()
    assert "systemctl status eve-agent" in part
    assert "<html" not in part
    assert "<html" in cast.pages(cast.staff_here).post(url).content.decode()


def test_forms_need_their_token(cast: Cast, ca: CaStore):
    pages = cast.pages(cast.staff_here, enforce_csrf_checks=True)
    for name in ("manage-hypervisor-enrolment", "manage-hypervisor-test"):
        assert pages.post(reverse(name, args=[cast.hypervisor_here.pk])).status_code == 403
    assert not EnrolmentToken.objects.exists()


def test_a_sites_row_says_how_many_of_its_hosts_answer(cast: Cast, ca: CaStore):
    Hypervisor.objects.create(name="hv-away", site=cast.here, address="127.0.0.1:1", state=HypervisorState.OFFLINE)
    listed = cast.pages(cast.staff_here).get(reverse("admin:hypervisors_site_changelist")).content.decode()
    assert re.findall(r'field-(?:hypervisor|answering)_count">(\d+)<', listed) == ["2", "1"]
