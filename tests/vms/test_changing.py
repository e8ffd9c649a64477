"""Changing a machine that Eve made: what is checked, asked of its host, written down, and taken back when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from eve_agent.wire.domain import DomainState, Resources
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.spec import ResourcesStatus

from hypervisors.errors import HostAway
from operations.claims import operation_claim
from operations.models import Operation
from operations.worker import operation_run
from tests.cast import Cast
from vms.drift import Drift
from vms.handlers import creating, deleting, disks, on_host, seeds
from vms.models import Disk, Image, ImageState, Nic, OpenNetwork, Quota, Snapshot, Vm, VmState

from .changing_host import ChangingHost, refusal
from .stub_host import GIB, equip


@pytest.fixture
def host(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> ChangingHost:
    """Site "here" has a host with storage."""
    equip(cast.hypervisor_here)
    stub = ChangingHost()
    for module in (creating, deleting, on_host, disks, seeds):
        monkeypatch.setattr(module, "AgentClient", stub.client)
    return stub


@pytest.fixture
def vm(cast: Cast, host: ChangingHost) -> Vm:
    """A machine of Acme's that Eve made and that runs."""
    body = {
        "name": "web",
        "vcpus": 2,
        "memory_bytes": 2 * GIB,
        "disks": [{"size_bytes": 5 * GIB}],
        "project": str(cast.acme.pk),
    }
    answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    assert answer.status_code == 202, answer.content
    assert work().state == "succeeded"
    return Vm.objects.select_related("hypervisor", "project").get(pk=answer.json()["id"])


def work() -> Operation:
    """Does the operation that waits."""
    operation = operation_claim(worker="w")
    assert operation is not None
    operation_run(operation)
    operation.refresh_from_db()
    return operation


def ask(cast: Cast, vm: Vm, method: str, path: str, body: Any = None, *, who: str = "operator", key: str = "") -> Any:
    """A request about the machine."""
    send = getattr(cast.api(getattr(cast, who)), method)
    headers = {"Idempotency-Key": key} if key else {}
    return send(f"/api/v1/vms/{vm.pk}/{path}".rstrip("/"), body, format="json", headers=headers)


CHANGES: list[tuple[str, str, Any]] = [
    ("put", "resources", {"vcpus": 3, "memory_bytes": 3 * GIB}),
    ("post", "disks", {"size_bytes": GIB}),
    ("patch", "disks/{disk}", {"size_bytes": 6 * GIB}),
    ("delete", "disks/{disk}", None),
    ("delete", "disks/{disk}?keep=true", None),
    ("post", "nics", {"network": "default"}),
    ("delete", "nics/{mac}", None),
    ("patch", "", {"name": "other"}),
    ("put", "boot", {"devices": ["cdrom"]}),
    ("put", "cd", {"image": None}),
    ("post", "snapshots", {"name": "before"}),
    ("delete", "snapshots/{snapshot}", None),
    ("post", "snapshots/{snapshot}/revert", None),
]


def filled(vm: Vm, path: str) -> str:
    """The address with the machine's own ids."""
    disk, nic, snapshot = vm.disks.first(), vm.nics.first(), vm.snapshots.first()
    return path.format(disk=disk and disk.pk, mac=nic and nic.mac, snapshot=snapshot and snapshot.pk)


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_only_operators_change_it(cast: Cast, vm: Vm, method: str, path: str, body: Any) -> None:
    Snapshot.objects.create(vm=vm, name="old", vcpus=2, memory_bytes=2 * GIB, state="ready")
    before = Operation.objects.count()
    address = filled(vm, path)
    assert ask(cast, vm, method, address, body, who="viewer").status_code == 403
    for stranger in ("outsider", "staff_there"):
        assert ask(cast, vm, method, address, body, who=stranger).status_code == 404
    assert Operation.objects.count() == before


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_what_eve_did_not_make_is_left_alone(cast: Cast, vm: Vm, method: str, path: str, body: Any) -> None:
    Snapshot.objects.create(vm=vm, name="old", vcpus=2, memory_bytes=2 * GIB, state="ready")
    Vm.objects.filter(pk=vm.pk).update(is_made_by_eve=False)
    answer = ask(cast, vm, method, filled(vm, path), body)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_a_running_guest_gets_its_size_at_the_next_start(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    answer = ask(cast, vm, "put", "resources", {"vcpus": 4, "memory_bytes": 4 * GIB})
    assert answer.status_code == 202, answer.content
    operation = work()
    assert operation.result == {
        "now": {"vcpus": 2, "memory_bytes": 2 * GIB},
        "next_start": {"vcpus": 4, "memory_bytes": 4 * GIB},
        "needs_restart": True,
    }
    vm.refresh_from_db()
    assert (vm.vcpus, vm.memory_bytes) == (4, 4 * GIB)
    assert not Drift(cast.superuser).changed.exists()
    html = cast.pages(cast.owner).get(f"/vms/{vm.pk}/hardware/").content.decode()
    assert "at its next start: shut it down" in html


def test_memory_that_is_on_its_way_needs_no_restart(
    cast: Cast, host: ChangingHost, vm: Vm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest may take its time to give memory back, or to take it."""
    now, then = Resources(2, 4, 3 * GIB, 8 * GIB), Resources(2, 4, 4 * GIB, 8 * GIB)
    monkeypatch.setattr(host, "resources_change", lambda _uuid, _wanted: ResourcesStatus(next_start=then, live=now))
    ask(cast, vm, "put", "resources", {"vcpus": 2, "memory_bytes": 4 * GIB})
    result = work().result
    assert (result["now"]["memory_bytes"], result["next_start"]["memory_bytes"]) == (3 * GIB, 4 * GIB)
    assert result["needs_restart"] is False


def test_one_that_is_off_has_its_size_at_once(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    host._put(vm.pk, state=DomainState.OFF)
    ask(cast, vm, "put", "resources", {"vcpus": 1, "memory_bytes": GIB})
    assert work().result["needs_restart"] is False
    assert not Drift(cast.superuser).changed.exists()


def test_a_size_that_its_host_refuses_is_as_before(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    def refuse(name: str) -> None:
        if name == "resources_change":
            raise refusal(ErrorCode.BEYOND_HOST)

    host.before = refuse
    ask(cast, vm, "put", "resources", {"vcpus": 4, "memory_bytes": 4 * GIB})
    assert work().state == "failed"
    vm.refresh_from_db()
    assert (vm.vcpus, vm.memory_bytes) == (2, 2 * GIB)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"vcpus": 5, "memory_bytes": GIB}, "vcpus"),
        ({"vcpus": 1, "memory_bytes": 65 * GIB}, "memory_bytes"),
        ({"vcpus": 1, "memory_bytes": GIB + 1}, "memory_bytes"),
        ({"vcpus": 1, "memory_bytes": 1}, "memory_bytes"),
    ],
)
def test_sizes_beyond_the_host(cast: Cast, vm: Vm, body: dict[str, int], field: str) -> None:
    answer = ask(cast, vm, "put", "resources", body)
    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]


@pytest.mark.parametrize(("method", "path", "body"), [change for change in CHANGES if change[0] != "delete"][:3])
def test_the_quota_holds(cast: Cast, vm: Vm, method: str, path: str, body: Any) -> None:
    Quota.objects.create(project=cast.acme, vcpus=3, disk_bytes=5 * GIB)
    answer = ask(cast, vm, method, filled(vm, path), body)
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_exceeded")
    assert not Operation.objects.exclude(kind="vm.create").exists()


def test_a_disk_comes_grows_and_goes(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    answers = [ask(cast, vm, "post", "disks", {"size_bytes": GIB}, key="once").json() for _ in range(2)]
    assert answers[0] == answers[1]
    disk_id = work().result["disk"]
    assert [disk["size_bytes"] for disk in ask(cast, vm, "get", "disks").json()["results"]] == [5 * GIB, GIB]
    refused = ask(cast, vm, "patch", f"disks/{disk_id}", {"size_bytes": GIB})
    assert (refused.status_code, "more than the 1 GiB that it has" in refused.json()["detail"]) == (400, True)
    assert ask(cast, vm, "patch", f"disks/{disk_id}", {"size_bytes": 2 * GIB}).status_code == 202
    assert work().state == "succeeded"
    disk = Disk.objects.get(pk=disk_id)
    assert disk.size_bytes == host.disks[disk.pk].size_bytes == 2 * GIB
    assert ask(cast, vm, "delete", f"disks/{disk_id}").status_code == 202
    assert work().state == "succeeded"
    assert disk.pk not in host.disks
    assert not Disk.objects.filter(pk=disk_id).exists()
    first = vm.disks.get()
    answer = ask(cast, vm, "delete", f"disks/{first.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("at", ["disk_make", "disk_attach"])
def test_a_disk_that_cannot_be_added_leaves_nothing(cast: Cast, host: ChangingHost, vm: Vm, at: str) -> None:
    def refuse(name: str) -> None:
        if name == at:
            raise refusal(ErrorCode.NO_SPACE)

    host.before = refuse
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    assert work().state == "failed"
    assert len(host.disks) == Disk.objects.filter(vm=vm).count() == 1


def test_a_disk_that_did_not_grow_is_as_large_as_it_is(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    def refuse(name: str) -> None:
        if name == "disk_grow":
            raise HostAway("Away.")

    host.before = refuse
    disk = vm.disks.get()
    ask(cast, vm, "patch", f"disks/{disk.pk}", {"size_bytes": 6 * GIB})
    assert work().state == "failed"
    disk.refresh_from_db()
    assert disk.size_bytes == 5 * GIB


def test_a_network_card_comes_and_goes(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    assert ask(cast, vm, "post", "nics", {"network": "nowhere"}).status_code == 400
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}).status_code == 400, "nobody opened it"
    OpenNetwork.objects.create(site=cast.here, kind="bridge", name="br-lan")
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}).status_code == 202
    mac = work().result["mac"]
    assert [nic.source for nic in vm.nics.all()] == ["default", "br-lan"]
    assert ask(cast, vm, "delete", f"nics/{mac}").status_code == 202
    work()
    assert [nic.source for nic in vm.nics.all()] == ["default"]
    assert mac not in [nic.mac for nic in host.domains[vm.pk].nics]


def test_discs(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    iso = Image.objects.create(name="netinst", kind="iso", format="raw", site=cast.here, state=ImageState.READY)
    far = Image.objects.create(name="far", kind="iso", format="raw", site=cast.there, state=ImageState.READY)
    host.has_image(iso.pk)
    for image in (str(far.pk), str(vm.pk)):
        answer = ask(cast, vm, "put", "cd", {"image": image})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["image"])
    assert ask(cast, vm, "put", "cd", {"image": str(iso.pk)}).status_code == 202
    assert work().state == "succeeded"
    vm.refresh_from_db()
    assert vm.cd_image == iso
    drive = {"image": {"id": str(iso.pk), "name": "netinst"}, "choices": [{"id": str(iso.pk), "name": "netinst"}]}
    assert [ask(cast, vm, "get", "cd", who=who).json() for who in ("operator", "viewer", "staff_here")] == [drive] * 3
    assert ask(cast, vm, "get", "cd", who="outsider").status_code == 404
    ask(cast, vm, "put", "cd", {"image": None})
    work()
    vm.refresh_from_db()
    assert vm.cd_image is None
    assert ask(cast, vm, "get", "cd").json()["image"] is None
    assert [asked for asked in host.asked if asked.startswith("cdrom")] == [
        f"cdrom_change {iso.pk}",
        "cdrom_change None",
    ]


def test_a_machine_without_disks_reads_discs_too(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    """Staff may have agreed that it lost its last disk."""
    iso = Image.objects.create(name="netinst", kind="iso", format="raw", site=cast.here, state=ImageState.READY)
    host.has_image(iso.pk)
    vm.disks.all().delete()
    assert ask(cast, vm, "put", "cd", {"image": str(iso.pk)}).status_code == 202
    assert work().state == "succeeded"
    vm.refresh_from_db()
    assert vm.cd_image == iso


def snapshot(cast: Cast, vm: Vm, name: str) -> Snapshot:
    """Makes one."""
    answer = ask(cast, vm, "post", "snapshots", {"name": name})
    assert answer.status_code == 202, answer.content
    return Snapshot.objects.get(pk=work().result["snapshot"])


def test_snapshots_form_a_tree(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    first = snapshot(cast, vm, "before")
    second = snapshot(cast, vm, "after")
    assert (first.with_memory, first.state, second.parent, second.is_current) == (True, "ready", first, True)
    assert ask(cast, vm, "post", f"snapshots/{first.pk}/revert").status_code == 202
    assert work().state == "succeeded"
    third = snapshot(cast, vm, "other way")
    assert third.parent == first
    html = cast.pages(cast.viewer).get(f"/vms/{vm.pk}/snapshots/").content.decode()
    assert html.index("before") < html.index("after") < html.index("other way")
    assert html.count("depth-1") == 2
    assert html.count("made after before:") == 2
    assert "snapshot-revert" not in html
    ask(cast, vm, "delete", f"snapshots/{first.pk}")
    assert work().state == "succeeded"
    assert list(vm.snapshots.values_list("name", "parent")) == [("after", None), ("other way", None)]


def test_a_return_brings_back_what_it_had(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    then = snapshot(cast, vm, "before")
    nic = vm.nics.get()
    Nic.objects.filter(pk=nic.pk).update(mac="52:54:00:99:99:99")
    ask(cast, vm, "put", "resources", {"vcpus": 4, "memory_bytes": 4 * GIB})
    work()
    Quota.objects.create(project=cast.acme, memory_bytes=GIB)
    ask(cast, vm, "post", f"snapshots/{then.pk}/revert")
    assert work().state == "succeeded"
    vm.refresh_from_db()
    assert (vm.vcpus, vm.memory_bytes) == (2, 2 * GIB)
    assert [each.mac for each in vm.nics.all()] == [nic.mac]
    assert not Drift(cast.superuser).changed.exists()


def test_of_one_that_is_off_the_disks_alone(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    Vm.objects.filter(pk=vm.pk).update(state=VmState.OFF)
    assert snapshot(cast, vm, "off").with_memory is False


def test_of_a_uefi_machine_the_disks_are_kept(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    Vm.objects.filter(pk=vm.pk).update(firmware="uefi")
    answer = ask(cast, vm, "post", "snapshots", {"name": "before", "with_memory": True})
    assert answer.json()["code"] == "wrong_state"
    assert "UEFI" in answer.json()["detail"]
    html = cast.pages(cast.owner).get(f"/vms/{vm.pk}/snapshots/").content.decode()
    assert "After a return it is off." in html
    assert 'name="memory"' not in html
    assert snapshot(cast, vm, "running").with_memory is False
    host._put(vm.pk, state=DomainState.OFF)
    Vm.objects.filter(pk=vm.pk).update(state=VmState.OFF)
    assert snapshot(cast, vm, "off").with_memory is False


def test_of_a_running_machine_the_disks_alone(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    address, client = f"/vms/{vm.pk}/snapshots/", cast.pages(cast.operator)
    assert 'name="memory" value="1" checked' in client.get(address).content.decode()
    for sent, kept in (({"with_memory": False}, False), ({"with_memory": True}, True), ({}, True)):
        answer = ask(cast, vm, "post", "snapshots", {"name": "by API", **sent})
        assert answer.status_code == 202, answer.content
        made = Snapshot.objects.get(pk=work().result["snapshot"])
        assert made.with_memory is host.snaps[str(made.pk)].with_memory is kept
    for memory, kept in (("0", False), ("1", True), ("", True)):
        client.post(f"/vms/{vm.pk}/change/snapshot-make/", {"name": "by page", "memory": memory})
        assert Snapshot.objects.get(pk=work().result["snapshot"]).with_memory is kept
    html = client.get(address).content.decode()
    assert "disks, memory" in html
    assert "becomes what it was then, and is off" in html
    Vm.objects.filter(pk=vm.pk).update(state=VmState.OFF)
    answer = ask(cast, vm, "post", "snapshots", {"name": "x", "with_memory": True})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["with_memory"])


@pytest.mark.parametrize("name", ["", "   ", "two\nlines", "x" * 101])
def test_a_snapshot_needs_a_name(cast: Cast, vm: Vm, name: str) -> None:
    answer = ask(cast, vm, "post", "snapshots", {"name": name})
    assert answer.status_code == 400
    assert "name" in answer.json()["errors"]


def test_a_snapshot_that_cannot_be_made_leaves_nothing(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    def refuse(name: str) -> None:
        if name == "snapshot_make":
            raise refusal(ErrorCode.SNAPSHOT_REFUSED)

    host.before = refuse
    ask(cast, vm, "post", "snapshots", {"name": "before"})
    assert work().state == "failed"
    assert not Snapshot.objects.exists()
    assert host.snaps == {}


def test_snapshots_are_counted_and_hold_disks(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    Quota.objects.create(project=cast.acme, snapshots=1)
    snapshot(cast, vm, "before")
    answer = ask(cast, vm, "post", "snapshots", {"name": "more"})
    assert answer.json()["code"] == "quota_exceeded"
    for method, path, body in CHANGES[1:5]:
        answer = ask(cast, vm, method, filled(vm, path), body)
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    page = cast.pages(cast.owner).get(f"/vms/{vm.pk}/hardware/").content.decode()
    assert "disk-grow" not in page


def test_one_deleted_behind_eves_back_is_gone_after_the_next_change(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    lost = snapshot(cast, vm, "lost")
    host.snaps.pop(str(lost.pk))
    snapshot(cast, vm, "kept")
    assert list(vm.snapshots.values_list("name", flat=True)) == ["kept"]
    ask(cast, vm, "post", f"snapshots/{vm.snapshots.get().pk}/revert")
    host.snaps.clear()
    assert work().error["code"] == "agent_refused"


def test_one_change_at_a_time(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    assert ask(cast, vm, "post", "disks", {"size_bytes": GIB}).status_code == 202
    for method, path, body in (CHANGES[0], CHANGES[5], CHANGES[8]):
        answer = ask(cast, vm, method, path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "operation_running"), path
    assert (vm.disks.count(), vm.nics.count(), vm.snapshots.count()) == (2, 1, 0)
    vm.refresh_from_db()
    assert vm.vcpus == 2


PAGE_FORMS: list[tuple[str, dict[str, str], str]] = [
    ("resources", {"vcpus": "3", "memory_gib": "2.5"}, "vm.resize"),
    ("disk-add", {"size_gib": "3"}, "vm.disk_add"),
    ("disk-grow", {"id": "{disk}", "size_gib": "8"}, "vm.disk_grow"),
    ("nic-add", {"plug": "network:default"}, "vm.nic_add"),
    ("nic-remove", {"mac": "{mac}"}, "vm.nic_remove"),
    ("cd", {"image": ""}, "vm.cd"),
    ("snapshot-make", {"name": "before"}, "vm.snapshot"),
]


@pytest.mark.parametrize(("what", "form", "kind"), PAGE_FORMS)
def test_the_pages_ask_for_the_same(cast: Cast, vm: Vm, what: str, form: dict[str, str], kind: str) -> None:
    given = {name: filled(vm, value) for name, value in form.items()}
    address = f"/vms/{vm.pk}/change/{what}/"
    assert cast.pages(cast.outsider).post(address, given).status_code == 404
    cast.pages(cast.viewer).post(address, given)
    assert not Operation.objects.filter(kind=kind).exists()
    page = "snapshots" if what.startswith("snapshot") else "hardware"
    client = cast.pages(cast.operator)
    assert client.post(address, given)["Location"] == f"/vms/{vm.pk}/{page}/"
    assert Operation.objects.filter(kind=kind, target_id=vm.pk).count() == 1
    html = client.get(f"/vms/{vm.pk}/{page}/").content.decode()
    assert "/change/" not in html
    assert work().state == "succeeded"
    assert address in client.get(f"/vms/{vm.pk}/{page}/").content.decode() or what == "nic-remove"


@pytest.mark.parametrize(
    ("what", "form"),
    [
        ("resources", {"vcpus": "many", "memory_gib": "1"}),
        ("resources", {"vcpus": "1", "memory_gib": "NaN"}),
        ("disk-add", {"size_gib": "1e999"}),
        ("disk-add", {}),
        ("nic-add", {"plug": ""}),
        ("nic-add", {"plug": "other:default"}),
        ("snapshot-make", {"name": "a\0b"}),
    ],
)
def test_nonsense_in_a_form_changes_nothing(cast: Cast, vm: Vm, what: str, form: dict[str, str]) -> None:
    answer = cast.pages(cast.operator).post(f"/vms/{vm.pk}/change/{what}/", form, follow=True)
    assert 'role="alert"' in answer.content.decode()
    assert Operation.objects.exclude(kind="vm.create").count() == 0


def test_unknown_changes_and_rows_are_not_there(cast: Cast, vm: Vm) -> None:
    client = cast.pages(cast.operator)
    for what, form in (("nothing", {}), ("disk-grow", {"id": "x", "size_gib": "1"}), ("cd", {"image": str(vm.pk)})):
        assert client.post(f"/vms/{vm.pk}/change/{what}/", form).status_code == 404


def test_the_pages_of_one_that_eve_did_not_make_offer_nothing(cast: Cast) -> None:
    for page in ("hardware", "snapshots"):
        html = cast.pages(cast.owner).get(f"/vms/{cast.acme_vm.pk}/{page}/").content.decode()
        assert "/change/" not in html
        assert "that it made" in html or "did not make" in html


def test_it_is_made_with_room_to_grow(cast: Cast, host: ChangingHost, vm: Vm, settings: Any) -> None:
    spec = host.specs[vm.pk]
    assert (spec.vcpus, spec.vcpus_max) == (2, 4)
    assert spec.memory_max_bytes == spec.memory_bytes  # a guest gives back only what it wants to
    settings.VCPU_ROOM, settings.MEMORY_ROOM = 3, 2
    ask(cast, vm, "put", "resources", {"vcpus": 1, "memory_bytes": GIB})
    assert work().state == "succeeded"
    assert (host.grown.vcpus_max, host.grown.memory_max_bytes) == (3, 2 * GIB)


def test_the_page_says_what_it_takes_at_once(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    host._put(vm.pk, vcpus_max=4, memory_max_bytes=3 * GIB)
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    work()
    html = cast.pages(cast.owner).get(f"/vms/{vm.pk}/hardware/").content.decode()
    assert "up to 4 vCPUs and 3 GiB at once" in html
    host._put(vm.pk, next_start=Resources(2, 8, 2 * GIB, 8 * GIB))
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    work()
    assert (
        "at its next start: shut it down" not in cast.pages(cast.owner).get(f"/vms/{vm.pk}/hardware/").content.decode()
    )
