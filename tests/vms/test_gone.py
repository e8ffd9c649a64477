"""The page of a VM that is not there any more: why it was not made, or who deleted it; to others it was never there."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts.services import audit_record
from operations.claims import cancelled
from operations.models import Operation, OperationState
from tests.cast import Cast
from tests.vms.test_activity import operation_make
from tests.vms.test_staff import words
from vms.models import Disk, Firmware, Image, ImageState, Size, Vm

from .stub_host import GIB, equip
from .test_new_page import filled

pytestmark = pytest.mark.django_db
TABS = ("", "activity/", "operations/", "hardware/", "snapshots/", "settings/")
NO_ROOM = {"code": "no_space", "title": "The host could not do it", "detail": "The pool has no room for it."}


def ended(cast: Cast, kind: str = "vm.create", **fields: object) -> Operation:
    """The newest operation of a VM that is gone, of project Acme."""
    given = {"kind": kind, "target_id": uuid4(), "target_label": "web-09", "state": OperationState.FAILED}
    return operation_make(cast, **{**given, "error": NO_ROOM, "arguments": {}, **fields})


@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "staff_here", "superuser"])
@pytest.mark.parametrize("tab", TABS)
def test_why_it_was_not_made(cast: Cast, part: str, tab: str) -> None:
    operation = ended(cast)
    answer = cast.pages(getattr(cast, part)).get(f"/vms/{operation.target_id}/{tab}")
    html = answer.content.decode()
    assert answer.status_code == 200
    assert "web-09 was not made" in words(html)
    assert NO_ROOM["detail"] in html
    assert "Nothing was left over" in html
    assert (f"/vms/new/?again={operation.pk}" in html) == (part in ("owner", "operator"))


@pytest.mark.parametrize("part", ["outsider", "staff_there"])
@pytest.mark.parametrize("tab", TABS)
def test_to_others_it_was_never_there(cast: Cast, part: str, tab: str) -> None:
    operation = ended(cast)
    address = f"/vms/{operation.target_id}/{tab}"
    stranger = cast.pages(getattr(cast, part)).get(address)
    nothing = cast.pages(getattr(cast, part)).get(f"/vms/{uuid4()}/{tab}")
    assert (stranger.status_code, nothing.status_code) == (404, 404)
    assert "web-09" not in stranger.content.decode()


@pytest.mark.parametrize("part", ["owner", "superuser"])
def test_programs_and_parts_of_pages_find_nothing(cast: Cast, part: str) -> None:
    operation = ended(cast)
    browser = cast.pages(getattr(cast, part))
    for path in ("part/?as=header", "hardware/?part=1", "operations/?part=1"):
        assert browser.get(f"/vms/{operation.target_id}/{path}").status_code == 404
    assert cast.api(getattr(cast, part)).get(f"/api/v1/vms/{operation.target_id}").status_code == 404


def test_that_it_was_cancelled(cast: Cast) -> None:
    operation = ended(cast, "vm.clone", state=OperationState.CANCELLED, error=cancelled(), arguments={"copies": {}})
    html = cast.pages(cast.owner).get(f"/vms/{operation.target_id}/").content.decode()
    assert "web-09 was not made" in words(html)
    assert "It was cancelled before it was done." in html


def test_a_copy_is_made_again_from_what_was_copied(cast: Cast) -> None:
    disk = Disk.objects.create(
        project=cast.acme, vm=cast.acme_vm, hypervisor=cast.hypervisor_here, pool="default", size_bytes=GIB
    )
    operation = ended(cast, "vm.clone", arguments={"copies": {str(uuid4()): str(disk.pk)}})
    html = cast.pages(cast.owner).get(f"/vms/{operation.target_id}/").content.decode()
    assert f'href="/vms/{cast.acme_vm.pk}/settings/"' in html


@pytest.mark.parametrize("state", [OperationState.RUNNING, OperationState.CANCELLING])
def test_while_it_is_taken_back(cast: Cast, state: str) -> None:
    operation = ended(cast, state=state, is_undoing=True)
    html = cast.pages(cast.owner).get(f"/vms/{operation.target_id}/").content.decode()
    assert "web-09 is not made" in words(html)
    assert "Taking back what was begun." in html
    assert f'data-live="vm {operation.target_id}"' in html


@pytest.mark.parametrize(
    ("keeps_disks", "says"), [(True, "Its disks are kept in its project."), (False, "Its disks and snapshots went")]
)
def test_who_deleted_it(cast: Cast, keeps_disks: bool, says: str) -> None:
    arguments = {"keeps_disks": keeps_disks}
    operation = ended(cast, "vm.delete", state=OperationState.SUCCEEDED, error=None, arguments=arguments)
    html = cast.pages(cast.viewer).get(f"/vms/{operation.target_id}/").content.decode()
    assert "web-09 was deleted" in words(html)
    assert f"{cast.owner.name} deleted it" in words(html)
    assert says in html
    assert "Make it again" not in html


def test_what_went_to_another_project_is_not_told_of(cast: Cast) -> None:
    operation = ended(cast, target_id=cast.acme_vm.pk)
    Vm.objects.filter(pk=cast.acme_vm.pk).update(project=cast.outsider.personal_project)
    assert cast.pages(cast.owner).get(f"/vms/{operation.target_id}/").status_code == 404


def test_what_was_done_with_it_last_is_what_counts(cast: Cast) -> None:
    operation = ended(cast)
    operation_make(cast, kind="vm.start", target_id=operation.target_id, state=OperationState.SUCCEEDED)
    assert cast.pages(cast.owner).get(f"/vms/{operation.target_id}/").status_code == 404


def test_the_line_of_activity_leads_to_it(cast: Cast) -> None:
    operation = ended(cast)
    audit_record(
        action="vm.create",
        actor=cast.owner,
        target_type="vm",
        target_id=str(operation.target_id),
        target_label="web-09",
        project=cast.acme,
        outcome="failure",
    )
    html = cast.pages(cast.owner).get("/activity/").content.decode()
    assert f'could not make <a href="/vms/{operation.target_id}/">' in html


def test_made_again_it_is_filled_in_as_it_was(cast: Cast) -> None:
    Size.objects.all().delete()
    equip(cast.hypervisor_here)
    image = Image.objects.create(name="Debian 12", site=cast.here, state=ImageState.READY, virtual_bytes=2 * GIB)
    browser = cast.pages(cast.owner)
    chosen = {
        "name": "web-10",
        "project": str(cast.acme.pk),
        "image": str(image.pk),
        "site": str(cast.here.pk),
        "size": "own",
        "vcpus": 3,
        "memory_gib": "1.5",
        "disk_gib": 12,
        "more_disks": "20, 30",
        "firmware": Firmware.UEFI.value,
        "devices": "legacy",
        "autostart": "on",
        "start": None,
        "remarks": "for the shop",
        "password": "a secret of mine",
    }
    assert browser.post("/vms/new/", filled(browser, **chosen)).status_code == 302
    operation = Operation.objects.get(target_label="web-10")
    assert "a secret of mine" not in str(operation.arguments)
    address = f"/vms/new/?again={operation.pk}"
    form = browser.get(address).context["form"]
    shown = {name: form[name].value() for name in chosen}
    assert shown == {**chosen, "autostart": True, "start": False, "password": None}
    assert form["nics"].value() == ["network:default"]
    Image.objects.filter(pk=image.pk).update(state=ImageState.FAILED)
    without = browser.get(address)
    assert "is not there any more. Choose another." in without.content.decode()
    refused = browser.post("/vms/new/", filled(browser, **{**chosen, "name": "web-11", "image": None}))
    assert list(refused.context["form"].errors) == ["image"]
    assert cast.pages(cast.outsider).get(address).context["form"]["name"].value() is None
