"""Customers' pages: what they show, to whom, and what their forms do."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.utils import timezone
from eve_agent.wire import codec
from eve_agent.wire.domain import DomainState, Graphics, GraphicsKind

from accounts.services import audit_record
from common.problems import problem
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.signals import domain_seen
from operations.claims import operation_claim, operation_end
from operations.models import Operation
from tests.factories import make_vm
from tests.vms.conftest import domain_of_vm
from vms.models import Vm, VmState
from vms.services import vm_change_state

HOSTILE = "<img src=x onerror=alert(1)>"


def page(cast, user, address, **options):
    response = cast.pages(user).get(address, **options)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode()


def words(html):
    """What a person reads of it."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


PAGES = ("/", "/vms/", "/activity/")


@pytest.mark.parametrize("address", PAGES)
def test_pages_ask_who_one_is(cast, address):
    response = cast.pages().get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/")


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("part", ["owner", "viewer", "outsider", "staff_here", "superuser"])
def test_pages_show_ones_own_vms_only(cast, address, part):
    audit_record(action="vm.start", actor=cast.owner, target=cast.acme_vm, project=cast.acme)
    audit_record(action="vm.start", actor=cast.outsider, target=cast.ottos_vm, project=cast.ottos)
    html = page(cast, getattr(cast, part), address)
    assert ("acme-web" in html) == (part in ("owner", "viewer"))
    assert ("otto-mail" in html) == (part == "outsider")


@pytest.mark.parametrize(
    "shape", ["", "part/", "part/?as=row", "part/?as=header", "part/?as=overview", "part/?as=activity"]
)
@pytest.mark.parametrize(
    ("part", "status"),
    [("owner", 200), ("viewer", 200), ("staff_here", 200), ("superuser", 200), ("outsider", 404), ("staff_there", 404)],
)
def test_a_vms_page_and_its_parts_exist_for_those_who_see_it(cast, shape, part, status):
    assert cast.pages(getattr(cast, part)).get(f"/vms/{cast.acme_vm.pk}/{shape}").status_code == status


def test_an_unknown_vm_is_404(cast):
    assert cast.pages(cast.owner).get(f"/vms/{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize("state", list(VmState))
@pytest.mark.parametrize("part", ["owner", "viewer"])
def test_every_state_can_be_shown_everywhere(cast, state, part):
    Vm.objects.update(state=state, facts=codec.to_plain(domain_of_vm(cast.acme_vm)))
    user = getattr(cast, part)
    for address in ("/", "/vms/", f"/vms/{cast.acme_vm.pk}/"):
        html = page(cast, user, address)
        assert "acme-web" in html
        assert ('name="action"' in html) == (
            part == "owner" and state not in (VmState.UNKNOWN, VmState.MISSING, VmState.CREATING)
        )


@pytest.mark.parametrize(("state", "has_screen"), [(DomainState.OFF, False), (DomainState.CRASHED, True)])
def test_a_machine_whose_qemu_crashed_has_no_screen_to_look_at(cast, state, has_screen):
    domain = domain_of_vm(cast.acme_vm, state=state, reason="crashed")
    domain_seen.send(sender=None, hypervisor_id=cast.hypervisor_here.pk, domain=domain)
    html = page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/")
    assert ("data-screen=" in html) == has_screen
    assert ("It ended all at once" in words(html)) != has_screen
    assert ("Look at the screen" in words(html)) == has_screen


def test_trouble_comes_first_and_is_counted(cast):
    make_vm(cast.acme, cast.hypervisor_here, "zz-crashed", state=VmState.CRASHED)
    make_vm(cast.acme, cast.hypervisor_here, "aa-off", state=VmState.OFF)
    html = page(cast, cast.owner, "/")
    assert html.index(">zz-crashed<") < html.index(">acme-web<") < html.index(">aa-off<")
    assert "1 crashed, 1 running, 1 off" in words(html)


def test_lists_are_searched_narrowed_and_sorted_by_their_address(cast):
    make_vm(cast.acme, cast.hypervisor_here, "zeta", state=VmState.OFF)

    def shown(query):
        return {name for name in ("acme-web", "zeta") if f">{name}<" in page(cast, cast.owner, f"/{query}")}

    assert shown("?q=ZET") == {"zeta"}
    assert shown("?state=off") == {"zeta"}
    assert shown("?state=nonsense&sort=nonsense&page=nonsense&project=nonsense") == {"acme-web", "zeta"}
    assert shown(f"?project={cast.ottos.pk}") == set()
    assert shown("?q=%00") == {"acme-web", "zeta"}
    assert "Nothing found" in page(cast, cast.owner, "/?q=nothing-like-it")
    html = page(cast, cast.owner, "/?sort=name&q=e")
    assert html.index(">acme-web<") < html.index(">zeta<")


def test_an_empty_dashboard_says_what_to_do(cast):
    Vm.objects.all().delete()
    assert "No virtual machines yet" in page(cast, cast.owner, "/")


def test_what_hosts_and_people_write_is_inert(cast):
    facts = codec.to_plain(domain_of_vm(cast.acme_vm, name=HOSTILE))
    facts["disks"][0]["target"] = facts["nics"][0]["source"] = HOSTILE
    Vm.objects.update(name=HOSTILE, remarks=HOSTILE, facts=facts)
    Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(name="<b>host")
    cast.owner.name = HOSTILE
    cast.owner.save()
    audit_record(
        action="vm.start",
        actor=cast.owner,
        target_type="vm",
        target_id=str(cast.acme_vm.pk),
        target_label=HOSTILE,
        project=cast.acme,
    )
    for address in ("/", "/vms/", "/activity/", f"/vms/{cast.acme_vm.pk}/"):
        html = page(cast, cast.viewer, address)
        assert HOSTILE not in html
        assert "<b>host" not in html
        assert "&lt;img src=x" in html


def test_a_page_has_no_inline_script_or_style(cast):
    Vm.objects.update(facts=codec.to_plain(domain_of_vm(cast.acme_vm)))
    for address in (
        "/",
        "/vms/",
        "/activity/",
        f"/vms/{cast.acme_vm.pk}/",
        "/manage/",
        "/manage/drift/",
        "/manage/vms/",
    ):
        html = page(cast, cast.superuser, address)
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html), address
        assert not re.search(r"<script(?![^>]*\ssrc=)", html), address


def test_an_open_display_is_warned_of(cast):
    exposed = (Graphics(kind=GraphicsKind.VNC, index=0, listen="0.0.0.0", is_exposed=True),)
    Vm.objects.update(facts=codec.to_plain(domain_of_vm(cast.acme_vm, graphics=exposed)))
    assert "open to the network" in page(cast, cast.viewer, f"/vms/{cast.acme_vm.pk}/")


@pytest.mark.parametrize(("address", "queries"), [("/", 17), ("/vms/", 10)])
def test_a_list_costs_the_same_however_long_it_is(cast, address, queries, django_assert_max_num_queries):
    browser = cast.pages(cast.owner)
    browser.get(address)
    for number in range(30):
        make_vm(cast.acme, cast.hypervisor_here, f"vm-{number}")
    with django_assert_max_num_queries(queries):
        assert browser.get(address).status_code == 200


# ------------------------------------------------------------------------------------------------ Power


def press(cast, user, action, *, shape="", htmx=False, **data):
    headers = {"HX-Request": "true"} if htmx else {}
    query = f"?as={shape}" if shape else ""
    return cast.pages(user).post(f"/vms/{cast.acme_vm.pk}/power/{query}", {"action": action, **data}, headers=headers)


def test_a_click_shows_at_once_what_eve_does(cast):
    response = press(cast, cast.owner, "shutdown", shape="card", htmx=True)
    assert response.status_code == 200
    html = response.content.decode()
    assert html.strip().startswith("<article")
    assert "Shutting down" in html
    assert 'name="action"' not in html


def test_without_scripts_one_comes_back_to_where_one_was(cast):
    assert press(cast, cast.owner, "shutdown", next="/vms/?q=a")["Location"] == "/vms/?q=a"
    for elsewhere in ("https://evil.example/", "//evil.example", "javascript:alert(1)", ""):
        assert press(cast, cast.owner, "shutdown", next=elsewhere)["Location"] == f"/vms/{cast.acme_vm.pk}/"


@pytest.mark.parametrize(
    ("part", "action", "status", "said"),
    [
        ("viewer", "stop", 403, "but not change it"),
        ("owner", "start", 409, "running already"),
        ("owner", "explode", 400, "no such action"),
    ],
)
def test_a_refusal_is_told_where_one_clicked(cast, part, action, status, said):
    response = press(cast, getattr(cast, part), action, shape="header", htmx=True)
    assert response.status_code == status
    assert said in words(response.content.decode())
    assert 'role="alert"' in response.content.decode()
    followed = cast.pages(getattr(cast, part)).post(f"/vms/{cast.acme_vm.pk}/power/", {"action": action}, follow=True)
    assert said in words(followed.content.decode())
    assert not Operation.objects.exists()


@pytest.mark.parametrize("part", ["outsider", "staff_there"])
def test_others_vms_cannot_be_powered(cast, part):
    assert press(cast, getattr(cast, part), "stop").status_code == 404
    assert not Operation.objects.exists()


def test_forms_of_other_sites_do_nothing(cast):
    browser = cast.pages(cast.owner, enforce_csrf_checks=True)
    for address in ("power", "settings/save", "boot", "project"):
        assert browser.post(f"/vms/{cast.acme_vm.pk}/{address}/", {"action": "stop"}).status_code == 403
    assert not Operation.objects.exists()


def test_power_takes_posts_only(cast):
    assert cast.pages(cast.owner).get(f"/vms/{cast.acme_vm.pk}/power/?action=stop").status_code == 405


def end_operation(cast, **error):
    vm_change_state(vm=cast.acme_vm, action="shutdown", user=cast.owner)
    operation_end(operation=operation_claim(worker="w"), problem=problem(**error) if error else None)


def test_the_end_is_told_in_words(cast):
    end_operation(cast)
    assert "was asked to shut down" in words(page(cast, cast.viewer, f"/vms/{cast.acme_vm.pk}/"))


@pytest.mark.parametrize("state", [VmState.MISSING, VmState.UNKNOWN, VmState.CRASHED])
def test_what_ended_well_is_no_news_where_it_is_gone_since(cast, state):
    end_operation(cast)
    Vm.objects.update(state=state, state_since=timezone.now() + dt.timedelta(seconds=1))
    html = page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/")
    assert 'class="op ok"' not in html


def test_a_failure_says_what_happened(cast):
    end_operation(cast, status_code=503, code="host_away", title="The host does not answer", detail="hv-here is away.")
    for address in (f"/vms/{cast.acme_vm.pk}/", "/", "/vms/"):
        assert "hv-here is away." in words(page(cast, cast.viewer, address))


def test_what_failed_long_ago_is_no_news(cast):
    end_operation(cast, status_code=503, code="host_away", title="Away", detail="hv-here is away.")
    Operation.objects.update(created_at=timezone.now() - dt.timedelta(hours=1))
    assert "hv-here is away." not in page(cast, cast.owner, "/")


def test_an_earlier_projects_operations_are_not_shown_to_the_next(cast):
    end_operation(cast, status_code=409, code="secret", title="Secret", detail="A canary of Acme's.")
    Vm.objects.filter(pk=cast.acme_vm.pk).update(project=cast.ottos)
    html = page(cast, cast.outsider, f"/vms/{cast.acme_vm.pk}/")
    assert "canary" not in html
    assert "Olivia" not in html


def test_while_its_host_is_away_the_page_says_since_when_and_what_it_means(cast):
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    Vm.objects.update(state=VmState.UNKNOWN, state_since=dt.datetime(2026, 3, 5, 14, 7, tzinfo=dt.UTC))
    html = words(page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/"))
    assert "may well be running" in html
    assert "since 5 Mar 2026, 14:07 UTC" in html
    assert "since 5 Mar 2026, 14:07 UTC" in words(page(cast, cast.owner, "/vms/"))
    assert "since 5 Mar 2026, 14:07 UTC" in words(page(cast, cast.owner, "/"))
    Vm.objects.update(state_reason=HypervisorState.LIBVIRT_DOWN)
    assert "libvirt on host hv-here does not answer." in words(page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/"))


def test_while_a_change_is_taken_back_the_page_says_why(cast):
    end_operation(cast, status_code=409, code="refused", title="The host refused", detail="No slot is free.")
    Operation.objects.update(state="running", finished_at=None, is_undoing=True, phase="Waiting")
    html = words(page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/"))
    assert "The host refused. No slot is free." in html
    assert "Taking back what was begun. Waiting" in html


# ------------------------------------------------------------------------------------------------ Remarks, projects


def test_remarks_are_kept_and_shown_as_they_are(cast):
    cast.pages(cast.operator).post(f"/vms/{cast.acme_vm.pk}/settings/save/", {"remarks": "ask <Olivia>\x00"})
    assert Vm.objects.get(pk=cast.acme_vm.pk).remarks == "ask <Olivia>"
    assert "ask &lt;Olivia&gt;" in page(cast, cast.viewer, f"/vms/{cast.acme_vm.pk}/")
    cast.pages(cast.viewer).post(f"/vms/{cast.acme_vm.pk}/settings/save/", {"remarks": "mine"})
    assert Vm.objects.get(pk=cast.acme_vm.pk).remarks == "ask <Olivia>"


@pytest.mark.parametrize(
    ("part", "status"),
    [
        ("owner", 404),
        ("operator", 404),
        ("viewer", 404),
        ("outsider", 404),
        ("staff_here", 404),  # nothing of that project is at their site
        ("staff_everywhere", 302),
    ],
)
def test_only_who_may_gives_it_to_another_project(cast, part, status):
    browser = cast.pages(getattr(cast, part))
    answer = browser.post(f"/vms/{cast.acme_vm.pk}/project/", {"project": str(cast.ottos.pk)})
    assert answer.status_code == status
    assert (Vm.objects.get(pk=cast.acme_vm.pk).project == cast.ottos) == (part == "staff_everywhere")


def test_an_owner_moves_it_to_another_project_of_theirs(cast):
    own = cast.owner.personal_project
    cast.pages(cast.owner).post(f"/vms/{cast.acme_vm.pk}/project/", {"project": str(own.pk)})
    assert Vm.objects.get(pk=cast.acme_vm.pk).project == own


def test_activity_is_told_in_sentences(cast):
    audit_record(action="vm.stop", actor=cast.operator, target=cast.acme_vm, project=cast.acme)
    audit_record(action="vm.start", actor=cast.operator, target=cast.acme_vm, project=cast.acme, outcome="failure")
    text = words(page(cast, cast.viewer, "/activity/"))
    assert "Oscar Operator pulled the plug on acme-web" in text
    assert "Oscar Operator could not start acme-web" in text


def test_what_a_later_change_overtook_is_no_news(cast):
    end_operation(cast, status_code=503, code="host_away", title="Away", detail="hv-here is away.")
    Vm.objects.update(state_since=timezone.now() + dt.timedelta(seconds=10))
    assert "hv-here is away." not in page(cast, cast.owner, f"/vms/{cast.acme_vm.pk}/")


def test_a_vm_that_eve_made_is_deleted_once_its_name_is_typed(cast):
    vm = cast.acme_vm
    client, address = cast.pages(cast.operator), f"/vms/{cast.acme_vm.pk}/"
    settings = f"{address}settings/"
    assert "/delete/" not in client.get(settings).content.decode()
    Vm.objects.filter(pk=vm.pk).update(is_made_by_eve=True)
    assert f"{address}delete/" in client.get(settings).content.decode()
    assert f"{address}delete/" not in page(cast, cast.viewer, settings)
    for typed in ("", "acme", "ACME-WEB"):
        answer = client.post(f"{address}delete/", {"typed": typed}, follow=True)
        assert "Nothing was deleted" in answer.content.decode()
    assert not Operation.objects.exists()
    cast.pages(cast.viewer).post(f"{address}delete/", {"typed": vm.name})
    assert not Operation.objects.exists()
    answer = client.post(f"{address}delete/", {"typed": vm.name, "keep_disks": "on"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    operation = Operation.objects.get()
    assert (operation.kind, operation.arguments) == ("vm.delete", {"keeps_disks": True})
    html = client.get(address).content.decode()
    assert "Deleting acme-web" in words(html)
    assert f"{address}delete/" not in client.get(settings).content.decode()


def test_what_never_ran_did_not_go_off(cast):
    def screen(reason: str) -> str:
        Vm.objects.filter(pk=cast.acme_vm.pk).update(state=VmState.OFF, state_reason=reason)
        page = cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/").content.decode()
        return " ".join(page.split('class="thumb blank"')[1].split("</section>")[0].split())

    assert "Went off" in screen("shutdown")
    assert "Went off" not in screen("")
