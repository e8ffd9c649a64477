"""Making and deleting virtual machines: what is checked, written down, asked of the host, and taken back."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from dataclasses import replace
from typing import Any

import pytest
import yaml
from django.db import connection
from django.utils import timezone
from eve_agent.wire.domain import DomainState

from accounts.models import AuditEvent, Project, User
from hypervisors.errors import HostAway
from hypervisors.models import HypervisorState
from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.services import operation_cancel
from operations.worker import operation_run
from tests.cast import Cast
from vms.handlers import creating, deleting
from vms.inventory import domain_apply, domain_remove, inventory_apply
from vms.models import Disk, Image, ImageState, Lifecycle, Nic, Quota, Seed, Size, Vm, VmState

from .conftest import make_domain
from .stub_host import GIB, StubHost, equip

MIB = 2**20
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZ8mJk0Yl0Xl2o9K1V0o3b7Yw2a1cQ1c2d3e4f5g6h7 olivia@desk"


@pytest.fixture
def host(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> StubHost:
    """Site "here" has a host with storage."""
    equip(cast.hypervisor_here)
    stub = StubHost()
    monkeypatch.setattr(creating, "AgentClient", stub.client)
    monkeypatch.setattr(deleting, "AgentClient", stub.client)
    return stub


def least(**more: Any) -> dict[str, Any]:
    """The least that makes a VM."""
    return {"name": "web", "vcpus": 2, "memory_bytes": 2 * GIB, "disks": [{"size_bytes": 5 * GIB}], **more}


def ask(cast: Cast, body: dict[str, Any], *, who: str = "owner", key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return cast.api(getattr(cast, who)).post("/api/v1/vms", body, format="json", headers=headers)


def work() -> Operation:
    operation = operation_claim(worker="w")
    assert operation is not None
    operation_run(operation)
    operation.refresh_from_db()
    return operation


def cloud_image(cast: Cast, **fields: Any) -> Image:
    usual: dict[str, Any] = {
        "name": "Debian 12",
        "site": cast.here,
        "state": ImageState.READY,
        "virtual_bytes": 2 * GIB,
    }
    return Image.objects.create(**{**usual, **fields})


def test_the_least_makes_a_running_vm_of_ones_own(cast, host):
    answer = ask(cast, least())
    assert answer.status_code == 202, answer.content
    vm = Vm.objects.get(pk=answer.json()["id"])
    assert (vm.state, vm.lifecycle, vm.project) == (VmState.CREATING, Lifecycle.MAKING, cast.owner.personal_project)
    operation = work()
    vm.refresh_from_db()
    assert (operation.state, operation.result) == ("succeeded", {"vm": str(vm.pk)})
    assert (vm.state, vm.lifecycle, vm.name) == (VmState.RUNNING, Lifecycle.KEPT, "web")
    spec = host.specs[vm.pk]
    assert (spec.name, spec.title) == (f"web-{vm.pk.hex[:8]}", "web")
    assert (spec.vcpus, spec.memory_bytes) == (2, 2 * GIB)
    assert [nic.source for nic in spec.nics] == ["default"]
    assert host.disks[Disk.objects.get().pk].size_bytes == 5 * GIB
    assert host.asked == ["disk_make", "domain_define", "change_state start"]
    shown = cast.api(cast.owner).get(f"/api/v1/vms/{vm.pk}").json()
    assert (shown["name"], shown["state"], shown["vcpus"]) == ("web", "running", 2)


def test_it_may_stay_off(cast, host):
    vm_id = ask(cast, least(start=False)).json()["id"]
    work()
    assert Vm.objects.get(pk=vm_id).state == VmState.OFF
    assert "change_state start" not in host.asked


def test_an_image_a_size_and_a_first_boot(cast, host):
    image, size = cloud_image(cast), Size.objects.create(name="S", vcpus=1, memory_bytes=GIB, disk_bytes=8 * GIB)
    host.has_image(image.pk)
    body = {
        "name": "mail-01",
        "project": str(cast.acme.pk),
        "size": str(size.pk),
        "image": str(image.pk),
        "ssh_keys": [KEY],
        "password": "correct horse",
        "user_data": "#cloud-config\npackages: [nginx]\n",
        "network_config": "version: 2\n",
        "firmware": "uefi",
        "devices": "legacy",
        "autostart": True,
        "remarks": "For mail.",
    }
    answer = ask(cast, body)
    assert answer.status_code == 202, answer.content
    vm = Vm.objects.get(pk=answer.json()["id"])
    assert "correct horse" not in Seed.objects.get().user_data
    assert "correct horse" not in str(Operation.objects.values_list("arguments", flat=True))
    work()
    assert not Seed.objects.exclude(user_data="", network_config="").exists()
    seed, spec = host.seeds[vm.pk], host.specs[vm.pk]
    told = yaml.safe_load(seed.user_data)
    assert seed.user_data.startswith("#cloud-config\n")
    assert (told["hostname"], told["ssh_authorized_keys"], told["packages"]) == ("mail-01", [KEY], ["nginx"])
    assert told["password"].startswith("$6$")
    assert yaml.safe_load(seed.meta_data) == {"instance-id": str(vm.pk), "local-hostname": "mail-01"}
    assert (spec.firmware, spec.seed_pool, spec.is_autostarted) == ("uefi", "default", True)
    assert (spec.disks[0].bus, spec.nics[0].model) == ("sata", "e1000e")
    disk = host.disks[vm.disks.get().pk]
    assert (disk.size_bytes, disk.image_uuid, disk.image_format) == (8 * GIB, image.pk, "qcow2")


def test_an_iso_is_in_the_drive_and_boots_first(cast, host):
    iso = cloud_image(cast, name="netinst", kind="iso", format="raw", virtual_bytes=0)
    host.has_image(iso.pk)
    vm_id = uuid.UUID(ask(cast, least(image=str(iso.pk))).json()["id"])
    work()
    spec = host.specs[vm_id]
    assert (spec.cdrom.image_uuid, spec.cdrom.boot_order, spec.disks[0].boot_order) == (iso.pk, 1, 2)
    assert host.disks[spec.disks[0].disk_uuid].image_uuid is None


BAD: dict[str, dict[str, Any]] = {
    "name": {"name": "'/><"},
    "name climbs": {"name": "../etc"},
    "name NUL": {"name": "a\0b"},
    "name long": {"name": "x" * 300},
    "name capital": {"name": "Web"},
    "name empty": {"name": ""},
    "memory 0": {"memory_bytes": 0},
    "memory odd": {"memory_bytes": 2 * GIB + 1},
    "memory beyond all": {"memory_bytes": 2**62},
    "vcpus 0": {"vcpus": 0},
    "vcpus many": {"vcpus": 100_000},
    "disk 0": {"disks": [{"size_bytes": 0}]},
    "disk odd": {"disks": [{"size_bytes": 5 * GIB + 1}]},
    "disk no pool": {"disks": [{"size_bytes": GIB, "pool": "../x"}]},
    "disk many": {"disks": [{"size_bytes": GIB}] * 17},
    "no such network": {"nics": [{"network": "nowhere"}]},
    "network off": {"nics": [{"network": "off"}]},
    "both plugs": {"nics": [{"network": "default", "bridge": "br-lan"}]},
    "no such image": {"image": str(uuid.UUID(int=7))},
    "no such size": {"size": str(uuid.UUID(int=7))},
    "no such project": {"project": str(uuid.UUID(int=7))},
    "no such field": {"privileged": True},
    "keys without an image": {"ssh_keys": [KEY]},
    "start maybe": {"start": "maybe"},
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_and_leaves_nothing(cast, host, what):
    answer = ask(cast, {**least(), **BAD[what]})
    assert answer.status_code in (400, 409), answer.content
    problem = answer.json()
    assert problem["detail"]
    assert problem["code"] in ("invalid", "no_room", "quota_exceeded")
    assert not Vm.objects.filter(is_made_by_eve=True).exists()
    assert not Operation.objects.exists()
    assert not Disk.objects.exists()
    assert host.asked == []


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"memory_bytes": 0}, "memory_bytes", "32 MiB to 16 TiB, in whole MiB."),
        ({"memory_bytes": -1}, "memory_bytes", "32 MiB to 16 TiB, in whole MiB."),
        ({"vcpus": 0}, "vcpus", "1 to 512."),
        ({"disks": [{"size_bytes": 0}]}, "disks", "1 MiB to 64 TiB each, in whole MiB."),
    ],
)
def test_a_number_that_cannot_be_is_answered_with_those_that_can(cast, host, body, field, words):
    answer = ask(cast, {**least(), **body}).json()
    assert (answer["errors"], answer["detail"]) == ({field: [words]}, f"{field}: {words}")


BOMB = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 30))
"""Nine to the thirtieth power, written out."""

SEEDS = {
    "no key": ({"ssh_keys": ["AAAA"]}, "ssh_keys"),
    "a private key": ({"ssh_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "ssh_keys"),
    "a key with an option": ({"ssh_keys": [f'command="x" {KEY}']}, "ssh_keys"),
    "no YAML": ({"user_data": "#cloud-config\na: [b\n"}, "user_data"),
    "no mapping": ({"user_data": "#cloud-config\n- a\n"}, "user_data"),
    "a tag": ({"user_data": "#cloud-config\na: !!python/object/apply:os.system [id]\n"}, "user_data"),
    "an include": ({"user_data": "#include\nhttp://169.254.169.254/\n"}, "user_data"),
    "too long": ({"user_data": "#cloud-config\na: " + "x" * 60_000}, "user_data"),
    "deep": ({"user_data": "#cloud-config\na: " + "[" * 5000}, "user_data"),
    "a bomb of merges": ({"user_data": f"#cloud-config\na0: &a0 {{k: v}}\n{BOMB}"}, "user_data"),
    "a network that is a bomb": ({"network_config": f"a0: &a0 {{k: v}}\n{BOMB}"}, "network_config"),
    "what holds itself": ({"user_data": "#cloud-config\nssh_authorized_keys: &a [*a]\n"}, "user_data"),
    "no time": ({"user_data": "#cloud-config\na: !!timestamp soon\n"}, "user_data"),
    "no number": ({"user_data": "#cloud-config\na: !!int ''\n"}, "user_data"),
    "neither yes nor no": ({"user_data": "#cloud-config\na: !!bool perhaps\n"}, "user_data"),
    "an endless number": ({"user_data": "#cloud-config\na: 0x" + "f" * 5000}, "user_data"),
    "a deep one": ({"user_data": "#cloud-config\na: " + "[" * 20_000 + "]" * 20_000}, "user_data"),
    "many values": ({"user_data": "#cloud-config\na: [" + "1," * 20_000 + "1]"}, "user_data"),
    "a MiB": ({"user_data": "#cloud-config\n" + "# \n" * 2**18}, "user_data"),
    "a network of words": ({"network_config": "just words"}, "network_config"),
}


@pytest.mark.parametrize("what", SEEDS)
def test_bad_texts_for_the_first_boot_are_named(cast, host, what):
    more, field = SEEDS[what]
    answer = ask(cast, least(image=str(cloud_image(cast).pk), **more))
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][field]
    assert not Vm.objects.filter(is_made_by_eve=True).exists()


def test_aliases_that_end_are_kept(cast, host):
    image = cloud_image(cast)
    host.has_image(image.pk)
    own = "#cloud-config\nbase: &base {owner: root}\nwrite_files:\n- {<<: *base, path: /a}\n- {<<: *base, path: /b}\n"
    vm_id = ask(cast, least(image=str(image.pk), user_data=own)).json()["id"]
    work()
    told = yaml.safe_load(host.seeds[uuid.UUID(vm_id)].user_data)
    assert told["write_files"] == [{"owner": "root", "path": "/a"}, {"owner": "root", "path": "/b"}]


def test_a_script_goes_beside_what_eve_says(cast, host):
    image = cloud_image(cast)
    host.has_image(image.pk)
    vm_id = ask(cast, least(image=str(image.pk), user_data="#!/bin/sh\necho hi\n", ssh_keys=[KEY])).json()["id"]
    work()
    told = host.seeds[uuid.UUID(vm_id)].user_data
    assert told.startswith("Content-Type: multipart/mixed")
    assert "text/cloud-config" in told
    assert "text/x-shellscript" in told


def test_a_disk_smaller_than_its_image_is_refused(cast, host):
    answer = ask(cast, least(image=str(cloud_image(cast, virtual_bytes=6 * GIB).pk)))
    assert answer.status_code == 400
    assert "6144 MiB at least" in answer.json()["detail"]


def test_somebody_elses_image_is_not_there(cast, host):
    image = cloud_image(cast, project=cast.ottos)
    assert ask(cast, least(image=str(image.pk))).status_code == 400
    assert str(image.pk) not in cast.api(cast.owner).get("/api/v1/images").content.decode()
    assert str(image.pk) in cast.api(cast.outsider).get("/api/v1/images").content.decode()


def test_an_image_of_another_project_of_mine_is_refused_too(cast, host):
    image = cloud_image(cast, project=cast.acme)
    assert ask(cast, least(image=str(image.pk))).status_code == 400
    assert ask(cast, least(image=str(image.pk), project=str(cast.acme.pk))).status_code == 202


@pytest.mark.parametrize("who", ["viewer", "outsider", "staff_here", "superuser"])
def test_only_operators_make_vms_in_a_project(cast, host, who):
    answer = ask(cast, least(project=str(cast.acme.pk)), who=who)
    assert answer.status_code == (403 if who == "viewer" else 400)
    assert not Vm.objects.filter(is_made_by_eve=True).exists()


def test_a_host_is_chosen_by_its_staff_only(cast, host):
    assert ask(cast, least(hypervisor=str(cast.hypervisor_here.pk))).status_code == 400
    assert ask(cast, least(hypervisor=str(cast.hypervisor_here.pk)), who="staff_here").status_code == 202


def test_a_site_that_is_none_of_ones_own_is_not_there(cast, host):
    assert ask(cast, least(site=str(cast.there.pk))).status_code == 400
    assert ask(cast, least(site=str(cast.there.pk)), who="staff_there").status_code in (202, 409)


def test_a_name_is_taken_once_in_a_project(cast, host):
    assert ask(cast, least()).status_code == 202
    answer = ask(cast, least())
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert ask(cast, least(), who="operator").status_code == 202


def test_no_room(cast, host):
    equip(cast.hypervisor_here, memory_bytes=3 * GIB)
    answer = ask(cast, least())
    assert (answer.status_code, answer.json()["code"]) == (409, "no_room")
    equip(cast.hypervisor_here, space_bytes=4 * GIB)
    assert "space left" in ask(cast, least()).json()["detail"]
    cast.hypervisor_here.facts["pools"] = []
    cast.hypervisor_here.save()
    assert "storage pool that Eve can use" in ask(cast, least()).json()["detail"]
    cast.hypervisor_here.state = HypervisorState.OFFLINE
    cast.hypervisor_here.save()
    assert "No host can make" in ask(cast, least()).json()["detail"]


def test_it_goes_where_most_memory_is_left(cast, host):
    equip(cast.hypervisor_there, memory_bytes=128 * GIB)
    placed = [Vm.objects.get(pk=ask(cast, least(name=f"vm-{n}")).json()["id"]).hypervisor.name for n in range(2)]
    assert placed == ["hv-there", "hv-there"]
    here = ask(cast, least(name="vm-here", site=str(cast.here.pk))).json()["id"]
    assert Vm.objects.get(pk=here).hypervisor == cast.hypervisor_here


def test_guests_that_eve_does_not_have_use_memory_too(cast, host):
    equip(cast.hypervisor_there, memory_bytes=128 * GIB)
    found = make_domain(memory_bytes=100 * GIB, state=DomainState.OFF)

    def placed(name):
        return Vm.objects.get(pk=ask(cast, least(name=name)).json()["id"]).hypervisor.name

    domain_apply(hypervisor_id=cast.hypervisor_there.pk, domain=found)
    assert placed("off") == "hv-there"
    domain_apply(hypervisor_id=cast.hypervisor_there.pk, domain=replace(found, state=DomainState.RUNNING))
    assert placed("runs") == "hv-here"
    domain_remove(hypervisor_id=cast.hypervisor_there.pk, domain_uuid=found.uuid)
    assert placed("gone") == "hv-there"


def test_the_quota_holds(cast, host):
    Quota.objects.create(project=cast.acme, vms=3, vcpus=4, disk_bytes=8 * GIB)
    first = ask(cast, least(project=str(cast.acme.pk), vcpus=1))
    assert first.status_code == 202
    answer = ask(cast, least(name="more", project=str(cast.acme.pk), vcpus=1))
    assert (answer.status_code, answer.json()["code"], answer.json()["what"]) == (409, "quota_exceeded", "disk_bytes")
    assert answer.json()["detail"].startswith(
        "Project Acme may use 8 GiB of disk space. In use: 5 GiB. This needs 5 GiB more."
    )
    shares = {
        share["name"]: share for share in cast.api(cast.viewer).get(f"/api/v1/projects/{cast.acme.pk}/quota").json()
    }
    assert shares["vms"] == {"name": "vms", "used": 2, "limit": 3}
    assert shares["disk_bytes"]["used"] == 5 * GIB
    assert cast.api(cast.outsider).get(f"/api/v1/projects/{cast.acme.pk}/quota").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_quota_holds_for_many_at_once(cast, host):
    Quota.objects.create(project=cast.acme, vms=4)
    api, codes, barrier = cast.token(cast.owner), [], threading.Barrier(12)

    def one(number):
        from rest_framework.test import APIClient

        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {api}")
        try:
            barrier.wait()
            body = least(name=f"vm-{number}", project=str(cast.acme.pk))
            codes.append(client.post("/api/v1/vms", body, format="json").status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [202] * 3 + [409] * 9


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_with_one_key_make_one(cast, host):
    token, answers, barrier = cast.token(cast.owner), [], threading.Barrier(50)

    def one():
        from rest_framework.test import APIClient

        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}", HTTP_IDEMPOTENCY_KEY="k-1")
        try:
            barrier.wait()
            answers.append(client.post("/api/v1/vms", least(), format="json"))
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (Vm.objects.filter(is_made_by_eve=True).count(), Disk.objects.count()) == (1, 1)
    assert ask(cast, least(name="other"), key="k-1").status_code == 422


STEPS = ["disk_make", "domain_define", "change_state start"]


@pytest.mark.parametrize("step", STEPS)
def test_a_host_that_is_away_at_any_step_leaves_nothing(cast, host, step):
    def away(name):
        if name == step:
            raise HostAway("hv-here does not answer.")

    vm_id = ask(cast, least()).json()["id"]
    host.before = away
    operation = work()
    assert (operation.state, operation.error["code"]) == ("failed", "host_away")
    assert not Vm.objects.filter(pk=vm_id).exists()
    assert not Disk.objects.exists()
    assert host.is_empty
    assert AuditEvent.objects.get(action="vm.create").detail["error"] == "host_away"


def test_what_cannot_be_taken_back_yet_is_later(cast, host):
    def away(name):
        if name in ("domain_define", "domain_delete"):
            raise HostAway("hv-here does not answer.")

    vm_id = ask(cast, least()).json()["id"]
    host.before = away
    operation = work()
    assert operation.is_active
    assert Vm.objects.filter(pk=vm_id, state=VmState.CREATING).exists()
    assert host.disks
    host.before = lambda name: None
    Operation.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert work().state == OperationState.FAILED
    assert not Vm.objects.filter(pk=vm_id).exists()
    assert host.is_empty


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_at_any_step_is_followed_by_one_that_finishes(cast, host, step):
    class KilledError(BaseException):
        pass

    def kill(name):
        if name == step:
            raise KilledError

    vm_id = ask(cast, least()).json()["id"]
    host.before = kill
    with pytest.raises(KilledError):
        operation_run(operation_claim(worker="killed"))
    host.before = lambda name: None
    Operation.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    assert work().state == OperationState.SUCCEEDED
    assert Vm.objects.get(pk=vm_id).state == VmState.RUNNING
    assert (len(host.domains), len(host.disks)) == (1, 1)


def test_cancelled_on_the_way_it_is_gone(cast, host):
    def cancel(name):
        if name == "disk_make":
            operation_cancel(operation=Operation.objects.get(), user=cast.owner)

    vm_id = ask(cast, least()).json()["id"]
    host.before = cancel
    assert work().state == OperationState.CANCELLED
    assert not Vm.objects.filter(pk=vm_id).exists()
    assert host.is_empty


def test_for_who_was_disabled_meanwhile_nothing_is_made(cast, host):
    vm_id = ask(cast, least()).json()["id"]
    User.objects.filter(pk=cast.owner.pk).update(is_active=False)
    operation = work()
    assert (operation.state, operation.error["code"]) == (OperationState.FAILED, "not_allowed")
    assert "disk_make" not in host.asked
    assert not Vm.objects.filter(pk=vm_id).exists()
    assert host.is_empty


def test_a_host_listed_meanwhile_does_not_lose_it(cast, host):
    def listed(name):
        if name == "domain_define":
            inventory_apply(hypervisor_id=cast.hypervisor_here.pk, domains=[])
            assert Vm.objects.get(is_made_by_eve=True).state == VmState.CREATING

    ask(cast, least())
    host.before = listed
    assert work().state == OperationState.SUCCEEDED


def test_its_name_is_eves_whatever_its_domain_is_called(cast, host):
    vm_id = ask(cast, least()).json()["id"]
    work()
    inventory_apply(hypervisor_id=cast.hypervisor_here.pk, domains=list(host.domains.values()))
    assert Vm.objects.get(pk=vm_id).name == "web"


def made(cast: Cast) -> Vm:
    vm_id = ask(cast, least(project=str(cast.acme.pk))).json()["id"]
    work()
    return Vm.objects.get(pk=vm_id)


def test_delete(cast, host):
    vm = made(cast)
    answer = cast.api(cast.operator).delete(f"/api/v1/vms/{vm.pk}")
    assert answer.status_code == 202, answer.content
    again = cast.api(cast.operator).delete(f"/api/v1/vms/{vm.pk}")
    assert again.json() == answer.json()
    assert work().state == OperationState.SUCCEEDED
    assert host.is_empty
    assert not Vm.objects.filter(pk=vm.pk).exists()
    assert not Disk.objects.exists()
    assert not Nic.objects.exists()
    assert cast.api(cast.operator).delete(f"/api/v1/vms/{vm.pk}").status_code == 404
    assert "deleted" in cast.pages(cast.owner).get("/activity/").content.decode()


def test_delete_that_keeps_the_disks(cast, host):
    vm = made(cast)
    cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}?keep_disks=true")
    work()
    disk = Disk.objects.get()
    assert (disk.vm, disk.project) == (None, cast.acme)
    assert list(host.disks) == [disk.pk]
    assert not host.domains


@pytest.mark.parametrize(
    ("who", "code"), [("viewer", 403), ("outsider", 404), ("staff_there", 404), ("staff_here", 202)]
)
def test_who_may_delete(cast, host, who, code):
    vm = made(cast)
    assert cast.api(getattr(cast, who)).delete(f"/api/v1/vms/{vm.pk}").status_code == code


def test_what_eve_did_not_make_is_not_deleted(cast, host):
    answer = cast.api(cast.owner).delete(f"/api/v1/vms/{cast.acme_vm.pk}")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert not Operation.objects.exists()


def test_a_delete_that_fails_leaves_the_vm_and_can_be_tried_again(cast, host):
    def away(name):
        if name == "domain_delete":
            raise HostAway("hv-here does not answer.")

    vm = made(cast)
    host.before = away
    cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}")
    assert work().state == OperationState.FAILED
    vm.refresh_from_db()
    assert vm.lifecycle == Lifecycle.KEPT
    host.before = lambda name: None
    cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}")
    assert work().state == OperationState.SUCCEEDED
    assert host.is_empty


def test_deleting_and_starting_at_once_do_not_interleave(cast, host):
    vm = made(cast)
    assert cast.api(cast.owner).delete(f"/api/v1/vms/{vm.pk}").status_code == 202
    answer = cast.api(cast.operator).patch(f"/api/v1/vms/{vm.pk}/state", {"action": "stop"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_running")


def test_secrets_of_the_first_boot_are_nowhere_to_be_read(cast, host, caplog):
    image = cloud_image(cast)
    host.has_image(image.pk)
    body = least(
        image=str(image.pk), user_data="#cloud-config\nbootcmd: [canary-in-user-data]\n", project=str(cast.acme.pk)
    )
    vm_id = ask(cast, body).json()["id"]
    work()
    for who in ("viewer", "owner"):
        api = cast.api(getattr(cast, who))
        for path in (f"/api/v1/vms/{vm_id}", "/api/v1/vms", "/api/v1/operations", "/api/v1/me"):
            assert "canary" not in api.get(path).content.decode()
    assert "canary" not in caplog.text
    assert "canary" not in str(list(AuditEvent.objects.values()))
    assert "canary" not in repr(host.seeds)
    assert Project.objects.exists()
