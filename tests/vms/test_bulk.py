"""Power actions for many VMs: each is decided about by itself, one request makes each operation once."""

from __future__ import annotations

import uuid

import pytest

from accounts.models import AuditEvent
from hypervisors.models import Hypervisor, HypervisorState
from operations.models import Operation
from tests.factories import make_vm
from vms.models import Vm, VmState
from vms.services.bulk import MOST

from .test_staff import page, words

PAGE, API = "/manage/vms/power/", "/api/v1/vms/state"


def ask(cast, user, vms, action="stop", **headers):
    body = {"action": action, "vms": [str(getattr(vm, "pk", vm)) for vm in vms]}
    return cast.api(user).post(API, body, format="json", headers=headers)


def post(cast, user, vms, action="stop", **more):
    return cast.pages(user).post(PAGE, {"vm": [str(vm.pk) for vm in vms], "action": action, **more}, follow=True)


def test_each_machine_gets_what_it_allows_and_none_is_in_anothers_way(cast):
    off = make_vm(cast.acme, cast.hypervisor_here, "acme-off", state=VmState.OFF)
    last = make_vm(cast.acme, cast.hypervisor_here, "acme-last")
    answer = ask(cast, cast.staff_here, [cast.acme_vm, off, last])
    assert answer.status_code == 202
    first, refused, third = answer.json()
    assert [each["vm"] for each in answer.json()] == [str(vm.pk) for vm in (cast.acme_vm, off, last)]
    assert refused["operation"] is None
    assert refused["problem"]["code"] == "wrong_state"
    assert "acme-off is off already." in refused["problem"]["detail"]
    for each in (first, third):
        assert each["problem"] is None
        assert cast.api(cast.staff_here).get(each["operation"]).json()["kind"] == "vm.stop"


@pytest.mark.parametrize(
    ("part", "done"),
    [
        ("owner", {"acme-web"}),
        ("operator", {"acme-web"}),
        ("viewer", set()),
        ("outsider", {"otto-mail"}),
        ("staff_here", {"acme-web"}),
        ("staff_there", {"otto-mail"}),
        ("staff_everywhere", {"acme-web", "otto-mail"}),
    ],
)
def test_everybody_changes_what_is_theirs_and_learns_nothing_of_the_rest(cast, part, done):
    user = getattr(cast, part)
    stranger = uuid.uuid4()
    answer = ask(cast, user, [cast.acme_vm, cast.ottos_vm, stranger])
    assert set(Operation.objects.values_list("target_label", flat=True)) == done
    problems = {each["vm"]: each["problem"] for each in answer.json()}
    for vm in (cast.acme_vm, cast.ottos_vm):
        if vm.name not in done and not (part == "viewer" and vm == cast.acme_vm):
            unknown = {**problems[str(stranger)]}
            assert problems[str(vm.pk)] == unknown
    if part == "viewer":
        assert problems[str(cast.acme_vm.pk)]["code"] == "not_allowed"
        assert AuditEvent.objects.filter(action="vm.stop", outcome="denied", actor=user).exists()


def test_a_retry_with_its_key_makes_nothing_twice_even_when_it_is_over(cast):
    last = make_vm(cast.acme, cast.hypervisor_here, "acme-last")
    made = ask(cast, cast.owner, [cast.acme_vm, last], "reset", **{"Idempotency-Key": "one"}).json()
    Operation.objects.update(state="succeeded")
    assert ask(cast, cast.owner, [last, cast.acme_vm], "reset", **{"Idempotency-Key": "one"}).json() == made[::-1]
    assert Operation.objects.count() == 2
    other = ask(cast, cast.owner, [last], "stop", **{"Idempotency-Key": "one"}).json()
    assert other[0]["problem"]["code"] == "idempotency_mismatch"
    ask(cast, cast.owner, [last], "reset", **{"Idempotency-Key": "two"})
    assert Operation.objects.count() == 3


def test_named_twice_it_is_done_once(cast):
    assert len(ask(cast, cast.owner, [cast.acme_vm, cast.acme_vm], "reset").json()) == 1


@pytest.mark.parametrize("vms", [[], [uuid.uuid4()] * (MOST + 1), ["nonsense"]])
def test_none_too_many_and_nonsense_are_refused(cast, vms):
    assert ask(cast, cast.owner, vms).status_code == 400


def test_an_unknown_action_is_refused(cast):
    assert ask(cast, cast.owner, [cast.acme_vm], "explode").status_code == 400
    assert not Operation.objects.exists()


# ------------------------------------------------------------------------------------------------ The page


def test_the_page_tells_of_each(cast):
    off = make_vm(cast.acme, cast.hypervisor_here, "acme-off", state=VmState.OFF)
    answer = post(cast, cast.staff_here, [cast.acme_vm, off, cast.ottos_vm])
    text = words(answer.content.decode())
    assert answer.status_code == 200
    assert "1 asked for, 2 refused" in text
    assert "acme-off is off already." in text
    assert "otto-mail" not in text
    assert Operation.objects.get().target_label == "acme-web"


def test_the_page_follows_what_was_asked_for_to_its_end(cast):
    html = post(cast, cast.staff_here, [cast.acme_vm]).content.decode()
    operation = Operation.objects.get()
    address = f"/manage/operations/{operation.pk}/"
    assert f'data-live="vm {cast.acme_vm.pk}" data-part="{address}"' in html
    Operation.objects.update(state="succeeded")
    assert "asked to" not in words(page(cast, cast.staff_here, address))
    Operation.objects.update(kind="vm.shutdown")
    assert "The guest was asked to" in words(page(cast, cast.staff_here, address))
    error = {
        "code": "libvirt",
        "title": "The host's libvirt refused",
        "detail": "What was not done was left as it was.",
    }
    Operation.objects.update(state="failed", error=error)
    part = words(page(cast, cast.staff_here, address))
    assert "Failed" in part
    assert error["detail"] in part
    for part_of_cast in ("staff_there", "owner"):
        assert cast.pages(getattr(cast, part_of_cast)).get(address).status_code == 404


def test_the_page_that_is_loaded_again_asks_for_nothing_twice(cast):
    key = uuid.uuid4().hex
    post(cast, cast.staff_here, [cast.acme_vm], "reset", key=key)
    Operation.objects.update(state="succeeded")
    assert "1 asked for" in words(post(cast, cast.staff_here, [cast.acme_vm], "reset", key=key).content.decode())
    assert Operation.objects.count() == 1


def test_with_none_chosen_it_says_so_and_leads_back_to_the_same_list(cast):
    answer = post(cast, cast.staff_here, [], next="/manage/vms/?q=acme")
    assert answer.redirect_chain == [("/manage/vms/?q=acme", 302)]
    assert "Choose at least one virtual machine." in words(answer.content.decode())
    assert post(cast, cast.staff_here, [], next="https://evil.example/").redirect_chain == [("/manage/vms/", 302)]


@pytest.mark.parametrize(("part", "status"), [("owner", 404), ("viewer", 404)])
def test_for_customers_the_page_is_not_there(cast, part, status):
    assert post(cast, getattr(cast, part), [cast.acme_vm]).status_code == status
    assert not Operation.objects.exists()


def test_it_wants_a_form_of_eves_own(cast):
    browser = cast.pages(cast.staff_here, enforce_csrf_checks=True)
    assert browser.post(PAGE, {"vm": str(cast.acme_vm.pk), "action": "stop"}).status_code == 403


def test_a_host_that_is_away_is_said_of_its_machines_alone(cast):
    Hypervisor.objects.filter(pk=cast.hypervisor_there.pk).update(state=HypervisorState.OFFLINE)
    text = words(post(cast, cast.superuser, [cast.acme_vm, cast.ottos_vm]).content.decode())
    assert "1 asked for, 1 refused" in text
    assert "Host hv-there does not answer" in text


def test_the_list_offers_boxes_whose_row_keeps_them(cast):
    html = page(cast, cast.staff_here, "/manage/vms/")
    box = f'form="bulk" name="vm" value="{cast.acme_vm.pk}"'
    assert box in html
    part = cast.pages(cast.staff_here).get(f"/vms/{cast.acme_vm.pk}/part/?as=bulk").content.decode()
    assert box in part
    assert "otto-mail" not in html
    state = cast.pages(cast.staff_here).get(f"/vms/{cast.acme_vm.pk}/part/?as=state").content.decode()
    assert "Running" in state
    assert f'id="state-{cast.acme_vm.pk}"' in state


def test_200_at_once_are_within_one_request(cast):
    rows = [make_vm(cast.acme, cast.hypervisor_here) for _ in range(MOST - 1)]
    assert len(ask(cast, cast.owner, [cast.acme_vm, *rows]).json()) == MOST
    assert Operation.objects.count() == MOST == Vm.objects.filter(project=cast.acme).count()
