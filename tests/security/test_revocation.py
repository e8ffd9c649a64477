"""With a console open on real processes: whatever takes the access away ends the console."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from eve_agent.wire.close import CloseCode

from tests.e2e.house import ADMIN, PASSWORD, house
from tests.services import databases

from .browser import Browser
from .conftest import RECHECK_SECONDS, Estate, populate
from .rfb import Display, Viewer

PUSHED_SECONDS = 5.0
HERA = "hera@eve.example"
SPARES = """
from django.contrib.auth.hashers import make_password
from accounts.models import Membership, Project, Role, User
hashed = make_password({password!r})
acme = Project.objects.get(pk={acme!r})
for number in range({count}):
    user = User.objects.create(email=f"spare{{number}}@acme.example", name="Spare", password=hashed)
    Membership.objects.create(project=acme, user=user, role=Role.OPERATOR)
"""
MISSING = """
from vms.models import Vm, VmState
Vm.objects.filter(pk={vm_id!r}).update(state=VmState.MISSING)
"""
SERIAL = """
from hypervisors.models import Hypervisor
print(Hypervisor.objects.get(name="hv1").certificate_serial)
"""


@dataclass
class Place:
    """An Eve, and people whom nobody will miss."""

    estate: Estate
    used: int = 0

    def spare(self) -> str:
        """One of them."""
        self.used += 1
        return f"spare{self.used - 1}@acme.example"


def place_in(estate: Estate) -> Place:
    estate.home.shell(SPARES.format(acme=estate.acme, count=16, password=PASSWORD))
    return Place(estate)


@pytest.fixture(scope="module")
def redis() -> Iterator[tuple[str, Callable[[], None]]]:
    """A Redis, and how to stop it."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(databases.redis()), stack.close


@pytest.fixture(scope="module")
def in_memory(estate: Estate) -> Place:
    """Everything in one process."""
    return place_in(estate)


@pytest.fixture(scope="module")
def with_redis(
    tmp_path_factory: pytest.TempPathFactory, display: Display, redis: tuple[str, Callable[[], None]]
) -> Iterator[Place]:
    """As with many processes."""
    settings = {"EVE_CONSOLE_RECHECK_SECONDS": str(RECHECK_SECONDS), "REDIS_URL": redis[0]}
    with house(tmp_path_factory.mktemp("redis"), fake_console=display.address, settings=settings) as home:
        yield place_in(populate(home))


@pytest.fixture(params=["in_memory", "with_redis"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the two."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found


def by_page(estate: Estate, email: str, vm_id: str) -> tuple[Viewer, Browser]:
    browser = estate.browser(email)
    viewer = Viewer(
        estate.socket_url(vm_id, f"ticket={browser.ticket(vm_id)}"),
        additional_headers={"Cookie": browser.cookie_header},
        origin=estate.home.url,
    )
    return viewer.greet(), browser


def ends(viewer: Viewer, code: int, *, within: float = PUSHED_SECONDS) -> None:
    given, seconds = viewer.end(seconds=within + 5)
    assert given == code
    assert seconds <= within


def admin(estate: Estate, method: str, path: str, **options: Any) -> None:
    answer = estate.home.api(method, path, token=estate.token(ADMIN), **options)
    assert answer.status_code < 300, answer.text


def user_id(estate: Estate, email: str) -> str:
    answer = estate.home.api("GET", "/users", token=estate.token(ADMIN), params={"search": email})
    return str(answer.json()["results"][0]["id"])


def host_id(estate: Estate) -> str:
    """Of the host that the VMs are on: others' tests may have added one."""
    hosts = estate.home.api("GET", "/hypervisors", token=estate.token(ADMIN)).json()["results"]
    return next(str(row["id"]) for row in hosts if row["name"] == "hv1")


def test_signing_out(place: Place) -> None:
    viewer, browser = by_page(place.estate, place.spare(), place.estate.vms[0])
    other = place.estate.watch(email := place.spare(), place.estate.vms[0])
    assert viewer.rings()
    browser.send_form("/logout/")
    ends(viewer, CloseCode.ACCESS_ENDED)
    assert other.rings(), f"{email} did not sign out"
    other.close()


def test_one_browser_is_signed_out_from_elsewhere(place: Place) -> None:
    home, email, vm_id = place.estate.home, place.spare(), place.estate.vms[0]
    viewer, _browser = by_page(place.estate, email, vm_id)
    token = home.token(email)
    sessions = home.api("GET", "/sessions", token=token).json()["results"]
    assert [row["address"] for row in sessions] == ["127.0.0.1"]
    other = place.estate.watch(email, vm_id, token=token)
    assert viewer.rings()
    assert home.api("DELETE", f"/sessions/{sessions[0]['id']}", token=token).status_code == 204
    ends(viewer, CloseCode.ACCESS_ENDED)
    assert other.rings(), "what the token opened goes on"
    other.close()


def test_a_token_is_revoked(place: Place) -> None:
    home, email, vm_id = place.estate.home, place.spare(), place.estate.vms[0]
    tokens = [home.token(email) for _ in range(2)]
    viewers = [place.estate.watch(email, vm_id, token=token) for token in tokens]
    direct = Viewer(place.estate.socket_url(vm_id), additional_headers={"Authorization": f"Bearer {tokens[0]}"}).greet()
    listed = home.api("GET", "/tokens", token=tokens[0]).json()["results"]
    first = next(row["id"] for row in listed if row["public"] in tokens[0])
    assert home.api("DELETE", f"/tokens/{first}", token=tokens[1]).status_code == 204
    ends(viewers[0], CloseCode.ACCESS_ENDED)
    ends(direct, CloseCode.ACCESS_ENDED)
    assert viewers[1].rings()
    assert home.api("POST", "/logout", token=tokens[1], json={}).status_code == 204
    ends(viewers[1], CloseCode.ACCESS_ENDED)


def test_a_user_is_disabled(place: Place) -> None:
    email = place.spare()
    viewers = [place.estate.watch(email, place.estate.vms[0]), by_page(place.estate, email, place.estate.vms[1])[0]]
    admin(place.estate, "PATCH", f"/users/{user_id(place.estate, email)}", json={"is_active": False})
    for viewer in viewers:
        ends(viewer, CloseCode.ACCESS_ENDED)


def test_a_member_is_taken_out_or_demoted(place: Place) -> None:
    estate, out, demoted = place.estate, place.spare(), place.spare()
    viewers = [estate.watch(email, estate.vms[0]) for email in (out, demoted)]
    members = f"/projects/{estate.acme}/members"
    admin(estate, "DELETE", f"{members}/{user_id(estate, out)}")
    ends(viewers[0], CloseCode.ACCESS_ENDED)
    assert viewers[1].rings()
    admin(estate, "PATCH", f"{members}/{user_id(estate, demoted)}", json={"role": "viewer"})
    ends(viewers[1], CloseCode.ACCESS_ENDED)


def test_a_vm_is_removed(place: Place) -> None:
    estate, vm_id = place.estate, place.estate.vms[2]
    viewer = estate.watch(place.spare(), vm_id)
    staff = estate.browser(ADMIN)
    estate.home.shell(MISSING.format(vm_id=vm_id))
    assert viewer.rings()
    assert staff.send_form(f"/manage/drift/forget/{vm_id}/").status_code == 302
    ends(viewer, CloseCode.VM_GONE)


def test_a_host_moves_to_another_site(place: Place) -> None:
    """Staff of the old site lose what they have open there; members of the VM's project keep it."""
    estate = place.estate
    token = estate.token(ADMIN)
    host = f"/hypervisors/{host_id(estate)}"
    sites = {row["name"]: row["id"] for row in estate.home.api("GET", "/sites", token=token).json()["results"]}
    staff, member = estate.watch(HERA, estate.vms[0]), estate.watch(place.spare(), estate.vms[0])
    assert staff.rings()
    try:
        admin(estate, "PATCH", host, json={"site": sites["there"]})
        ends(staff, CloseCode.ACCESS_ENDED)
        assert member.rings()
    finally:
        member.close()
        admin(estate, "PATCH", host, json={"site": sites["here"]})


def test_a_host_is_shut_out_on_its_page(in_memory: Place) -> None:
    place, estate = in_memory, in_memory.estate
    viewers = [estate.watch(place.spare(), estate.vms[0]), by_page(estate, place.spare(), estate.vms[1])[0]]
    assert all(viewer.rings() for viewer in viewers)
    try:
        answer = estate.browser(ADMIN).send_form(
            f"/admin/hypervisors/hypervisor/{host_id(estate)}/shut-out/", {"reason": "stolen"}
        )
        assert answer.status_code == 302
        for viewer in viewers:
            ends(viewer, CloseCode.HOST_AWAY)
    finally:
        enrol_again(estate)


def test_a_host_is_shut_out_by_another_process(place: Place, request: pytest.FixtureRequest) -> None:
    """``manage.py ca_revoke``: told by Redis at once; without, the serving process learns of it at its periodic check."""
    estate = place.estate
    pushed = "with_redis" in request.node.name
    viewer = estate.watch(place.spare(), estate.vms[0])
    serial = estate.home.shell(SERIAL).strip()
    begun = time.monotonic()
    try:
        estate.home.manage("ca_revoke", serial)
        code, _seconds = viewer.end(seconds=60)
        if pushed:
            assert time.monotonic() - begun < PUSHED_SECONDS + 3, "the command itself takes its time"
        assert time.monotonic() - begun < 2 * RECHECK_SECONDS
        assert code == CloseCode.HOST_AWAY
    finally:
        enrol_again(estate)


def enrol_again(estate: Estate) -> None:
    """Lets the host back in."""
    estate.home.stop_agent()
    estate.home.enrol("hv1", "here", "--force")
    estate.home.start_agent()


def test_redis_stops(with_redis: Place, redis: tuple[str, Callable[[], None]]) -> None:
    """Consoles go on, can be opened, and end by the periodic check."""
    estate, email = with_redis.estate, with_redis.spare()
    staff = estate.token(ADMIN)
    there = estate.home.api("GET", "/users", token=staff, params={"search": email}).json()["results"][0]["id"]
    before = estate.watch(email, estate.vms[0])
    _url, stop = redis
    stop()
    after = estate.watch(email, estate.vms[1])
    time.sleep(1)
    assert before.rings()
    assert after.rings()
    admin(estate, "PATCH", f"/users/{there}", json={"is_active": False})
    for viewer in (before, after):
        ends(viewer, CloseCode.ACCESS_ENDED, within=RECHECK_SECONDS + 5)
