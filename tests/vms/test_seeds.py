"""What a first boot is told leaves its host when that is over, and the guest still finds out who it is."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.utils import timezone
from eve_agent.wire.domain import Disk as SeenDisk
from eve_agent.wire.errors import ErrorCode

from hypervisors.errors import HostAway
from hypervisors.models import Hypervisor
from hypervisors.signals import host_reached
from tests.cast import Cast
from vms.cloudinit import seed_make
from vms.models import Image, Lifecycle, Seed, Vm, VmState
from vms.services.seeds import AGAIN, ANSWERING, AT_LAST, SILENT, seeds_end

from .changing_host import ChangingHost, refusal
from .stub_host import GIB
from .test_changing import ask, host, work
from .test_systems import cloud

__all__ = ["cloud", "host"]
SECRET = "a-canary"


@pytest.fixture
def vm(cast: Cast, host: ChangingHost, cloud: Image) -> Vm:
    """A machine of a cloud image, which runs, and was told a secret."""
    body = {
        "name": "web",
        "vcpus": 2,
        "memory_bytes": 2 * GIB,
        "image": str(cloud.pk),
        "user_data": f"#cloud-config\nhostname: own-name\ngrowpart: {{mode: 'off'}}\nx: {SECRET}\n",
        "network_config": f"version: 2\nethernets: {{}}\n# {SECRET}\n",
        "project": str(cast.acme.pk),
    }
    answer = cast.api(cast.owner).post("/api/v1/vms", body, format="json")
    assert answer.status_code == 202, answer.content
    assert work().state == "succeeded"
    Vm.objects.exclude(name="web").update(state=VmState.OFF)
    return Vm.objects.select_related("hypervisor", "project").get(pk=answer.json()["id"])


def was(vm: Vm, ago: dt.timedelta, *, state: str = VmState.RUNNING, agent: bool = False, **fields: Any) -> None:
    """It has been in that state for so long."""
    told = {"has_agent": agent, "addresses": ["an address"]}
    now = timezone.now()
    usual = {"guest": told, "guest_asked_at": now}
    Vm.objects.filter(pk=vm.pk).update(**{**usual, "state": state, "state_since": now - ago, **fields})


def tick(vm: Vm) -> int:
    """What the watcher does every ten seconds; how many operations came of it."""
    return seeds_end(hypervisor_id=vm.hypervisor_id)


MINUTE = dt.timedelta(minutes=1)


def test_its_secrets_go_and_its_identity_stays(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    first = host.seeds[vm.pk]
    assert SECRET in first.user_data
    assert SECRET in first.network_config
    was(vm, SILENT + MINUTE)
    host_reached.send(sender=Hypervisor, hypervisor_id=vm.hypervisor_id)
    operation = work()
    assert (operation.kind, operation.state, operation.requested_by) == ("vm.seed_end", "succeeded", None)
    later = host.seeds[vm.pk]
    assert later.meta_data == first.meta_data
    assert yaml.safe_load(later.user_data) == {"preserve_hostname": True, "growpart": {"mode": "off"}}
    assert later.network_config == ""
    assert tick(vm) == 0
    html = cast.pages(cast.viewer).get("/activity/").content.decode()
    assert "deleted from its host what the first boot of" in html


@pytest.mark.parametrize(
    ("is_over", "ago", "fields"),
    [
        (False, ANSWERING - MINUTE, {"agent": True}),
        (True, ANSWERING + MINUTE, {"agent": True}),
        (False, ANSWERING + MINUTE, {"agent": True, "guest_asked_at": timezone.now() - AGAIN}),
        (False, ANSWERING + MINUTE, {"agent": False}),
        (False, SILENT - MINUTE, {"agent": False}),
        (True, SILENT + MINUTE, {"agent": False}),
        (False, 2 * AT_LAST, {"state": VmState.OFF}),
        (False, 2 * AT_LAST, {"state": VmState.UNKNOWN}),
        (False, SILENT + MINUTE, {"lifecycle": Lifecycle.MAKING}),
    ],
)
def test_when_a_first_boot_is_over(vm: Vm, is_over: bool, ago: dt.timedelta, fields: dict[str, Any]) -> None:
    was(vm, ago, **fields)
    assert tick(vm) == is_over


def test_one_that_was_seen_running_and_is_off_at_last(vm: Vm) -> None:
    Seed.objects.update(written_at=timezone.now() - AT_LAST - MINUTE)
    was(vm, MINUTE, state=VmState.OFF, guest_asked_at=None)
    assert tick(vm) == 0
    was(vm, MINUTE, state=VmState.OFF)
    assert tick(vm) == 1


def test_a_change_that_is_under_way_goes_first(cast: Cast, vm: Vm) -> None:
    was(vm, SILENT + MINUTE)
    assert ask(cast, vm, "patch", "", {"name": "other"}).status_code == 202
    assert tick(vm) == 0
    work()
    assert tick(vm) == 1


def test_an_exchange_that_fails_is_tried_again_another_day(host: ChangingHost, vm: Vm) -> None:
    def fail(name: str) -> None:
        if name == "seed_make":
            raise refusal(ErrorCode.POOL_UNUSABLE)

    was(vm, SILENT + MINUTE)
    host.before = fail
    assert tick(vm) == 1
    assert work().state == "failed"
    assert tick(vm) == 0
    host.before = lambda name: None
    Seed.objects.update(tried_at=timezone.now() - AGAIN - MINUTE)
    assert tick(vm) == 1
    assert work().state == "succeeded"
    assert SECRET not in host.seeds[vm.pk].user_data


def test_one_that_is_reinstalled_is_another_instance(cast: Cast, host: ChangingHost, vm: Vm, cloud: Image) -> None:
    was(vm, SILENT + MINUTE)
    tick(vm)
    work()
    body = {"image": str(cloud.pk), "user_data": f"#cloud-config\nx: {SECRET}\n"}
    assert ask(cast, vm, "post", "reinstall", body).status_code == 202
    assert tick(vm) == 0
    assert work().state == "succeeded"
    assert SECRET in host.seeds[vm.pk].user_data
    assert f"instance-id: {vm.disks.get().pk}" in host.seeds[vm.pk].meta_data
    was(vm, SILENT + MINUTE)
    assert tick(vm) == 1
    work()
    assert SECRET not in host.seeds[vm.pk].user_data
    assert f"instance-id: {vm.disks.get().pk}" in host.seeds[vm.pk].meta_data


@pytest.mark.parametrize("at", ["disk_make", "seed_make", "domain_define"])
def test_one_that_could_not_be_reinstalled_is_who_it_was(
    cast: Cast, host: ChangingHost, vm: Vm, cloud: Image, at: str
) -> None:
    fallen: list[str] = []

    def fail(name: str) -> None:
        if name == at and not fallen:
            fallen.append(name)
            raise HostAway("Away.")

    host.before = fail
    assert ask(cast, vm, "post", "reinstall", {"image": str(cloud.pk)}).status_code == 202
    assert work().state == "failed"
    assert f"instance-id: {vm.pk}" in host.seeds[vm.pk].meta_data
    assert host.specs[vm.pk].seed_pool == "default"
    assert Seed.objects.get().pk == vm.pk


def test_a_domain_that_is_defined_again_finds_out_who_it_is(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    del host.domains[vm.pk], host.seeds[vm.pk]
    Vm.objects.filter(pk=vm.pk).update(state=VmState.MISSING)
    answer = cast.api(cast.staff_here).post(f"/api/v1/vms/{vm.pk}/drift/restore")
    assert answer.status_code == 202, answer.content
    work()
    assert f"instance-id: {vm.pk}" in host.seeds[vm.pk].meta_data
    assert SECRET not in host.seeds[vm.pk].user_data
    assert host.specs[vm.pk].seed_pool == "default"


def test_later_boots_keep_what_concerns_each_boot() -> None:
    own = "#cloud-config\nresize_rootfs: false\nbootcmd: [x]\npassword: y\n"
    texts = seed_make(host_name="web", password="secret 1", user_data=own)
    assert yaml.safe_load(texts.later_user_data) == {"preserve_hostname": True, "resize_rootfs": False}
    assert yaml.safe_load(seed_make(host_name="web", user_data="#!/bin/sh\n").later_user_data) == {
        "preserve_hostname": True
    }


def test_what_comes_first_does_not_take_the_place_of_the_customers_own() -> None:
    own = "#cloud-config\nbootcmd: [[touch, /x], echo]\nssh_authorized_keys: [b]\n"
    told = yaml.safe_load(seed_make(host_name="web", user_data=own).user_data)
    assert (told["bootcmd"][0][:3], told["bootcmd"][1:]) == (
        ["cloud-init-per", "instance", "machine-id"],
        [["touch", "/x"], "echo"],
    )
    assert "machine-id" in seed_make(host_name="web", user_data="#!/bin/sh\n").user_data


def test_what_was_made_before_seeds_were_written_down(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    """The rows of machines that were made by an earlier Eve, as the migration makes them."""
    Seed.objects.all().delete()
    migration = import_module("vms.migrations.0012_seeds")
    migration.know_what_was_told(apps, None)
    assert not Seed.objects.exists(), "its host shows no disc of it"
    disc = SeenDisk(target="sdb", device="cdrom", source=f"/pool/seed-{vm.pk}.iso")
    Vm.objects.filter(pk=vm.pk).update(facts={**vm.facts, "disks": [{"source": disc.source}]})
    for moved, instance in ((dt.timedelta(0), vm.pk), (dt.timedelta(hours=1), vm.disks.get().pk)):
        vm.disks.update(created_at=vm.created_at + moved)
        Seed.objects.all().delete()
        migration.know_what_was_told(apps, None)
        seed = Seed.objects.get()
        assert (seed.pk, seed.pool, seed.is_over) == (instance, "default", False)
    was(vm, SILENT + MINUTE)
    assert tick(vm) == 1
    work()
    assert SECRET not in host.seeds[vm.pk].user_data
