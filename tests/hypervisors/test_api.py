"""Sites and hypervisors over the API: who sees and changes what."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from eve_agent.wire.certs import EnrolmentToken

from hypervisors.castore import CaStore
from hypervisors.models import Hypervisor, Site
from tests.cast import Cast
from tests.factories import make_hypervisor

PATHS = ["/api/v1/sites", "/api/v1/hypervisors"]


def paths_of(hypervisor: Hypervisor) -> list[tuple[str, str]]:
    """Every way to one hypervisor."""
    base = f"/api/v1/hypervisors/{hypervisor.pk}"
    return [
        ("get", base),
        ("patch", base),
        ("delete", base),
        ("get", f"{base}/state"),
        ("post", f"{base}/enrolment"),
        ("post", f"{base}/test"),
        ("get", f"/api/v1/sites/{hypervisor.site_id}"),
    ]


@pytest.mark.parametrize("part", ["owner", "operator", "viewer", "outsider"])
def test_there_is_nothing_here_for_customers(part, cast: Cast, ca: CaStore):
    api = cast.api(getattr(cast, part))
    for path in PATHS:
        assert api.get(path).status_code == 404, path
        assert api.post(path, {"name": "x"}).status_code == 404, path
    for method, path in paths_of(cast.hypervisor_here):
        assert getattr(api, method)(path).status_code == 404, (method, path)
    assert Hypervisor.objects.count() == 2


def test_nobody_without_signing_in(cast: Cast):
    api = cast.api()
    for method, path in [("get", path) for path in PATHS] + paths_of(cast.hypervisor_here):
        assert getattr(api, method)(path).status_code == 401, path


def test_limited_staff_see_their_sites_only(cast: Cast, ca: CaStore):
    api = cast.api(cast.staff_here)
    assert [site["name"] for site in api.get("/api/v1/sites").json()["results"]] == ["here"]
    assert [host["name"] for host in api.get("/api/v1/hypervisors").json()["results"]] == ["hv-here"]
    for method, path in paths_of(cast.hypervisor_there):
        assert getattr(api, method)(path).status_code == 404, (method, path)
    assert Hypervisor.objects.filter(pk=cast.hypervisor_there.pk).exists()
    assert api.get(f"/api/v1/hypervisors/{cast.hypervisor_here.pk}").status_code == 200
    assert api.get(f"/api/v1/hypervisors?site={cast.there.pk}").json()["results"] == []


@pytest.mark.parametrize("part", ["staff_everywhere", "superuser"])
def test_unlimited_staff_see_all(part, cast: Cast):
    api = cast.api(getattr(cast, part))
    assert len(api.get("/api/v1/hypervisors").json()["results"]) == 2
    assert len(api.get("/api/v1/sites").json()["results"]) == 2


def test_registering_and_enrolling(cast: Cast, ca: CaStore):
    api = cast.api(cast.staff_here)
    wish = {"name": "hv9", "address": "[2001:db8::5]:8443", "site": str(cast.here.pk)}
    made = api.post("/api/v1/hypervisors", wish)
    assert made.status_code == 201, made.json()
    assert (made.json()["state"], made.json()["site_name"]) == ("new", "here")
    line = api.post(f"/api/v1/hypervisors/{made.json()['id']}/enrolment")
    assert line.status_code == 201
    assert line["Cache-Control"] == "no-store"
    assert line.json()["line"].endswith(line.json()["token"])
    assert EnrolmentToken.parse(line.json()["token"]).ca_fingerprint == ca.authority().fingerprint
    seen = api.get(f"/api/v1/hypervisors/{made.json()['id']}").content.decode()
    assert EnrolmentToken.parse(line.json()["token"]).secret not in seen


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": "nonsense:x"}, "address"),
        ({"address": "http://169.254.169.254/"}, "address"),
        ({"name": "No Name"}, "name"),
        ({"name": "hv-there"}, "name"),
        ({"name": "hv-here"}, "name"),
        ({"site": str(uuid.uuid4())}, "site"),
    ],
)
def test_bad_wishes_are_refused_in_words(change, field, cast: Cast):
    wish = {"name": "hv9", "address": "hv9:8443", "site": str(cast.here.pk), **change}
    response = cast.api(cast.staff_here).post("/api/v1/hypervisors", wish)
    assert response.status_code == 400, response.json()
    assert field in response.json()["errors"]
    assert Hypervisor.objects.count() == 2


def test_nobody_registers_at_a_site_that_is_not_theirs(cast: Cast):
    api = cast.api(cast.staff_here)
    wish = {"name": "hv9", "address": "hv9:8443", "site": str(cast.there.pk)}
    assert api.post("/api/v1/hypervisors", wish).status_code == 400
    moved = api.patch(f"/api/v1/hypervisors/{cast.hypervisor_here.pk}", {"site": str(cast.there.pk)})
    assert moved.status_code == 400
    cast.hypervisor_here.refresh_from_db()
    assert cast.hypervisor_here.site == cast.here


READ_ONLY: dict[str, Any] = {
    "id": str(uuid.uuid4()),
    "state": "online",
    "state_reason": "all is well",
    "certificate_fingerprint": "f" * 64,
    "certificate_serial": "1",
    "pending_fingerprint": "f" * 64,
    "eve_pins": [],
    "facts": {"host_name": "x"},
    "enrolled_at": "2026-01-01T00:00:00Z",
    "watcher": "me",
}


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_cannot_be_set_is_refused_and_stays(name, cast: Cast):
    before = Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).values().get()
    path = f"/api/v1/hypervisors/{cast.hypervisor_here.pk}"
    response = cast.api(cast.superuser).patch(path, {name: READ_ONLY[name], "remarks": "changed"})
    assert response.status_code == 400
    assert Hypervisor.objects.filter(pk=cast.hypervisor_here.pk).values().get() == before


def test_changing_the_address_keeps_the_pin(cast: Cast):
    pinned = cast.hypervisor_here.certificate_fingerprint
    path = f"/api/v1/hypervisors/{cast.hypervisor_here.pk}"
    response = cast.api(cast.staff_here).patch(path, {"address": "new.example.org:9", "remarks": "moved"})
    assert response.status_code == 200
    cast.hypervisor_here.refresh_from_db()
    assert (cast.hypervisor_here.address, cast.hypervisor_here.remarks) == ("new.example.org:9", "moved")
    assert cast.hypervisor_here.certificate_fingerprint == pinned


def test_a_hypervisor_with_virtual_machines_is_not_deleted(cast: Cast, ca: CaStore):
    api = cast.api(cast.superuser)
    path = f"/api/v1/hypervisors/{cast.hypervisor_here.pk}"
    refused = api.delete(path)
    assert refused.status_code == 409
    assert refused.json()["code"] == "hypervisor_in_use"
    assert "1 virtual machine." in refused.json()["detail"]
    cast.acme_vm.delete()
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_sites_are_made_by_staff_of_every_site(cast: Cast):
    assert cast.api(cast.staff_here).post("/api/v1/sites", {"name": "new"}).status_code == 404
    assert cast.api(cast.staff_everywhere).post("/api/v1/sites", {"name": "new"}).status_code == 201
    assert cast.api(cast.staff_everywhere).post("/api/v1/sites", {"name": "new"}).status_code == 400
    staffed = cast.api(cast.staff_everywhere).post("/api/v1/sites", {"name": "y", "staff": [str(cast.owner.pk)]})
    assert staffed.status_code == 400
    assert Site.objects.count() == 3


def test_state(cast: Cast):
    state = cast.api(cast.staff_here).get(f"/api/v1/hypervisors/{cast.hypervisor_here.pk}/state").json()
    assert set(state) == {"state", "reason", "since", "last_seen_at"}
    assert state["state"] == "online"


def test_the_list_costs_the_same_whatever_its_length(cast: Cast, django_assert_num_queries):
    api = cast.api(cast.staff_everywhere)
    api.get("/api/v1/hypervisors")
    with django_assert_num_queries(2):
        api.get("/api/v1/hypervisors")
    for number in range(20):
        make_hypervisor(cast.here, f"hv-{number}")
    with django_assert_num_queries(2):
        assert len(api.get("/api/v1/hypervisors").json()["results"]) == 22
