"""What happened and is under way, as pages tell it: in words, with ways that lead somewhere, and to its end."""

from __future__ import annotations

import uuid

import pytest

from accounts.services import audit_record
from operations import handlers
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.vms.test_staff import page, words
from vms.models import Image, ImageKind, ImageState
from vms.operation_lines import KINDS

pytestmark = pytest.mark.django_db
EVERYBODYS = ("owner", "operator", "viewer")


def operation_make(cast: Cast, **fields: object) -> Operation:
    given = {
        "kind": "vm.create",
        "target_type": "vm",
        "target_id": cast.acme_vm.pk,
        "target_label": "acme-web",
        "project": cast.acme,
        "site_uuid": cast.here.pk,
        "requested_by": cast.owner,
        "state": OperationState.RUNNING,
        "can_cancel": True,
    }
    return Operation.objects.create(**{**given, **fields})


def image_make(cast: Cast) -> Image:
    return Image.objects.create(
        name="Debian 12", kind=ImageKind.CLOUD, state=ImageState.READY, project=cast.acme, site=cast.here
    )


def test_every_kind_of_operation_has_words():
    assert {kind for lane in handlers.Lane for kind in handlers.kinds_in(lane)} <= set(KINDS)


@pytest.mark.parametrize("address", ["/manage/", "/manage/operations/", "/vms/{vm}/operations/"])
def test_operations_are_told_in_words(cast, address):
    operation_make(cast, kind="vm.disk_grow")
    html = page(cast, cast.staff_here, address.format(vm=cast.acme_vm.pk))
    assert "Growing a disk" in words(html)
    assert "vm.disk_grow" not in html


@pytest.mark.parametrize(
    ("part", "may"),
    [("owner", True), ("operator", True), ("viewer", False), ("staff_here", True), ("superuser", True)],
)
@pytest.mark.parametrize(
    "fields",
    [{}, {"can_cancel": False}, {"state": OperationState.CANCELLING}, {"is_undoing": True}, {"state": "succeeded"}],
)
def test_what_can_be_cancelled_has_a_button_for_who_may(cast, part, may, fields):
    operation = operation_make(cast, **fields)
    address = f"/vms/{cast.acme_vm.pk}/operations/"
    button = f'action="/operations/{operation.pk}/cancel/"'
    assert page(cast, getattr(cast, part), address).count(button) >= int(may and not fields)
    assert (button in page(cast, getattr(cast, part), f"{address}?part=1")) == (may and not fields)


@pytest.mark.parametrize(
    ("part", "sees", "may_cancel"),
    [("owner", True, True), ("viewer", True, False), ("outsider", False, False), ("staff_here", False, False)],
)
def test_everybody_sees_what_is_done_in_their_projects(cast, part, sees, may_cancel):
    operation = operation_make(cast, target_id=uuid.uuid4(), target_label="gone-01")
    operation_make(cast, target_id=uuid.uuid4(), target_label="sour-01", state="failed", error={"detail": "No room."})
    html = page(cast, getattr(cast, part), "/activity/operations/")
    assert [name in html for name in ("gone-01", "sour-01", "No room.")] == [sees] * 3
    assert (f'action="/operations/{operation.pk}/cancel/"' in html) == may_cancel


def test_it_is_cancelled_from_the_list_and_leads_back_there(cast):
    operation = operation_make(cast)
    browser, address = cast.pages(cast.staff_here), "/manage/operations/?state=running&page=1"
    html = browser.get(f"{address}&part=1").content.decode()
    assert 'name="next" value="/manage/operations/?state=running&amp;page=1"' in html
    answer = browser.post(f"/operations/{operation.pk}/cancel/", {"next": address})
    assert answer["Location"] == address
    assert Operation.objects.get(pk=operation.pk).state == OperationState.CANCELLING
    assert f"/operations/{operation.pk}/cancel/" not in page(cast, cast.staff_here, "/manage/operations/")


@pytest.mark.parametrize("address", ["/manage/operations/", "/manage/", "/activity/", "/"])
def test_the_name_of_what_is_gone_stays_and_leads_nowhere(cast, address):
    image, gone = image_make(cast), uuid.uuid4()
    for kind, target_type, key, label in (
        ("vm.start", "vm", cast.acme_vm.pk, "acme-web"),
        ("vm.start", "vm", gone, "gone-web"),
        ("image.fetch", "image", image.pk, "Debian 12"),
        ("image.fetch", "image", gone, "Gone image"),
    ):
        target = {"target_type": target_type, "target_label": label}
        operation_make(cast, kind=kind, target_id=key, state=OperationState.FAILED, **target)
        audit_record(action=kind, actor=cast.owner, target_id=str(key), project=cast.acme, **target)
    Operation.objects.filter(target_label="acme-web").update(
        state=OperationState.RUNNING
    )  # three failed ones are shown
    html = page(cast, cast.superuser if address.startswith("/manage/") else cast.viewer, address)
    assert {name for name in ("acme-web", "gone-web", "Debian 12", "Gone image") if name not in html} == set()
    assert str(gone) not in html
    assert f'<a href="/vms/{cast.acme_vm.pk}/"><bdi>acme-web</bdi></a>' in html
    assert f'<a href="/images/{image.pk}/"><bdi>Debian 12</bdi></a>' in html


@pytest.mark.parametrize("part", EVERYBODYS)
def test_images_and_kept_disks_are_part_of_what_happened(cast, part):
    image = image_make(cast)
    for action in ("image.create", "image.fetch", "image.check", "image.take", "image.update", "image.delete"):
        for outcome in ("success", "failure"):
            audit_record(action=action, actor=cast.operator, target=image, project=cast.acme, outcome=outcome)
    audit_record(
        action="disk.delete", actor=cast.operator, target_type="disk", target_id=str(uuid.uuid4()), project=cast.acme
    )
    text = words(page(cast, getattr(cast, part), "/activity/?group=images"))
    assert "Oscar Operator had the image Debian 12 fetched" in text
    assert "The image Debian 12 , which Oscar Operator sent, was not accepted" in text
    assert "Oscar Operator deleted a kept disk" in text
    assert "Debian 12" not in words(page(cast, cast.outsider, "/activity/"))
    assert "Debian 12" not in words(page(cast, getattr(cast, part), f"/vms/{cast.acme_vm.pk}/activity/"))


@pytest.mark.parametrize("tab", ["activity", "operations"])
@pytest.mark.parametrize(
    ("part", "status"),
    [("owner", 200), ("viewer", 200), ("staff_here", 200), ("superuser", 200), ("outsider", 404), ("staff_there", 404)],
)
def test_the_tabs_exist_for_those_who_see_the_machine(cast, tab, part, status):
    for query in ({}, {"part": "1"}):
        assert cast.pages(getattr(cast, part)).get(f"/vms/{cast.acme_vm.pk}/{tab}/", query).status_code == status


def test_a_machines_past_in_another_project_is_not_its_new_projects(cast):
    operation_make(cast, project=cast.ottos, requested_by=cast.outsider, state=OperationState.FAILED)
    audit_record(action="vm.stop", actor=cast.outsider, target=cast.acme_vm, project=cast.ottos)
    for tab in ("activity", "operations"):
        address = f"/vms/{cast.acme_vm.pk}/{tab}/?part=1"
        assert cast.outsider.name not in page(cast, cast.owner, address)
        assert cast.outsider.name in page(cast, cast.staff_here, address)


def test_what_the_host_itself_said_is_for_staff(cast):
    error = {"detail": "It failed.", "for_staff": "canary of the host"}
    operation_make(cast, state=OperationState.FAILED, error=error)
    address = f"/vms/{cast.acme_vm.pk}/operations/?part=1"
    assert "canary of the host" not in page(cast, cast.owner, address)
    assert "canary of the host" in page(cast, cast.staff_here, address)


def test_the_tab_leads_on_from_the_machines_page(cast):
    html = page(cast, cast.viewer, f"/vms/{cast.acme_vm.pk}/")
    assert html.count(f'href="/vms/{cast.acme_vm.pk}/activity/"') == 2
