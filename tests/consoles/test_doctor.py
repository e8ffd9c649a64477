"""What the doctor finds, from how requests and websockets arrive and from what the host says."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from channels.db import database_sync_to_async as in_thread
from channels.testing import WebsocketCommunicator
from django.conf import settings as django_settings
from django.core.cache import cache
from eve_agent.wire.domain import Domain, DomainState, Graphics, GraphicsKind
from eve_agent.wire.errors import ErrorCode

from accounts.models import AuditEvent
from common.arrival import CONNECTION, Arrival, RememberConnection
from common.errors import EveError
from consoles.doctor import echo, host
from consoles.doctor.examples import examples
from consoles.doctor.findings import FINDINGS
from consoles.doctor.way_in import (
    NOT_UPGRADED,
    Seen,
    handshake_findings,
    handshake_note,
    page_findings,
    probe_begin,
)
from consoles.models import ConsoleSession
from hypervisors.doctor import Outcome, Step
from hypervisors.errors import AgentRefused, HostAway
from tests.cast import Cast

from .conftest import APPLICATION, GOOD_ORIGIN

if TYPE_CHECKING:
    from pytest_django.fixtures import SettingsWrapper

PAGE = "https://eve.example"
GOOD = Arrival(
    peer="10.0.0.2",
    client="198.51.100.7",
    is_secure=True,
    http_version="1.1",
    host="eve.example",
    origin=PAGE,
    upgrade="websocket",
    connection="upgrade",
    forwarded_for="198.51.100.7",
    forwarded_proto="https",
)


@pytest.fixture
def behind_a_proxy(settings: SettingsWrapper) -> None:
    settings.PUBLIC_URL, settings.ALLOWED_ORIGINS, settings.TRUSTED_PROXIES = PAGE, [PAGE], ["10.0.0.0/24"]


def page_codes(page: str = PAGE, **changes: Any) -> list[str]:
    found = page_findings(dataclasses.replace(GOOD, **changes), page=page, names_peer=True)
    return [seen.code for seen in found]


@pytest.mark.usefixtures("behind_a_proxy")
@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"is_secure": False, "forwarded_proto": ""}, ["proto_missing"]),
        ({"is_secure": False, "forwarded_proto": "http"}, ["proto_wrong"]),
        ({"peer": "203.0.113.9", "is_secure": False}, ["proxy_untrusted"]),
        ({"peer": "203.0.113.9", "is_secure": False, "forwarded_proto": ""}, ["proxy_untrusted"]),
        ({"host": "127.0.0.1:8000"}, ["host_changed"]),
        ({"forwarded_for": ""}, ["client_missing"]),
        ({"page": "https://other.example", "host": "other.example"}, ["origin_unknown"]),
        ({"page": ""}, []),
    ],
)
def test_what_is_wrong_with_a_pages_request(changes: dict[str, Any], codes: list[str]) -> None:
    assert page_codes(**changes) == codes


@pytest.mark.usefixtures("behind_a_proxy")
def test_the_proxys_address_is_told_to_staff_alone() -> None:
    arrival = dataclasses.replace(GOOD, peer="203.0.113.9")
    for names_peer in (True, False):
        [seen] = page_findings(arrival, page=PAGE, names_peer=names_peer)
        assert ("203.0.113.9" in str(FINDINGS[seen.code].filled(seen.values).what)) is names_peer


def test_without_a_proxy_nothing_is_wrong(settings: SettingsWrapper) -> None:
    page = settings.PUBLIC_URL
    arrival = Arrival(
        peer="127.0.0.1", client="127.0.0.1", is_secure=False, http_version="1.1", host=page.partition("//")[2]
    )
    assert page_findings(arrival, page=page, names_peer=True) == []


@pytest.mark.parametrize("finding", FINDINGS.values(), ids=FINDINGS)
def test_the_lines_that_mend_are_in_the_examples(finding: Any) -> None:
    printed = [line.strip() for each in examples(page=PAGE) for line in each.lines]
    for beginning in finding.lines:
        assert any(line.startswith(beginning) for line in printed), beginning


def test_the_examples_have_this_eves_names() -> None:
    nginx, caddy, eve = examples(page="https://vm.acme.example", peer="10.1.2.3", upstream="[::1]:9000")
    assert "server [::1]:9000;" in nginx.text
    assert nginx.text.startswith("map $http_upgrade")
    assert caddy.text.startswith("vm.acme.example {\n\treverse_proxy [::1]:9000")
    assert eve.lines == ("EVE_PUBLIC_URL=https://vm.acme.example", "EVE_TRUSTED_PROXIES=10.1.2.3")
    caddy = examples(page="http://10.0.0.9:8080")[1]
    assert caddy.lines[0] == "http://10.0.0.9:8080 {", "without the scheme, Caddy would speak https there"


@pytest.mark.parametrize("peer", ["10.0.0.2", "::ffff:10.0.0.2"])
async def test_who_connected_is_remembered(peer: str) -> None:
    seen: dict[str, Any] = {}

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    scope = {"type": "http", "client": (peer, 5), "server": ("10.0.0.1", 80)}
    await RememberConnection(inner)(scope, None, None)
    assert seen["client"] == ("10.0.0.2", 5)
    assert seen[CONNECTION] == (("10.0.0.2", 5), ("10.0.0.1", 80))
    assert Arrival.of({**seen, "client": ("198.51.100.7", 0), "scheme": "https"}).peer == "10.0.0.2"


# ------------------------------------------------------------------------------------------------ websockets


@pytest.mark.django_db
def test_a_handshake_that_was_made_an_ordinary_request_of(cast: Cast) -> None:
    probe = probe_begin(user=cast.viewer, vm=cast.acme_vm)

    def found(**changes: Any) -> str:
        handshake_note(probe, dataclasses.replace(GOOD, **changes), refused=NOT_UPGRADED)
        [seen] = handshake_findings(probe, user=cast.viewer, page=PAGE)
        assert seen.code == "upgrade_missing"
        return seen.values["missing"]

    assert "Upgrade is missing" in found(upgrade="")
    assert "says “close”" in found(connection="close")
    assert "HTTP/1.0 knows no upgrade" in found(http_version="1.0")


@pytest.mark.django_db
def test_what_became_of_a_handshake(cast: Cast) -> None:
    probe = probe_begin(user=cast.viewer, vm=cast.acme_vm)

    def codes(user: Any = cast.viewer, page: str = PAGE) -> list[str]:
        return [seen.code for seen in handshake_findings(probe, user=user, page=page)]

    assert codes() == ["never_arrived"]
    handshake_note(probe, GOOD)
    assert codes() == []
    assert codes(user=cast.owner) == ["never_arrived"], "another person's test"
    handshake_note(probe, GOOD, refused="origin")
    assert codes() == ["origin_refused"]
    assert codes(page="https://eve.example:444") == ["origin_changed"]
    handshake_note(probe, GOOD, refused="busy")
    assert codes() == ["socket_busy"]
    handshake_note(uuid.uuid4(), GOOD)
    assert codes() == ["socket_busy"], "of no test: nothing is kept"


def socket(
    cast: Cast, probe: object, *, cookie: str, origin: str = GOOD_ORIGIN, vm: Any = None
) -> WebsocketCommunicator:
    headers = [(b"origin", origin.encode()), (b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie}".encode())]
    path = f"/ws/vms/{(vm or cast.acme_vm).pk}/doctor?probe={probe}"
    return WebsocketCommunicator(APPLICATION, path, headers=headers, subprotocols=[echo.SUBPROTOCOL])


async def begun(cast: Cast, user: Any) -> tuple[str, str]:
    """A test of that user's: its name, and the cookie of the session that began it."""
    client = await in_thread(cast.pages)(user)
    answer = await in_thread(client.post)(
        f"/api/v1/vms/{cast.acme_vm.pk}/console/doctor", content_type="application/json"
    )
    assert answer.status_code == 201, answer.content
    return answer.json()["probe"], client.session.session_key


async def test_the_websocket_gives_back_what_it_is_sent(committed_cast: Cast) -> None:
    probe, cookie = await begun(committed_cast, committed_cast.viewer)
    line = socket(committed_cast, probe, cookie=cookie)
    assert await line.connect(timeout=5) == (True, echo.SUBPROTOCOL)
    assert await line.receive_from() == echo.FIRST_BYTES
    for data in (b"\x00", bytes(range(256)) * 128):
        await line.send_to(bytes_data=data)
        assert await line.receive_from() == data
    await line.disconnect()
    assert await in_thread(ConsoleSession.objects.count)() == 0
    assert not echo._open_sockets


async def test_who_may_not_open_it(committed_cast: Cast) -> None:
    cast = committed_cast
    probe, cookie = await begun(cast, cast.viewer)
    other = (await in_thread(cast.pages)(cast.owner)).session.session_key
    refused = {
        "another origin": socket(cast, probe, cookie=cookie, origin="https://evil.example"),
        "another person": socket(cast, probe, cookie=other),
        "nobody": socket(cast, probe, cookie="x"),
        "no test": socket(cast, uuid.uuid4(), cookie=cookie),
        "nonsense": socket(cast, "nonsense", cookie=cookie),
        "another's VM": socket(cast, probe, cookie=cookie, vm=cast.ottos_vm),
    }
    assert [name for name, line in refused.items() if (await line.connect(timeout=5))[0]] == []
    assert not echo._open_sockets


@pytest.mark.parametrize("sent", [{"text_data": "x"}, {"bytes_data": b""}, {"bytes_data": b"x" * 65_537}])
async def test_what_it_does_not_take_ends_it(committed_cast: Cast, sent: dict[str, Any]) -> None:
    probe, cookie = await begun(committed_cast, committed_cast.viewer)
    line = socket(committed_cast, probe, cookie=cookie)
    await line.connect(timeout=5)
    await line.receive_from()
    await line.send_to(**sent) if "text_data" in sent or sent["bytes_data"] else await line.send_input(
        {"type": "websocket.receive", "bytes": b""}
    )
    assert (await line.receive_output())["code"] == 1009
    await line.disconnect()


async def test_it_is_bounded_in_bytes_time_and_number(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "MOST_BYTES", 10)
    monkeypatch.setattr(echo, "SOCKETS_PER_USER", 2)
    probe, cookie = await begun(committed_cast, committed_cast.viewer)
    first, second, third = (socket(committed_cast, probe, cookie=cookie) for _ in range(3))
    assert (await first.connect(timeout=5))[0]
    monkeypatch.setattr(echo, "MOST_SECONDS", 0.05)
    assert (await second.connect(timeout=5))[0]
    assert not (await third.connect(timeout=5))[0]
    found = await in_thread(handshake_findings)(uuid.UUID(probe), user=committed_cast.viewer, page=GOOD_ORIGIN)
    assert [seen.code for seen in found] == ["socket_busy"]
    await second.receive_from()
    assert (await second.receive_output(timeout=5))["type"] == "websocket.close"
    await first.receive_from()
    await first.send_to(bytes_data=b"x" * 6)
    await first.receive_from()
    await first.send_to(bytes_data=b"x" * 6)
    assert (await first.receive_output())["code"] == 1009
    for line in (first, second):
        await line.disconnect()
    assert not echo._open_sockets


# ------------------------------------------------------------------------------------------------ host and VM


def domain(
    cast: Cast,
    state: DomainState = DomainState.RUNNING,
    kind: GraphicsKind | None = GraphicsKind.VNC,
    *,
    reason: str = "",
) -> Domain:
    graphics = (Graphics(kind=kind, index=0),) if kind else ()
    facts = {"vcpus": 1, "memory_bytes": 1, "graphics": graphics}
    return Domain(uuid=cast.acme_vm.pk, name="x", state=state, reason=reason, **facts)


@pytest.mark.django_db
def test_whether_a_vm_has_a_screen(cast: Cast) -> None:
    def code(ask: Callable[[], Domain]) -> list[str]:
        return [seen.code for seen in host.vm_findings(cast.acme_vm, ask)]

    def fails(error: EveError) -> Callable[[], Domain]:
        def ask() -> Domain:
            raise error

        return ask

    assert code(lambda: domain(cast)) == []
    assert code(lambda: domain(cast, DomainState.PAUSED)) == []
    assert code(lambda: domain(cast, DomainState.OFF)) == ["vm_off"]
    assert code(lambda: domain(cast, DomainState.CRASHED)) == [], "its QEMU kept the screen"
    assert code(lambda: domain(cast, DomainState.PAUSED, reason="crashed")) == []
    assert code(lambda: domain(cast, DomainState.OFF, reason="crashed")) == ["vm_crashed"], "and here went with it"
    assert code(lambda: domain(cast, kind=GraphicsKind.SPICE)) == ["no_display"]
    assert code(lambda: domain(cast, kind=None)) == ["no_display"]
    assert code(fails(AgentRefused("gone", agent_code=ErrorCode.DOMAIN_NOT_FOUND))) == ["vm_missing"]
    assert code(fails(HostAway())) == ["vm_unknown"]


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch, cast: Cast) -> None:
    steps = [Step("tcp", "Port", Outcome.FAILED, 3, "10.0.0.5 refuses."), Step("tls", "TLS", Outcome.SKIPPED, 0, "")]
    monkeypatch.setattr(host, "connection_test", lambda _hypervisor: steps)


@pytest.mark.django_db
@pytest.mark.usefixtures("walked")
def test_why_a_host_is_away_is_for_its_staff(cast: Cast) -> None:
    path = f"/api/v1/vms/{cast.acme_vm.pk}/console/doctor/host"
    for user, detail in ((cast.viewer, ""), (cast.staff_here, "10.0.0.5 refuses.")):
        answer = cast.api(user).post(path)
        assert answer.status_code == 200
        body = answer.json()
        assert [step["detail"] for step in body["steps"]] == [detail, ""]
        assert [each["code"] for each in body["host_findings"]] == ["host_away"]
        assert "What fails is: “Port”." in body["host_findings"][0]["what"]
        assert body["vm_findings"] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("walked")
def test_one_test_of_a_host_at_a_time(cast: Cast) -> None:
    cache.add(f"console-doctor-host:{cast.acme_vm.hypervisor_id}", True, 30)
    body = cast.api(cast.viewer).post(f"/api/v1/vms/{cast.acme_vm.pk}/console/doctor/host").json()
    assert [each["code"] for each in body["host_findings"]] == ["host_busy"]


# ------------------------------------------------------------------------------------------------ API and page


@pytest.mark.django_db
def test_a_test_is_audited_and_limited(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consoles.doctor.way_in.TESTS_PER_WINDOW", 2)
    api, path = cast.api(cast.viewer), f"/api/v1/vms/{cast.acme_vm.pk}/console/doctor"
    assert [api.post(path).status_code for _ in range(3)] == [201, 201, 429]
    assert AuditEvent.objects.filter(action="console.doctor", actor=cast.viewer).count() == 2


@pytest.mark.django_db
def test_the_page_and_its_addresses(cast: Cast) -> None:
    vm = cast.acme_vm
    pages = (f"/vms/{vm.pk}/doctor/", f"/ws/vms/{vm.pk}/doctor", f"/api/v1/vms/{vm.pk}/console/doctor")
    for user in (cast.owner, cast.viewer, cast.staff_here):
        assert [cast.pages(user).get(page).status_code for page in pages] == [200, 426, 200]
    for user in (cast.outsider, cast.staff_there):
        assert {cast.pages(user).get(page).status_code for page in pages} == {404}
    html = cast.pages(cast.viewer).get(pages[0]).content.decode()
    assert "server 127.0.0.1:8000;" in html
    assert "your administrator knows the real ones" in html


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["", "serial/"])
def test_it_is_reached_from_the_console_and_the_vms_page(cast: Cast, kind: str) -> None:
    link = f'href="/vms/{cast.acme_vm.pk}/doctor/"'
    console = cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/console/{kind}").content.decode()
    assert console.count(link) >= 9
    assert link in cast.pages(cast.viewer).get(f"/vms/{cast.acme_vm.pk}/").content.decode()


def test_the_page_has_words_for_what_it_finds_by_itself() -> None:
    from consoles.views.doctor import SEEN_BY_THE_PAGE

    scripts = "".join(
        (django_settings.BASE_DIR / "static" / "eve" / "doctor" / name).read_text() for name in ("main.js", "probes.js")
    )
    assert [code for code in SEEN_BY_THE_PAGE if f'"{code}"' not in scripts] == []
    assert set(SEEN_BY_THE_PAGE) <= set(FINDINGS)
    assert Seen("vm_off", {}).code in FINDINGS
