"""Where Eve and libvirt differ about machines that Eve made: seen, accepted, restored, forgotten."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import pytest
from eve_agent.wire.domain import Disk as SeenDisk
from eve_agent.wire.domain import Domain, Resources
from eve_agent.wire.domain import Nic as SeenNic

from hypervisors.models import Hypervisor, HypervisorState
from operations.models import Operation
from tests.cast import Cast
from vms.cards import card_for
from vms.inventory import domain_apply, domain_remove
from vms.models import Disk, Nic, Vm, VmState

from .changing_host import ChangingHost
from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]

MAC = "52:54:00:00:00:99"
ADDED = SeenDisk(target="vdz", source="/elsewhere/theirs.raw", capacity_bytes=3 * GIB)


@pytest.fixture
def second(cast: Cast, host: ChangingHost, vm: Vm) -> Disk:
    """Another disk of the machine's."""
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    return Disk.objects.get(pk=work().result["disk"])


def virsh(host: ChangingHost, vm: Vm, **changes: Any) -> Domain:
    """Changes the domain behind Eve's back; the host reports it."""
    domain = host._put(vm.pk, **changes)
    domain_apply(hypervisor_id=vm.hypervisor_id, domain=domain)
    return domain


def undefine(host: ChangingHost, vm: Vm) -> None:
    del host.domains[vm.pk]
    domain_remove(hypervisor_id=vm.hypervisor_id, domain_uuid=vm.pk)


def choose(cast: Cast, vm: Vm, what: str, *, who: str = "staff_here") -> Any:
    return cast.api(getattr(cast, who)).post(f"/api/v1/vms/{vm.pk}/drift/{what}")


def listed(cast: Cast, who: str = "staff_here") -> list[dict[str, Any]]:
    return list(cast.api(getattr(cast, who)).get("/api/v1/drift").json()["results"])


def kinds(cast: Cast) -> list[tuple[str, str]]:
    """What is told of disks and cards."""
    return [(each["kind"], each["device"]) for entry in listed(cast) for each in entry["differences"]]


def page(cast: Cast) -> str:
    return " ".join(cast.pages(cast.staff_here).get("/manage/drift/").content.decode().split())


def test_as_agreed_there_is_no_difference(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    virsh(host, vm)
    assert listed(cast) == []
    assert "No differences" in page(cast)
    answer = choose(cast, vm, "restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


def test_all_kinds_are_told(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    first = host.domains[vm.pk].disks[0]
    grown = dataclasses.replace(first, capacity_bytes=7 * GIB)
    card = SeenNic(mac=MAC.upper(), kind="bridge", source="br-lan", model="virtio")
    disc = SeenDisk(target="sda", device="cdrom", source="/pool/x.iso")
    nic = vm.nics.get()
    virsh(host, vm, disks=(grown, ADDED, disc), nics=(card,), vcpus=1)
    assert kinds(cast) == [
        ("disk_size", str(first.uuid)),
        ("disk_gone", str(second.pk)),
        ("disk_added", ADDED.source),
        ("nic_gone", nic.mac),
        ("nic_added", MAC),
    ]
    (entry,) = listed(cast)
    assert (entry["agreed"]["vcpus"], entry["seen"]["vcpus"], entry["can_restore"]) == (2, 1, True)
    html = page(cast)
    for words in (
        "2 vCPU",
        "1 vCPU",
        "disk vda: 5 GiB",
        "disk vda: 7 GiB",
        "a disk of 1 GiB",
        "disk vdz: 3 GiB",
        nic.mac,
        MAC,
    ):
        assert words in html, words


def test_a_guest_without_a_balloon_differs_in_nothing(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    """It has all that it might be given: room for memory is not what was agreed."""
    room = {"memory_bytes": 4 * GIB, "memory_max_bytes": 4 * GIB, "vcpus_max": 2}
    virsh(host, vm, **room, next_start=Resources(2, 2, 2 * GIB, 4 * GIB))
    assert listed(cast) == []
    assert card_for(cast.superuser, Vm.objects.get(pk=vm.pk)).pending is None
    virsh(host, vm, **room, next_start=Resources(2, 2, GIB, 4 * GIB))
    (entry,) = listed(cast)
    assert entry["seen"] == {"vcpus": 2, "memory_bytes": GIB}


def test_what_waits_for_the_next_start_counts(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    """As after ``virsh setvcpus --config``."""
    virsh(host, vm, next_start=Resources(1, 4, 2 * GIB, 2 * GIB))
    (entry,) = listed(cast)
    assert entry["seen"] == {"vcpus": 1, "memory_bytes": 2 * GIB}


def test_what_a_running_guest_will_have_at_its_next_start_is_told_before(
    cast: Cast, host: ChangingHost, vm: Vm, second: Disk
) -> None:
    """As after ``virsh detach-disk --config`` and the like."""
    domain, nic = host.domains[vm.pk], vm.nics.get()
    first = domain.disks[0]
    theirs = SeenDisk(target="vdz", source="/elsewhere/theirs.raw")
    card = SeenNic(mac=MAC.upper(), kind="bridge", source="br-lan", model="virtio")
    virsh(host, vm, next_disks=(first, theirs), next_nics=(card,))
    assert kinds(cast) == [
        ("disk_gone", str(second.pk)),
        ("disk_added", theirs.source),
        ("nic_gone", nic.mac),
        ("nic_added", MAC),
    ]
    assert [each["is_pending"] for each in listed(cast)[0]["differences"]] == [True] * 4
    assert page(cast).count("at its next start</span>") == 4
    assert "disk vdz </div>" not in page(cast)
    virsh(host, vm, disks=(first,), nics=(), next_disks=(first, *domain.disks[1:]), next_nics=domain.nics)
    assert [(each["kind"], each["is_pending"]) for each in listed(cast)[0]["differences"]] == [
        ("disk_gone", False),
        ("nic_gone", False),
    ]
    virsh(host, vm, disks=domain.disks, nics=domain.nics, next_disks=None, next_nics=None)
    assert listed(cast) == []


def test_what_waits_for_the_next_start_is_accepted_once(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    domain, nic = host.domains[vm.pk], vm.nics.get()
    card = SeenNic(mac=MAC, kind="bridge", source="br-lan", model="virtio")
    virsh(host, vm, next_disks=domain.disks[:1], next_nics=(card,))
    answer = choose(cast, vm, "accept")
    assert (answer.status_code, answer.json()["differences"]) == (200, [])
    assert [row.mac for row in vm.nics.all()] == [MAC]
    assert Disk.objects.get(pk=second.pk).vm is None
    virsh(host, vm)
    assert listed(cast) == [], "what the guest has until then is no news"
    virsh(host, vm, disks=domain.disks[:1], nics=(card,), next_disks=None, next_nics=None)
    assert listed(cast) == []
    assert nic.mac not in [row.mac for row in Nic.objects.all()]


def test_what_waits_for_the_next_start_is_restored(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    domain = host.domains[vm.pk]
    card = SeenNic(mac=MAC, kind="bridge", source="br-lan", model="virtio")
    virsh(host, vm, next_disks=domain.disks[:1], next_nics=(*domain.nics, card))
    assert choose(cast, vm, "restore").status_code == 202
    assert work().state == "succeeded"
    assert {"disk_attach", "nic_detach"} <= set(host.asked)


@pytest.mark.django_db(transaction=True)
def test_while_eve_changes_it_nothing_is_told(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    ask(cast, vm, "delete", f"disks/{second.pk}?keep=true")
    virsh(host, vm, disks=host.domains[vm.pk].disks[:1])
    assert listed(cast) == []
    host._put(vm.pk, disks=(*host.domains[vm.pk].disks, SeenDisk(target="vdb", uuid=second.pk)))
    assert work().state == "succeeded"
    assert listed(cast) == []
    assert Vm.objects.get(pk=vm.pk).differences == []


def test_machines_that_eve_did_not_make_differ_in_size_only(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    Vm.objects.filter(pk=vm.pk).update(is_made_by_eve=False)
    virsh(host, vm, disks=(ADDED,))
    assert listed(cast) == []
    virsh(host, vm, vcpus=1)
    assert choose(cast, vm, "restore").status_code == 202
    assert work().state == "succeeded"
    assert (host.grown.vcpus, host.grown.vcpus_max) == (2, 0)
    undefine(host, vm)
    assert listed(cast)[0]["can_restore"] is False
    answer = choose(cast, vm, "restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("what", ["accept", "restore", "forget"])
def test_others_choose_nothing(cast: Cast, host: ChangingHost, vm: Vm, what: str) -> None:
    virsh(host, vm, vcpus=1)
    for who in ("owner", "staff_there", "outsider"):
        assert choose(cast, vm, what, who=who).status_code == 404
        assert cast.pages(getattr(cast, who)).post(f"/manage/drift/{what}/{vm.pk}/").status_code == 404
    for who in ("owner", "outsider"):
        assert cast.api(getattr(cast, who)).get("/api/v1/drift").status_code == 404
    assert listed(cast, "staff_there") == []
    assert Vm.objects.get(pk=vm.pk).vcpus == 2


# ------------------------------------------------------------------------------------------------ Accept


def test_what_the_host_has_is_accepted(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    first = dataclasses.replace(host.domains[vm.pk].disks[0], capacity_bytes=7 * GIB)
    card = SeenNic(mac=MAC, kind="bridge", source="br-lan", model="e1000e")
    user = SeenNic(mac="52:54:00:00:00:98", kind="user")
    virsh(host, vm, disks=(first, ADDED), nics=(card, user), vcpus=1)
    answer = choose(cast, vm, "accept")
    assert (answer.status_code, answer.json()["differences"]) == (200, [])
    virsh(host, vm)
    assert listed(cast) == []
    vm.refresh_from_db()
    assert vm.vcpus == 1
    assert [(disk.pk, disk.size_bytes) for disk in vm.disks.all()] == [(first.uuid, 7 * GIB)]
    kept = Disk.objects.get(pk=second.pk)
    assert (kept.vm, kept.kept_from, kept.project) == (None, "web", cast.acme)
    assert [(nic.mac, nic.kind, nic.model) for nic in vm.nics.all()] == [(MAC, "bridge", "e1000e")]


def test_a_kept_disk_that_somebody_attached_is_the_machines_again(
    cast: Cast, host: ChangingHost, vm: Vm, second: Disk
) -> None:
    ask(cast, vm, "delete", f"disks/{second.pk}?keep=true")
    assert work().state == "succeeded"
    virsh(host, vm, disks=(*host.domains[vm.pk].disks, SeenDisk(target="vdb", uuid=second.pk, capacity_bytes=GIB)))
    assert kinds(cast) == [("disk_added", str(second.pk))]
    assert choose(cast, vm, "accept").status_code == 200
    second.refresh_from_db()
    assert (second.vm, second.position, second.kept_since) == (vm, 1, None)
    assert listed(cast) == []


def test_nothing_is_accepted_while_eve_changes_it(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    virsh(host, vm, vcpus=1)
    ask(cast, vm, "post", "nics", {"network": "default"})
    answer = choose(cast, vm, "accept")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    html = cast.pages(cast.staff_here).post(f"/manage/drift/accept/{vm.pk}/", follow=True).content.decode()
    assert "A change of web is under way" in html
    assert Vm.objects.get(pk=vm.pk).vcpus == 2


# ------------------------------------------------------------------------------------------------ Restore


def test_what_is_agreed_is_restored(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    nic, shrunk = vm.nics.get(), dataclasses.replace(host.domains[vm.pk].disks[0], capacity_bytes=4 * GIB)
    stranger = SeenDisk(target="vdx", uuid=uuid.uuid4(), capacity_bytes=GIB)
    card = SeenNic(mac=MAC, kind="bridge", source="br-lan", model="virtio")
    virsh(host, vm, disks=(shrunk, stranger), nics=(card,), next_start=Resources(1, 4, GIB, GIB))
    html = cast.pages(cast.staff_here).post(f"/manage/drift/restore/{vm.pk}/", follow=True).content.decode()
    assert "web is being restored on its host." in html
    assert work().state == "succeeded"
    domain = host.domains[vm.pk]
    assert {disk.uuid for disk in domain.disks} == {shrunk.uuid, second.pk}
    assert [each.mac for each in domain.nics] == [nic.mac]
    assert host.disks[shrunk.uuid].size_bytes == 5 * GIB
    assert (domain.next_start or domain).vcpus == 2
    assert "web has on its host again what was agreed." in cast.pages(cast.owner).get(f"/vms/{vm.pk}/").content.decode()


def test_what_cannot_be_had_again_is_said_and_the_rest_is_restored(
    cast: Cast, host: ChangingHost, vm: Vm, second: Disk
) -> None:
    larger = dataclasses.replace(host.domains[vm.pk].disks[0], capacity_bytes=9 * GIB)
    virsh(host, vm, disks=(larger, ADDED), nics=())
    del host.disks[second.pk]
    assert choose(cast, vm, "restore").status_code == 202
    operation = work()
    assert (operation.state, operation.error["code"]) == ("failed", "not_restored")
    assert len(host.domains[vm.pk].nics) == 1
    html = page(cast)
    for words in (
        "Disk vda is larger than agreed",
        "Disk vdz was not made by Eve",
        f"{second.pk}: The host does not have that disk any more.",
    ):
        assert words in html
    assert kinds(cast) == [
        ("disk_size", str(larger.uuid)),
        ("disk_gone", str(second.pk)),
        ("disk_added", ADDED.source),
    ]
    assert Disk.objects.filter(vm=vm).count() == 2


def test_a_vanished_machine_is_defined_again(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    ask(cast, vm, "put", "boot", {"devices": [str(second.pk), "cdrom"]})
    assert work().state == "succeeded"
    spec = host.specs[vm.pk]
    undefine(host, vm)
    host.boots = ()
    assert "Define it again" in page(cast)
    assert [entry["state"] for entry in listed(cast)] == ["missing"]
    first_try = choose(cast, vm, "restore")
    assert first_try.json() == choose(cast, vm, "restore").json()
    assert "being restored" in page(cast)
    assert work().state == "succeeded"
    vm.refresh_from_db()
    assert (vm.state, vm.disks.count()) == (VmState.OFF, 2)
    again = host.specs[vm.pk]
    assert (again.name, again.nics, again.seed_pool) == (spec.name, spec.nics, "")
    assert [slot.disk_uuid for slot in again.disks] == [disk.pk for disk in vm.disks.all()]
    assert host.boots == (str(second.pk), "cdrom")
    assert listed(cast) == []


def test_it_is_called_in_libvirt_as_before_whatever_eve_calls_it_since(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    former = host.domains[vm.pk].name
    virsh(host, vm)
    Vm.objects.filter(pk=vm.pk).update(name="renamed")
    undefine(host, vm)
    assert choose(cast, vm, "restore").status_code == 202
    assert work().state == "succeeded"
    assert former == f"web-{vm.pk.hex[:8]}"
    assert (host.specs[vm.pk].name, host.specs[vm.pk].title) == (former, "renamed")


def test_snapshots_that_are_lost_are_told_before_and_dropped_after(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    ask(cast, vm, "post", "snapshots", {"name": "before the upgrade"})
    assert work().state == "succeeded"
    assert "no way back" not in page(cast)
    undefine(host, vm)
    host.snaps.clear()
    assert "Its snapshot is lost with the domain" in page(cast)
    assert choose(cast, vm, "restore").status_code == 202
    operation = work()
    assert (operation.state, operation.result) == ("succeeded", {"snapshots_lost": ["before the upgrade"]})
    assert not vm.snapshots.exists()


def test_without_its_disks_it_is_not_defined_and_they_are_named(
    cast: Cast, host: ChangingHost, vm: Vm, second: Disk
) -> None:
    undefine(host, vm)
    del host.disks[second.pk]
    assert choose(cast, vm, "restore").status_code == 202
    operation = work()
    assert (operation.state, operation.error["code"]) == ("failed", "not_restored")
    assert f"{second.pk}.qcow2 (default)" in page(cast)
    assert host.domains == {}
    assert Vm.objects.get(pk=vm.pk).state == VmState.MISSING
    host.disks[second.pk] = host.disks[vm.disks.get(position=0).pk]
    assert choose(cast, vm, "restore").status_code == 202
    assert work().state == "succeeded"


def test_who_no_longer_manages_the_host_restores_nothing(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    virsh(host, vm, vcpus=1)
    assert choose(cast, vm, "restore").status_code == 202
    cast.here.staff.clear()
    assert work().error["code"] == "not_allowed"
    assert "resources_change" not in host.asked


def test_a_host_that_is_away_is_not_asked(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    virsh(host, vm, vcpus=1)
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    assert choose(cast, vm, "restore").status_code == 503
    assert not Operation.objects.filter(kind="vm.restore").exists()


# ------------------------------------------------------------------------------------------------ Forget


def test_disks_of_what_is_forgotten_are_kept(cast: Cast, host: ChangingHost, vm: Vm, second: Disk) -> None:
    assert choose(cast, vm, "forget").status_code == 409
    undefine(host, vm)
    assert choose(cast, vm, "forget").status_code == 204
    assert not Vm.objects.filter(pk=vm.pk).exists()
    assert not Nic.objects.filter(vm=vm.pk).exists()
    assert [disk.kept_from for disk in Disk.objects.all()] == ["web", "web"]
    assert second.pk in host.disks
