"""Rescue and reinstallation: what is checked, what its host is asked, and what is as before when something fails."""

from __future__ import annotations

from typing import Any

import pytest
from eve_agent.wire.domain import DomainState
from eve_agent.wire.errors import ErrorCode

from hypervisors.errors import HostAway
from tests.cast import Cast
from vms.models import Disk, Image, ImageState, Lifecycle, Seed, Snapshot, Vm, VmState

from .changing_host import ChangingHost, refusal
from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]


def make_image(cast: Cast, host: ChangingHost, **fields: Any) -> Image:
    """One that is ready, also on the host."""
    usual = {"name": "Debian", "format": "raw", "site": cast.here, "state": ImageState.READY, "virtual_bytes": GIB}
    image = Image.objects.create(**{**usual, **fields})
    host.has_image(image.pk)
    return image


@pytest.fixture
def iso(cast: Cast, host: ChangingHost) -> Image:
    """An ISO."""
    return make_image(cast, host, kind="iso", name="rescue")


@pytest.fixture
def cloud(cast: Cast, host: ChangingHost) -> Image:
    """A cloud image."""
    return make_image(cast, host, kind="cloud", name="Debian 12")


def changes(host: ChangingHost, since: int) -> list[str]:
    """What the host was asked to do since then."""
    return [asked for asked in host.asked[since:] if asked != "image"]


def test_a_rescue_and_back(cast: Cast, host: ChangingHost, vm: Vm, iso: Image) -> None:
    disk, since = vm.disks.get(), len(host.asked)
    assert ask(cast, vm, "put", "rescue", {"image": str(iso.pk)}).status_code == 202
    assert work().state == "succeeded"
    assert changes(host, since) == [
        "change_state stop",
        f"cdrom_change {iso.pk}",
        "boot_order_set",
        "change_state start",
    ]
    assert host.boots == ("cdrom", str(disk.pk))
    assert ask(cast, vm, "get", "").json()["is_rescued"] is True
    assert "runs a rescue system" in cast.pages(cast.viewer).get(f"/vms/{vm.pk}/").content.decode()
    for method, path, body in (
        ("put", "rescue", {"image": str(iso.pk)}),
        ("put", "cd", {"image": None}),
        ("put", "boot", {"devices": ["cdrom"]}),
        ("post", "snapshots", {"name": "x"}),
        ("post", "reinstall", {"image": str(iso.pk)}),
    ):
        assert ask(cast, vm, method, path, body).json()["code"] == "wrong_state", path
    since = len(host.asked)
    assert ask(cast, vm, "delete", "rescue").status_code == 202
    assert work().state == "succeeded"
    assert changes(host, since) == [
        "change_state stop",
        "cdrom_change None",
        "boot_order_set",
        "change_state start",
    ]
    vm.refresh_from_db()
    assert (vm.rescue, vm.cd_image) == ({}, None)
    assert ask(cast, vm, "delete", "rescue").json()["code"] == "wrong_state"


@pytest.mark.parametrize("at", ["image", "change_state stop", "cdrom_change", "boot_order_set", "change_state start"])
def test_a_rescue_that_fails_is_taken_back(cast: Cast, host: ChangingHost, vm: Vm, iso: Image, at: str) -> None:
    fallen: list[str] = []

    def fail(name: str) -> None:
        if name.startswith(at) and not fallen:
            fallen.append(name)
            raise refusal(ErrorCode.ACTION_REFUSED)

    host.before = fail
    ask(cast, vm, "put", "rescue", {"image": str(iso.pk)})
    assert work().state == "failed"
    vm.refresh_from_db()
    assert (vm.rescue, vm.cd_image) == ({}, None)
    assert host.domains[vm.pk].state is DomainState.RUNNING


def test_its_image_is_held_while_it_is_rescued(cast: Cast, host: ChangingHost, vm: Vm, iso: Image) -> None:
    ask(cast, vm, "put", "rescue", {"image": str(iso.pk)})
    assert cast.api(cast.superuser).delete(f"/api/v1/images/{iso.pk}").json()["code"] == "image_in_use"


def test_the_first_disk_is_made_anew_and_all_else_stays(cast: Cast, host: ChangingHost, vm: Vm, cloud: Image) -> None:
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    work()
    old, second = vm.disks.order_by("position")
    mac = vm.nics.get().mac
    body = {"image": str(cloud.pk), "password": "quite secret 1", "ssh_keys": []}
    answer = ask(cast, vm, "post", "reinstall", body)
    assert answer.status_code == 202, answer.content
    assert Vm.objects.get(pk=vm.pk).lifecycle == Lifecycle.MAKING
    operation = work()
    assert (operation.state, operation.error) == ("succeeded", None)
    assert "quite secret" not in str(operation.arguments)
    new, same = vm.disks.order_by("position")
    assert (new.image, new.size_bytes, same) == (cloud, 5 * GIB, second)
    assert not Disk.objects.filter(pk=old.pk).exists()
    assert set(host.disks) == {new.pk, second.pk}
    spec = host.specs[vm.pk]
    assert [disk.disk_uuid for disk in spec.disks] == [new.pk, second.pk]
    assert [nic.mac for nic in spec.nics] == [mac]
    assert "local-hostname: web" in host.seeds[vm.pk].meta_data
    assert host.domains[vm.pk].state is DomainState.RUNNING
    assert Vm.objects.get(pk=vm.pk).lifecycle == Lifecycle.KEPT
    assert not Seed.objects.exclude(user_data="", network_config="").exists()


def test_with_an_iso_the_disk_is_empty(cast: Cast, host: ChangingHost, vm: Vm, iso: Image) -> None:
    assert ask(cast, vm, "post", "reinstall", {"image": str(iso.pk), "password": "x"}).status_code == 400
    assert ask(cast, vm, "post", "reinstall", {"image": str(iso.pk)}).status_code == 202
    assert work().state == "succeeded"
    assert vm.disks.get().image is None
    spec = host.specs[vm.pk]
    assert (spec.cdrom.image_uuid, spec.cdrom.boot_order, spec.disks[0].boot_order) == (iso.pk, 1, 2)


@pytest.mark.parametrize(
    "at", ["image", "disk_make", "domain_delete", "seed_make", "domain_define", "change_state start"]
)
def test_a_reinstallation_that_fails_leaves_the_old_system(
    cast: Cast, host: ChangingHost, vm: Vm, cloud: Image, at: str
) -> None:
    old, fallen = vm.disks.get(), []

    def fail(name: str) -> None:
        if name == at and not fallen:
            fallen.append(name)
            raise HostAway("Away.") if at == "domain_define" else refusal(ErrorCode.ACTION_REFUSED)

    host.before = fail
    ask(cast, vm, "post", "reinstall", {"image": str(cloud.pk)})
    assert work().state == "failed"
    assert fallen
    assert [disk.pk for disk in vm.disks.all()] == [old.pk]
    assert set(host.disks) == {old.pk}
    assert [disk.uuid for disk in host.domains[vm.pk].disks] == [old.pk]
    assert host.domains[vm.pk].state is DomainState.RUNNING
    assert Vm.objects.get(pk=vm.pk).lifecycle == Lifecycle.KEPT
    assert not Seed.objects.exclude(user_data="", network_config="").exists()


def test_an_old_disk_that_cannot_be_deleted_is_kept(cast: Cast, host: ChangingHost, vm: Vm, cloud: Image) -> None:
    old = vm.disks.get()

    def fail(name: str) -> None:
        if name == "disk_delete":
            raise HostAway("Away.")

    host.before = fail
    ask(cast, vm, "post", "reinstall", {"image": str(cloud.pk)})
    assert work().state == "succeeded"
    kept = Disk.objects.get(pk=old.pk)
    assert (kept.vm, kept.kept_from, kept.project) == (None, "web", cast.acme)


def test_what_it_cannot_be_made_from_is_refused(cast: Cast, host: ChangingHost, vm: Vm, cloud: Image) -> None:
    far = make_image(cast, host, kind="cloud", site=cast.there)
    large = make_image(cast, host, kind="cloud", virtual_bytes=6 * GIB)
    others = make_image(cast, host, kind="cloud", project=cast.ottos)
    for image in (far, large, others):
        answer = ask(cast, vm, "post", "reinstall", {"image": str(image.pk)})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["image"])
    assert ask(cast, vm, "put", "rescue", {"image": str(cloud.pk)}).status_code == 400
    Snapshot.objects.create(vm=vm, name="old", vcpus=2, memory_bytes=2 * GIB, state="ready")
    assert ask(cast, vm, "post", "reinstall", {"image": str(cloud.pk)}).json()["code"] == "wrong_state"
    assert Vm.objects.get(pk=vm.pk).lifecycle == Lifecycle.KEPT


@pytest.mark.parametrize(("method", "path"), [("put", "rescue"), ("delete", "rescue"), ("post", "reinstall")])
def test_only_operators_may(cast: Cast, vm: Vm, iso: Image, method: str, path: str) -> None:
    body = {"image": str(iso.pk)} if method != "delete" else None
    assert ask(cast, vm, method, path, body, who="viewer").status_code == 403
    for stranger in ("outsider", "staff_there"):
        assert ask(cast, vm, method, path, body, who=stranger).status_code == 404


def test_the_pages_do_the_same(cast: Cast, host: ChangingHost, vm: Vm, iso: Image, cloud: Image) -> None:
    client, address = cast.pages(cast.operator), f"/vms/{vm.pk}"
    client.post(f"{address}/rescue/", {"image": str(iso.pk)})
    assert work().kind == "vm.rescue"
    assert "End the rescue…" in client.get(f"{address}/settings/").content.decode()
    client.post(f"{address}/rescue/", {"end": "1"})
    assert work().kind == "vm.rescue_end"
    form = {"image": str(cloud.pk), "ssh_keys": "", "password": ""}
    answer = client.post(f"{address}/reinstall/", {**form, "typed": "wub"}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    client.post(f"{address}/reinstall/", {**form, "typed": "web"})
    assert work().kind == "vm.reinstall"
    html = client.get(f"{address}/settings/").content.decode()
    assert 'data-confirm-type="web"' in html
    assert "/reinstall/" not in cast.pages(cast.viewer).get(f"{address}/settings/").content.decode()


def test_nothing_is_said_to_be_stopped_that_is_off(cast: Cast, vm: Vm, iso: Image) -> None:
    def asks(state: VmState) -> str:
        Vm.objects.filter(pk=vm.pk).update(state=state)
        return cast.pages(cast.operator).get(f"/vms/{vm.pk}/settings/").content.decode()

    stops = ("It stops at once, as if the plug were pulled", "It stops at once, and all that is on its first disk")
    running, off = asks(VmState.RUNNING), asks(VmState.OFF)
    assert all(words in running for words in stops)
    assert not any(words in off for words in stops)
    assert "It is off now, and starts." in off


def test_what_ends_a_rescue_is_a_click_away_for_who_may(cast: Cast, host: ChangingHost, vm: Vm, iso: Image) -> None:
    ask(cast, vm, "put", "rescue", {"image": str(iso.pk)})
    assert work().state == "succeeded"
    link = f'href="/vms/{vm.pk}/settings/#rescue-title"'
    assert link in cast.pages(cast.operator).get(f"/vms/{vm.pk}/").content.decode()
    assert link not in cast.pages(cast.viewer).get(f"/vms/{vm.pk}/").content.decode()


def test_what_snapshots_forbid_is_said_before_one_asks(cast: Cast, host: ChangingHost, vm: Vm, cloud: Image) -> None:
    def page() -> str:
        return cast.pages(cast.operator).get(f"/vms/{vm.pk}/settings/").content.decode()

    assert "delete them first" not in page()
    ask(cast, vm, "post", "snapshots", {"name": "before"})
    assert work().state == "succeeded"
    assert "delete them first" in page()
    assert f"/vms/{vm.pk}/reinstall/" not in page()
