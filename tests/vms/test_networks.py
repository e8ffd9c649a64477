"""Which networks customers may plug machines into, and who says so."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent
from hypervisors.models import Hypervisor, HypervisorState
from tests.cast import Cast
from tests.factories import make_member
from vms.models import DiscoveredDomain, Nic, OpenNetwork, Vm

from .stub_host import GIB
from .test_changing import ask, host, vm, work

__all__ = ["host", "vm"]


def wish(cast: Cast, name: str = "new", **more: Any) -> dict[str, Any]:
    return {"name": name, "vcpus": 1, "memory_bytes": GIB, "project": str(cast.acme.pk), **more}


def set_open(cast: Cast, who: str, *, is_open: bool, name: str = "br-lan", kind: str = "bridge") -> Any:
    body = {"kind": kind, "name": name, "is_open": is_open}
    return cast.api(getattr(cast, who)).patch(f"/api/v1/sites/{cast.here.pk}/networks", body, format="json")


@pytest.mark.parametrize("nic", [{"bridge": "br-lan"}, {"network": "off"}, {"bridge": "br-nowhere"}])
def test_customers_use_the_default_network_and_hear_of_no_other(cast: Cast, vm: Vm, nic: dict[str, str]) -> None:
    (name,) = nic.values()
    words = (
        f"“{name}” is no network that you may use at site here. You may use: default. "
        "Its staff can open others to customers."
    )
    for answer in (
        ask(cast, vm, "post", "nics", nic),
        cast.api(cast.owner).post("/api/v1/vms", wish(cast, nics=[nic]), format="json"),
    ):
        assert (answer.status_code, answer.json()["errors"]) == (400, {"nics": [words]})
    assert ask(cast, vm, "post", "nics", {"network": "default"}).status_code == 202
    assert not Vm.objects.filter(name="new").exists()


def test_only_what_a_card_may_be_plugged_into_is_read_of_a_host(cast: Cast, vm: Vm) -> None:
    networks = [
        {"name": "default", "is_active": True, "bridge": "virbr0"},
        {"name": "off", "is_active": False, "bridge": "virbr1"},
    ]
    for facts in (
        {"networks": networks, "bridges": ["br-lan", "virbr0"], "pools": "canary"},
        {"networks": "canary"},
        {},
    ):
        Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).update(facts=facts)
        told = cast.api(cast.staff_here).get(f"/api/v1/sites/{cast.here.pk}/networks")
        assert told.status_code == 200
        found = [(network["kind"], network["name"]) for network in told.json()]
        assert found == ([("network", "default"), ("bridge", "br-lan")] if "bridges" in facts else [])


def test_the_pages_offer_what_may_be_used(cast: Cast, vm: Vm) -> None:
    Hypervisor.objects.update(state=HypervisorState.ONLINE)
    for address in ("/vms/new/", f"/vms/{vm.pk}/hardware/"):
        assert "bridge:br-lan" not in cast.pages(cast.operator).get(address).content.decode()
    OpenNetwork.objects.create(site=cast.there, kind="bridge", name="br-lan")
    assert "bridge:br-lan" not in cast.pages(cast.operator).get("/vms/new/").content.decode(), "of another site"
    OpenNetwork.objects.create(site=cast.here, kind="bridge", name="br-lan")
    for address in ("/vms/new/", f"/vms/{vm.pk}/hardware/"):
        html = cast.pages(cast.operator).get(address).content.decode()
        assert html.index("network:default") < html.index("bridge:br-lan")


def test_what_is_open_is_for_customers_of_that_site(cast: Cast, vm: Vm) -> None:
    assert set_open(cast, "staff_here", is_open=True).status_code == 200
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}).status_code == 202
    assert work().state == "succeeded"
    assert set_open(cast, "staff_here", is_open=False).status_code == 200
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}).status_code == 400
    assert vm.nics.filter(source="br-lan").exists(), "what is used stays"
    events = AuditEvent.objects.filter(target_id=str(cast.here.pk)).order_by("at")
    assert [(event.action, event.detail) for event in events] == [
        ("network.open", {"kind": "bridge", "name": "br-lan"}),
        ("network.close", {"kind": "bridge", "name": "br-lan"}),
    ]


def test_staff_of_the_site_use_any(cast: Cast, vm: Vm) -> None:
    for who in ("staff_here", "staff_there"):
        make_member(cast.acme, getattr(cast, who))
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}, who="staff_there").status_code == 400
    assert ask(cast, vm, "post", "nics", {"bridge": "br-lan"}, who="staff_here").status_code == 202
    assert work().state == "succeeded"
    answer = ask(cast, vm, "post", "nics", {"bridge": "br-wan"}, who="staff_here")
    assert "has no bridge called “br-wan”" in answer.json()["detail"]


def test_a_copy_is_plugged_into_nothing_that_its_maker_may_not_use(cast: Cast, vm: Vm) -> None:
    Nic.objects.create(vm=vm, mac="52:54:00:00:00:77", kind="bridge", source="br-lan", position=1)
    Vm.objects.filter(pk=vm.pk).update(state="off")
    answer = ask(cast, vm, "post", "clone", {"name": "copy"})
    assert answer.status_code == 400
    assert "“br-lan” is no network that you may use" in answer.json()["detail"]
    OpenNetwork.objects.create(site=cast.here, kind="bridge", name="br-lan")
    assert ask(cast, vm, "post", "clone", {"name": "copy"}).status_code == 202


def test_an_adopted_machine_keeps_its_network_and_gets_no_other(cast: Cast, host: Any) -> None:
    from eve_agent.wire.domain import Nic as SeenNic

    from vms.inventory import inventory_apply

    from .conftest import make_domain

    seen = SeenNic(mac="52:54:00:00:00:78", kind="bridge", source="br-lan", model="virtio")
    inventory_apply(hypervisor_id=cast.hypervisor_here.pk, domains=[make_domain("old", nics=(seen,))])
    found = DiscoveredDomain.objects.get(name="old")
    answer = cast.api(cast.staff_here).post(
        f"/api/v1/discovered-domains/{found.pk}/adopt", {"project": str(cast.acme.pk)}, format="json"
    )
    assert answer.status_code in (200, 201), answer.content
    old = Vm.objects.get(name="old")
    assert ask(cast, old, "post", "nics", {"bridge": "br-lan"}).status_code in (400, 409)


@pytest.mark.parametrize(
    ("who", "status"), [("staff_there", 404), ("owner", 404), ("staff_here", 200), ("superuser", 200)]
)
def test_who_opens_networks(cast: Cast, host: Any, who: str, status: int) -> None:
    assert set_open(cast, who, is_open=True).status_code == status
    assert OpenNetwork.objects.exists() == (status == 200)
    page = cast.pages(getattr(cast, who))
    address = f"/manage/hypervisors/{cast.hypervisor_here.pk}/"
    assert page.post(f"{address}networks/", {"close": "bridge:br-lan"}).status_code == (302 if status == 200 else 404)
    assert not OpenNetwork.objects.exists()


def test_what_can_be_opened(cast: Cast, host: Any) -> None:
    address = f"/api/v1/sites/{cast.here.pk}/networks"
    assert cast.api(cast.staff_here).get(address).json() == [
        {"kind": "network", "name": "default", "is_open": True, "is_default": True},
        {"kind": "bridge", "name": "br-lan", "is_open": False, "is_default": False},
    ]
    assert set_open(cast, "staff_here", is_open=True, name="br-nowhere").json()["errors"] == {
        "name": ["No host of site here has an active network or bridge “br-nowhere”."]
    }
    closed = set_open(cast, "staff_here", is_open=False, name="default", kind="network")
    assert (closed.status_code, list(closed.json()["errors"])) == (400, ["is_open"])
    assert set_open(cast, "staff_here", is_open=True, name="default", kind="network").status_code == 200
    assert not OpenNetwork.objects.exists()


def test_a_hosts_page_says_what_is_open(cast: Cast, host: Any) -> None:
    address = f"/manage/hypervisors/{cast.hypervisor_here.pk}/"
    client = cast.pages(cast.staff_here)
    html = client.get(address).content.decode()
    assert "What customers may use at here" in html
    assert "Open br-lan to customers at here?" in html
    client.post(f"{address}networks/", {"open": "bridge:br-lan"})
    assert "Close br-lan to customers?" in client.get(address).content.decode()
    OpenNetwork.objects.create(site=cast.here, kind="bridge", name="br-gone")
    assert "br-gone" in client.get(address).content.decode(), "what no host has any more can be closed"
    answer = client.post(f"{address}networks/", {"open": "bridge:nowhere"}, follow=True)
    assert "No host of site here has an active network" in answer.content.decode()


def test_where_there_is_no_network_it_is_said(cast: Cast, vm: Vm) -> None:
    address, words = f"/vms/{vm.pk}/hardware/", "There is no network to plug a card into."
    assert words not in cast.pages(cast.operator).get(address).content.decode()
    host = Hypervisor.objects.get(pk=vm.hypervisor_id)
    Hypervisor.objects.filter(pk=host.pk).update(facts={**host.facts, "networks": []})
    assert words in cast.pages(cast.operator).get(address).content.decode()
    assert words not in cast.pages(cast.viewer).get(address).content.decode()
