"""Virtual machines in the API: whose they are, what may be changed, what it costs."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from eve_agent.wire import codec

from accounts.models import AuditEvent, AuditOutcome
from hypervisors.errors import BadAnswer, HostAway
from hypervisors.models import Hypervisor, HypervisorState
from operations.models import Operation
from tests.factories import make_vm
from tests.vms.conftest import domain_of_vm, make_domain
from vms import screens
from vms.models import DiscoveredDomain, Vm, VmState

SEES = {
    "owner": {"acme-web"},
    "operator": {"acme-web"},
    "viewer": {"acme-web"},
    "outsider": {"otto-mail"},
    "staff_here": {"acme-web"},
    "staff_there": {"otto-mail"},
    "staff_everywhere": {"acme-web", "otto-mail"},
    "superuser": {"acme-web", "otto-mail"},
}
OPERATES = {"owner", "operator", "staff_here", "staff_everywhere", "superuser"}


@pytest.mark.parametrize("part", SEES)
def test_everybody_sees_their_own_only(cast, part):
    api = cast.api(getattr(cast, part))
    assert {each["name"] for each in api.get("/api/v1/vms").json()["results"]} == SEES[part]
    for vm in (cast.acme_vm, cast.ottos_vm):
        for address in ("", "/state", "/screenshot"):
            answer = api.get(f"/api/v1/vms/{vm.pk}{address}")
            if vm.name in SEES[part]:
                assert answer.status_code != 404
            else:
                assert answer.status_code == 404
                assert vm.name not in answer.content.decode()


@pytest.mark.parametrize("part", SEES)
def test_everybody_changes_what_their_role_allows(cast, part):
    api = cast.api(getattr(cast, part))
    expected = 202 if part in OPERATES else 403 if part == "viewer" else 404
    assert api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "stop"}).status_code == expected
    expected = 200 if part in OPERATES else 403 if part == "viewer" else 404
    assert api.patch(f"/api/v1/vms/{cast.acme_vm.pk}", {"remarks": "mine"}).status_code == expected
    assert Operation.objects.exists() == (part in OPERATES)


def test_strangers_are_asked_who_they_are(cast):
    api = cast.api()
    for address in ("/api/v1/vms", f"/api/v1/vms/{cast.acme_vm.pk}", "/api/v1/discovered-domains"):
        answer = api.get(address)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"


def test_a_vm_tells_what_it_is_without_its_hosts_paths(cast):
    Vm.objects.filter(pk=cast.acme_vm.pk).update(facts=codec.to_plain(domain_of_vm(cast.acme_vm)))
    answer = cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}")
    body = answer.json()
    assert body["id"] == str(cast.acme_vm.pk)
    assert body["project"] == {"id": str(cast.acme.pk), "name": "Acme"}
    assert body["hypervisor"]["name"] == "hv-here"
    assert body["site"]["name"] == "here"
    assert (body["state"], body["role"], body["operation"]) == ("running", "viewer", None)
    assert body["facts"]["disks"][0]["capacity_bytes"] == 20 * 1024**3
    assert body["facts"]["nics"][0]["source"] == "default"
    assert "secret-path" not in answer.content.decode()


def test_the_state_says_what_one_may_do(cast):
    assert cast.api(cast.viewer).get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()["actions"] == []
    body = cast.api(cast.owner).get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()
    assert body["state"] == "running"
    assert set(body["actions"]) == {"shutdown", "stop", "reboot", "reset", "suspend"}


def test_a_power_action_is_accepted_with_the_address_of_its_operation(cast):
    api = cast.api(cast.operator)
    answer = api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "shutdown"})
    assert answer.status_code == 202
    assert answer["Location"] == answer.json()["operation"]
    assert api.get(answer["Location"]).json()["kind"] == "vm.shutdown"
    again = api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "shutdown"})
    assert again.json() == answer.json()
    other = api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "stop"})
    assert other.status_code == 409
    assert other.json()["operation"] == answer["Location"]
    assert api.get(f"/api/v1/vms/{cast.acme_vm.pk}/state").json()["operation"] == answer["Location"]


@pytest.mark.parametrize(
    "body", [{}, {"action": "explode"}, {"action": None}, {"action": ["stop"]}, {"action": "stop", "force": True}, []]
)
def test_nonsense_is_a_problem_in_words(cast, body):
    answer = cast.api(cast.owner).patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not Operation.objects.exists()


def test_the_wrong_state_and_an_absent_host_are_problems_in_words(cast):
    api = cast.api(cast.owner)
    answer = api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "start"})
    assert (answer.status_code, answer.json()["state"]) == (409, "running")
    assert "running already" in answer.json()["detail"]
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    answer = api.patch(f"/api/v1/vms/{cast.acme_vm.pk}/state", {"action": "stop"})
    assert (answer.status_code, answer.json()["code"]) == (503, "host_away")


@pytest.mark.parametrize(
    "field",
    [
        "id",
        "project",
        "project_id",
        "hypervisor",
        "hypervisor_id",
        "state",
        "vcpus",
        "memory_bytes",
        "role",
        "facts",
    ],
)
def test_nothing_else_can_be_changed(cast, field):
    before = Vm.objects.filter(pk=cast.acme_vm.pk).values().get()
    value = {"project": str(cast.ottos.pk), "hypervisor": str(cast.hypervisor_there.pk)}.get(field, "9")
    for user in (cast.owner, cast.superuser):
        answer = cast.api(user).patch(f"/api/v1/vms/{cast.acme_vm.pk}", {field: value, "remarks": "x"})
        assert answer.status_code == 400
        assert field in answer.json()["errors"]
    assert Vm.objects.filter(pk=cast.acme_vm.pk).values().get() == before


def test_lists_are_searched_narrowed_and_ordered(cast):
    off = make_vm(cast.acme, cast.hypervisor_here, "zeta", state=VmState.OFF, remarks="the printer")
    api = cast.api(cast.superuser)

    def names(query):
        answer = api.get(f"/api/v1/vms?{query}")
        assert answer.status_code == 200, answer.content
        return [each["name"] for each in answer.json()["results"]]

    assert names("state=off") == ["zeta"]
    assert names("search=PRINTER") == ["zeta"]
    assert names(f"search={off.pk}") == ["zeta"]
    assert names(f"project={cast.ottos.pk}") == ["otto-mail"]
    assert names(f"hypervisor={cast.hypervisor_there.pk}") == ["otto-mail"]
    assert names(f"site={cast.there.pk}") == ["otto-mail"]
    assert names("ordering=-name") == ["zeta", "otto-mail", "acme-web"]
    for wrong in ("state=nonsense", "project=nonsense", "ordering=password", "search=" + "x" * 300, "search=%00"):
        assert api.get(f"/api/v1/vms?{wrong}").status_code == 400


def test_a_project_of_others_narrows_to_nothing(cast):
    assert cast.api(cast.owner).get(f"/api/v1/vms?project={cast.ottos.pk}").json()["results"] == []


def test_lists_are_paged(cast):
    for number in range(5):
        make_vm(cast.acme, cast.hypervisor_here, f"vm-{number}")
    api = cast.api(cast.owner)
    first = api.get("/api/v1/vms?page_size=4").json()
    assert (len(first["results"]), first["previous"]) == (4, None)
    second = api.get(first["next"]).json()
    assert (len(second["results"]), second["next"]) == (2, None)


@pytest.mark.parametrize(("part", "queries"), [("owner", 4), ("superuser", 5)])
def test_a_list_costs_the_same_however_long_it_is(cast, part, queries, django_assert_num_queries):
    api = cast.api(getattr(cast, part))
    api.get("/api/v1/vms")
    with django_assert_num_queries(queries):  # the token; the VMs; roles (staff: and hosts); operations
        assert len(api.get("/api/v1/vms").json()["results"]) <= 2
    for number in range(30):
        make_vm(cast.acme, cast.hypervisor_here, f"vm-{number}")
    with django_assert_num_queries(queries):
        assert len(api.get("/api/v1/vms").json()["results"]) >= 31


# ------------------------------------------------------------------------------------------------ Screenshots


@pytest.fixture
def picture(monkeypatch):
    """What Eve made of the host's picture."""
    made = []
    monkeypatch.setattr(screens, "screenshot_png", lambda content_type, data: made.append(data) or b"\x89PNG " + data)
    return made


def test_a_screenshot_is_what_eve_encoded_and_is_shared_for_two_seconds(cast, agent, picture):
    agent.answer = ("image/png", b"raw")
    api = cast.api(cast.viewer)
    answer = api.get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot")
    assert (answer.status_code, answer["Content-Type"], answer.content) == (200, "image/png", b"\x89PNG raw")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "private" in answer["Cache-Control"]
    api.get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot")
    assert len(agent.asked) == 1


def test_one_vms_picture_is_never_anothers(cast, agent, picture):
    agent.answer = ("image/png", b"acme")
    cast.api(cast.superuser).get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot")
    agent.answer = ("image/png", b"otto")
    answer = cast.api(cast.superuser).get(f"/api/v1/vms/{cast.ottos_vm.pk}/screenshot")
    assert answer.content == b"\x89PNG otto"


@pytest.mark.parametrize(("error", "status"), [(HostAway("away"), 503), (BadAnswer("no picture"), 502)])
def test_a_picture_that_cannot_be_had_is_a_problem(cast, agent, picture, error, status):
    agent.answer = error
    assert cast.api(cast.owner).get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot").status_code == status


def test_hosts_are_not_asked_for_what_cannot_be_there(cast, agent, picture):
    api = cast.api(cast.owner)
    Vm.objects.update(state=VmState.OFF)
    assert api.get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot").status_code == 409
    Hypervisor.objects.update(state=HypervisorState.OFFLINE)
    for state in (VmState.RUNNING, VmState.UNKNOWN):  # the latter is what it is when its host is away
        Vm.objects.update(state=state)
        answer = api.get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot")
        assert answer.status_code == 503
        assert "does not answer" in answer.json()["detail"]
    assert agent.asked == []


def test_many_who_look_at_once_ask_the_host_once(cast, agent, picture):
    def answer():
        time.sleep(0.2)
        return ("image/png", b"raw")

    agent.answer = answer
    vm = Vm.objects.select_related("hypervisor").get(pk=cast.acme_vm.pk)
    threads = [threading.Thread(target=screens.screen_png, args=[vm]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(agent.asked) == 1


def test_slow_hosts_take_no_more_than_their_share(cast, agent, picture, monkeypatch):
    monkeypatch.setattr(screens, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(screens, "_fetching", threading.BoundedSemaphore(1))
    screens._fetching.acquire()
    answer = cast.api(cast.owner).get(f"/api/v1/vms/{cast.acme_vm.pk}/screenshot")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "5"


# ------------------------------------------------------------------------------------------------ Discovered domains


@pytest.fixture
def discovered(cast):
    """One at each site."""
    return {
        name: DiscoveredDomain.objects.create(
            hypervisor=host,
            uuid=uuid.uuid4(),
            name=f"legacy-{name}",
            facts=codec.to_plain(make_domain(f"legacy-{name}")),
        )
        for name, host in (("here", cast.hypervisor_here), ("there", cast.hypervisor_there))
    }


FINDS = {
    "owner": None,
    "outsider": None,
    "staff_here": {"legacy-here"},
    "staff_there": {"legacy-there"},
    "staff_everywhere": {"legacy-here", "legacy-there"},
    "superuser": {"legacy-here", "legacy-there"},
}


@pytest.mark.parametrize("part", FINDS)
def test_discovered_domains_are_for_staff_of_their_site(cast, discovered, part):
    api = cast.api(getattr(cast, part))
    answer = api.get("/api/v1/discovered-domains")
    if FINDS[part] is None:
        assert answer.status_code == 404
    else:
        assert {each["name"] for each in answer.json()["results"]} == FINDS[part]
    address = f"/api/v1/discovered-domains/{discovered['here'].pk}/adopt"
    adopted = api.post(address, {"project": str(cast.acme.pk)})
    assert adopted.status_code == (201 if FINDS[part] and "legacy-here" in FINDS[part] else 404)


def test_adopting_answers_with_the_vm(cast, discovered):
    address = f"/api/v1/discovered-domains/{discovered['here'].pk}/adopt"
    api = cast.api(cast.staff_here)
    assert api.post(address, {"project": "nonsense"}).status_code == 400
    assert api.post(address, {}).status_code == 400
    answer = api.post(address, {"project": str(cast.acme.pk)})
    assert answer.json()["project"]["name"] == "Acme"
    assert answer.json()["warnings"] == []
    assert cast.api(cast.viewer).get(answer["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "/state", {"action": "stop"}),
        ("post", "/disks", {"size_bytes": 2**30}),
        ("post", "/snapshots", {"name": "before"}),
        ("delete", "", None),
    ],
)
def test_what_was_refused_is_in_the_audit(cast, method, path, body):
    """Also where the transaction in which it was decided is rolled back."""
    vm = make_vm(cast.acme, cast.hypervisor_here, name="made-01", is_made_by_eve=True)
    answer = getattr(cast.api(cast.viewer), method)(f"/api/v1/vms/{vm.pk}{path}", body, format="json")
    assert answer.status_code == 403
    [event] = AuditEvent.objects.filter(target_id=str(vm.pk), outcome=AuditOutcome.DENIED)
    assert (event.actor, event.request_id) == (cast.viewer, answer["X-Request-ID"])
