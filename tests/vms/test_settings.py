"""What a machine is called, whether it starts with its host, what it boots from: Eve and its host agree, also when something fails."""

from __future__ import annotations

from typing import Any

import pytest
from eve_agent.wire.errors import ErrorCode

from operations.models import Operation
from tests.cast import Cast
from tests.factories import make_vm
from vms.models import Vm

from .changing_host import ChangingHost, refusal
from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]


def settings_of(vm: Vm) -> tuple[str, bool]:
    """As Eve has them."""
    row = Vm.objects.get(pk=vm.pk)
    return row.name, row.is_autostarted


def test_name_and_start_get_to_the_host(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    answer = ask(cast, vm, "patch", "", {"name": "shop", "autostart": True, "remarks": "Ask Ann."})
    assert answer.status_code == 202, answer.content
    assert settings_of(vm) == ("shop", True)
    assert work().state == "succeeded"
    assert (host.domains[vm.pk].title, host.domains[vm.pk].is_autostarted) == ("shop", True)
    shown = ask(cast, vm, "get", "").json()
    assert (shown["name"], shown["remarks"], shown["facts"]["is_autostarted"]) == ("shop", "Ask Ann.", True)


def test_remarks_alone_need_no_host(cast: Cast, vm: Vm) -> None:
    before = Operation.objects.count()
    answer = ask(cast, vm, "patch", "", {"remarks": "Ask Bob."})
    assert (answer.status_code, answer.json()["remarks"]) == (200, "Ask Bob.")
    assert Operation.objects.count() == before


def test_a_retry_with_its_key_changes_once(cast: Cast, vm: Vm) -> None:
    first, second = (ask(cast, vm, "patch", "", {"name": "shop"}, key="once") for _ in range(2))
    assert first.json() == second.json()
    assert ask(cast, vm, "patch", "", {"name": "other"}, key="once").status_code == 422


@pytest.mark.parametrize("at", ["title_set", "autostart_set"])
def test_what_the_host_refuses_is_as_before(cast: Cast, host: ChangingHost, vm: Vm, at: str) -> None:
    refused: list[str] = []

    def refuse(name: str) -> None:
        if name == at and not refused:
            refused.append(name)
            raise refusal(ErrorCode.ACTION_REFUSED)

    host.before = refuse
    ask(cast, vm, "patch", "", {"name": "shop", "autostart": True})
    assert work().state == "failed"
    assert settings_of(vm) == ("web", False)
    assert (host.domains[vm.pk].title, host.domains[vm.pk].is_autostarted) == ("web", False)


def test_a_former_name_that_is_taken_meanwhile_stays_with_who_has_it(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    def refuse(name: str) -> None:
        if name == "title_set" and not Vm.objects.filter(name="web").exists():
            make_vm(cast.acme, cast.hypervisor_here, "web", is_made_by_eve=True)
            raise refusal(ErrorCode.ACTION_REFUSED)

    host.before = refuse
    ask(cast, vm, "patch", "", {"name": "shop"})
    assert work().state == "failed"
    assert settings_of(vm) == ("shop", False)
    assert host.domains[vm.pk].title == "shop"


def test_a_name_that_another_has_is_refused(cast: Cast, vm: Vm) -> None:
    make_vm(cast.acme, cast.hypervisor_here, "shop", is_made_by_eve=True)
    answer = ask(cast, vm, "patch", "", {"name": "shop", "remarks": "Not this either."})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert settings_of(vm) == ("web", False)
    assert Vm.objects.get(pk=vm.pk).remarks == ""


@pytest.mark.parametrize(
    "name", ["", "Web", "-web", "web-", "a.b", "'/><", "../web", "x" * 64, "x" * 301, "wéb", "a\0b"]
)
def test_what_is_no_name_is_refused(cast: Cast, vm: Vm, name: str) -> None:
    answer = ask(cast, vm, "patch", "", {"name": name})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["name"])
    assert settings_of(vm) == ("web", False)


def test_it_boots_from_what_was_chosen(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    ask(cast, vm, "post", "disks", {"size_bytes": GIB})
    second = work().result["disk"]
    first, mac = str(vm.disks.order_by("position")[0].pk), vm.nics.get().mac
    assert ask(cast, vm, "put", "boot", {"devices": [second, "cdrom", mac.upper()]}).status_code == 202
    assert work().state == "succeeded"
    assert [str(disk.pk) for disk in vm.disks.order_by("position")] == [second, first]
    assert ask(cast, vm, "get", "boot").json() == {"devices": [second, "cdrom", mac]}
    ask(cast, vm, "delete", f"nics/{mac}")
    work()
    assert ask(cast, vm, "get", "boot").json() == {"devices": [second, "cdrom"]}
    assert ask(cast, vm, "delete", f"disks/{second}").status_code == 409


@pytest.mark.parametrize("devices", [[], ["cdrom", "cdrom"], ["floppy"], ["52:54:00:00:00:00"], ["'/><"]])
def test_it_boots_from_its_own_devices_only(cast: Cast, vm: Vm, devices: list[str]) -> None:
    answer = ask(cast, vm, "put", "boot", {"devices": devices})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["devices"])


def test_it_is_moved_with_the_api(cast: Cast, vm: Vm) -> None:
    own = cast.owner.personal_project
    for project in (cast.ottos.pk, vm.pk):
        answer = ask(cast, vm, "put", "project", {"project": str(project)}, who="owner")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["project"])
    for who in ("viewer", "operator"):
        theirs = str(getattr(cast, who).personal_project.pk)
        assert ask(cast, vm, "put", "project", {"project": theirs}, who=who).status_code == 400
    answer = ask(cast, vm, "put", "project", {"project": str(own.pk)}, who="owner")
    assert answer.json()["project"] == {"id": str(own.pk), "name": own.name}
    assert ask(cast, vm, "get", "", who="operator").status_code == 404
    assert vm.disks.get().project == own


def test_the_page_changes_what_was_changed(cast: Cast, host: ChangingHost, vm: Vm) -> None:
    client, address = cast.pages(cast.operator), f"/vms/{vm.pk}/settings/"
    form: dict[str, Any] = {"name": "web", "remarks": "one\r\ntwo"}
    assert client.post(f"{address}save/", form)["Location"] == address
    assert Vm.objects.get(pk=vm.pk).remarks == "one\ntwo"
    assert not Operation.objects.filter(kind="vm.settings").exists()
    client.post(f"{address}save/", {**form, "name": "shop", "autostart": "on"})
    html = client.get(address).content.decode()
    assert "/save/" not in html
    assert work().state == "succeeded"
    html = client.get(address).content.decode()
    assert 'value="shop"' in html
    assert 'name="autostart" checked' in html
    client.post(f"/vms/{vm.pk}/boot/", {"device": [str(vm.disks.get().pk), ""]})
    assert work().state == "succeeded"
    assert "selected" in client.get(address).content.decode()
    assert 'role="alert"' in client.post(f"/vms/{vm.pk}/boot/", {}, follow=True).content.decode()


def test_a_viewer_sees_the_settings_and_changes_none(cast: Cast, vm: Vm) -> None:
    html = cast.pages(cast.viewer).get(f"/vms/{vm.pk}/settings/").content.decode()
    assert 'method="post" action="/vms/' not in html
    cast.pages(cast.viewer).post(f"/vms/{vm.pk}/settings/save/", {"name": "mine", "remarks": "mine"})
    cast.pages(cast.viewer).post(f"/vms/{vm.pk}/boot/", {"device": ["cdrom"]})
    assert not Operation.objects.exclude(kind="vm.create").exists()
    assert settings_of(vm) == ("web", False)
