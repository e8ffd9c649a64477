"""How a console lives and ends: bytes, records, limits, and every way to lose access."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import uuid
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_thread
from channels.testing import WebsocketCommunicator
from django.db import DatabaseError, InterfaceError
from eve_agent.wire.close import CloseCode
from eve_agent.wire.errors import ErrorCode
from prometheus_client import REGISTRY

from accounts.models import AuditEvent, LoginToken, Membership, Role
from accounts.services import (
    logout_everywhere,
    membership_remove,
    membership_set,
    project_update,
    token_revoke,
    user_disable,
)
from common.publish import bind_server_loop, publish
from consoles import consumers, leftovers, live, notices, services
from consoles.models import ConsoleSession
from consoles.services import session_cut
from hypervisors.errors import AgentRefused
from hypervisors.services import hypervisor_update, site_staff_set
from hypervisors.signals import hypervisor_removed
from tests.cast import Cast
from tests.factories import make_project
from vms.signals import vm_deleted

from .conftest import GOOD_ORIGIN, StubLink, websocket

Revocation = Callable[[Cast], object]


@contextlib.asynccontextmanager
async def viewing(cast: Cast, user: Any = None, *, mode: str = "control") -> AsyncIterator[WebsocketCommunicator]:
    """A console that a program opened with a token of the operator's (or `user`'s)."""
    bind_server_loop(asyncio.get_running_loop())
    token = await in_thread(cast.token)(user or cast.operator)
    socket = websocket(cast.acme_vm.pk, query=f"token={token}&mode={mode}")
    assert (await socket.connect(timeout=5))[0]
    await asyncio.sleep(0.05)
    try:
        yield socket
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await socket.disconnect(timeout=3)


async def close_code(socket: WebsocketCommunicator, timeout: float = 5) -> int:
    message = await socket.receive_output(timeout=timeout)
    assert message["type"] == "websocket.close", message
    return message["code"]


async def test_bytes_go_both_ways_and_are_metered(committed_cast: Cast, links: list[StubLink]) -> None:
    async with viewing(committed_cast) as socket:
        links[0].show(b"RFB 003.008\n")
        assert await socket.receive_from(timeout=5) == b"RFB 003.008\n"
        await socket.send_to(bytes_data=b"hello")
        await asyncio.sleep(0.05)
        assert links[0].sent == [b"hello"]
    session = await in_thread(ConsoleSession.objects.get)()
    assert (session.bytes_to_viewer, session.bytes_from_viewer) == (12, 5)
    assert session.ended_at is not None
    actions = await in_thread(
        lambda: list(AuditEvent.objects.filter(action__startswith="console").values_list("action", flat=True))
    )()
    assert sorted(actions) == ["console.close", "console.open"]
    assert links[0].closed_with == CloseCode.NORMAL


async def test_what_prometheus_is_told(committed_cast: Cast, links: list[StubLink]) -> None:
    async def value(name: str, **labels: str) -> float:
        return await in_thread(REGISTRY.get_sample_value)(name, labels) or 0  # some are read from the database

    opened, ended = await value("eve_consoles_open"), await value("eve_console_ends_total", reason="vm_off")
    sent, setups = (
        await value("eve_console_bytes_total", direction="to_viewer"),
        await value("eve_console_setup_seconds_count"),
    )
    async with viewing(committed_cast) as socket:
        assert await value("eve_consoles_open") == opened + 1
        links[0].show(b"RFB 003.008\n")
        assert await socket.receive_from(timeout=5)
        links[0].lose(CloseCode.VM_OFF)
        await close_code(socket)
    assert await value("eve_consoles_open") == opened
    assert await value("eve_console_ends_total", reason="vm_off") == ended + 1
    assert await value("eve_console_bytes_total", direction="to_viewer") == sent + 12
    assert await value("eve_console_setup_seconds_count") == setups + 1


async def test_the_agents_code_reaches_the_viewer(committed_cast: Cast, links: list[StubLink]) -> None:
    async with viewing(committed_cast) as socket:
        links[0].lose(CloseCode.DISPLAY_LOST)
        assert await close_code(socket) == CloseCode.DISPLAY_LOST
    session = await in_thread(ConsoleSession.objects.get)()
    assert session.close_code == CloseCode.DISPLAY_LOST


async def test_text_ends_the_session(committed_cast: Cast, links: list[StubLink]) -> None:
    async with viewing(committed_cast) as socket:
        await socket.send_to(text_data="PATCH /libvirt HTTP/1.1")
        assert await close_code(socket) == CloseCode.UNSUPPORTED_DATA
    assert links[0].sent == []


async def test_a_viewer_that_says_nothing_while_its_screen_comes_is_too_slow(
    committed_cast: Cast, links: list[StubLink]
) -> None:
    mib = bytes(1024 * 1024)
    async with viewing(committed_cast) as talks, viewing(committed_cast) as keeps_silent:
        for _ in range(12):
            for link in links:
                link.show(mib)
            await asyncio.sleep(0.01)
            await talks.send_to(bytes_data=b"next, please")
        received = 0
        while (message := await keeps_silent.receive_output(timeout=5))["type"] == "websocket.send":
            received += len(message["bytes"])
        assert message["code"] == CloseCode.TOO_SLOW
        assert received < 8 * 1024 * 1024
        for _ in range(12):
            assert await talks.receive_from(timeout=5) == mib


def _drop_membership(cast: Cast) -> None:
    membership_remove(project=cast.acme, user=cast.operator, by=cast.owner)


def _demote(cast: Cast) -> None:
    membership_set(project=cast.acme, user=cast.operator, role=Role.VIEWER, by=cast.owner)


def _move(cast: Cast) -> None:
    from vms.services import vm_move

    vm_move(vm=cast.acme_vm, project=make_project(owner=cast.owner), user=cast.superuser)


REVOCATIONS: dict[str, tuple[Revocation, CloseCode]] = {
    "token revoked": (
        lambda cast: token_revoke(token=LoginToken.objects.get(user=cast.operator), by=cast.operator),
        CloseCode.ACCESS_ENDED,
    ),
    "signed out everywhere": (lambda cast: logout_everywhere(user=cast.operator), CloseCode.ACCESS_ENDED),
    "user disabled": (lambda cast: user_disable(user=cast.operator, by=cast.superuser), CloseCode.ACCESS_ENDED),
    "membership dropped": (_drop_membership, CloseCode.ACCESS_ENDED),
    "role lowered": (_demote, CloseCode.ACCESS_ENDED),
    "project switched off": (
        lambda cast: project_update(project=cast.acme, by=cast.superuser, is_active=False),
        CloseCode.ACCESS_ENDED,
    ),
    "VM moved away": (_move, CloseCode.ACCESS_ENDED),
    "VM deleted": (lambda cast: vm_deleted.send(None, vm_id=cast.acme_vm.pk, reason="deleted"), CloseCode.VM_GONE),
    "host removed": (
        lambda cast: hypervisor_removed.send(None, hypervisor_id=cast.hypervisor_here.pk, reason="revoked"),
        CloseCode.HOST_AWAY,
    ),
    "ended by the owner": (
        lambda cast: session_cut(session=ConsoleSession.objects.get(), user=cast.owner),
        CloseCode.ENDED_BY_STAFF,
    ),
}


@pytest.mark.parametrize("what", REVOCATIONS)
async def test_lost_access_ends_an_open_console(committed_cast: Cast, links: list[StubLink], what: str) -> None:
    revoke, code = REVOCATIONS[what]
    async with viewing(committed_cast) as socket:
        await in_thread(revoke)(committed_cast)
        assert await close_code(socket) == code
    assert links[0].closed_with is not None


async def test_staff_who_are_taken_off_the_site_lose_its_consoles(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    async with viewing(cast) as others, viewing(cast, cast.staff_here) as theirs:
        await in_thread(site_staff_set)(site=cast.here, staff=[], user=cast.superuser)
        assert await close_code(theirs) == CloseCode.ACCESS_ENDED
        assert await others.receive_nothing(timeout=0.3)


async def test_staff_of_the_site_that_a_host_leaves_lose_its_consoles(
    committed_cast: Cast, links: list[StubLink]
) -> None:
    cast = committed_cast
    async with viewing(cast) as others, viewing(cast, cast.staff_here) as theirs:
        await in_thread(hypervisor_update)(hypervisor=cast.hypervisor_here, user=cast.superuser, site=cast.there)
        assert await close_code(theirs) == CloseCode.ACCESS_ENDED
        assert await others.receive_nothing(timeout=0.3)


@pytest.mark.parametrize(("reason", "words"), [("enrolled", "enrolled anew"), ("deleted", "removed")])
async def test_an_enrolment_is_not_called_a_removal(
    committed_cast: Cast, links: list[StubLink], reason: str, words: str
) -> None:
    async with viewing(committed_cast) as socket:
        host = committed_cast.hypervisor_here.pk
        await in_thread(hypervisor_removed.send)(None, hypervisor_id=host, reason=reason)
        message = await socket.receive_output(timeout=5)
        assert (message["type"], message["code"]) == ("websocket.close", CloseCode.HOST_AWAY)
        assert words in message["reason"]


async def test_a_page_logout_ends_its_consoles_and_no_others(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    bind_server_loop(asyncio.get_running_loop())
    sockets, clients = [], []
    for _ in range(2):
        client = await in_thread(cast.pages)(cast.owner)
        url = f"/api/v1/vms/{cast.acme_vm.pk}/console"
        answer = await in_thread(client.post)(url, data={}, content_type="application/json")
        socket = websocket(
            cast.acme_vm.pk,
            query=f"ticket={answer.json()['ticket']}",
            origin=GOOD_ORIGIN,
            cookie=client.session.session_key,
        )
        assert (await socket.connect(timeout=5))[0]
        sockets.append(socket)
        clients.append(client)
    await asyncio.sleep(0.05)
    await in_thread(clients[0].post)("/logout/")
    assert await close_code(sockets[0]) == CloseCode.ACCESS_ENDED
    assert await sockets[1].receive_nothing(timeout=0.3)
    await sockets[1].disconnect()


async def test_what_happens_while_it_is_being_opened_ends_it(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the database and the first byte; there is no other look for half a minute."""
    cast = committed_cast
    async with viewing(cast):
        pass  # from now on revocations are heard
    open_stub = consumers.display_link

    async def meanwhile_demoted(*opening: Any) -> Any:
        await in_thread(_demote)(cast)
        await asyncio.sleep(0.1)
        return await open_stub(*opening)

    monkeypatch.setattr(consumers, "display_link", meanwhile_demoted)
    async with viewing(cast) as socket:
        assert await close_code(socket) == CloseCode.ACCESS_ENDED


async def test_an_opened_console_asks_the_database_nothing_more(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with viewing(committed_cast):
        pass
    looks: list[object] = []
    monkeypatch.setattr(live, "reason_to_end", lambda *_, **__: looks.append(1))
    async with viewing(committed_cast):
        await asyncio.sleep(0.2)
    assert looks == []


async def test_a_console_that_has_ended_waits_for_no_collector(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its buffers would stay with it."""
    relays: list[weakref.ref[Any]] = []
    start = live.LiveConsole.start

    def noted(console: live.LiveConsole) -> None:
        relays.append(weakref.ref(console._relay))
        start(console)

    monkeypatch.setattr(live.LiveConsole, "start", noted)
    gc.disable()
    try:
        async with viewing(committed_cast) as socket:
            assert relays[0]() is not None
            links[0].lose(CloseCode.VM_OFF)
            await close_code(socket)
        async with asyncio.timeout(5):
            while relays[0]() is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        gc.enable()


async def test_a_console_on_which_nothing_happens_has_no_task(committed_cast: Cast, links: list[StubLink]) -> None:
    async with viewing(committed_cast):
        [session] = await in_thread(lambda: list(ConsoleSession.objects.all()))()
        assert not [task for task in asyncio.all_tasks() if str(session.id) in task.get_name()]


async def test_a_server_that_stops_waits_until_ends_are_written(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(live.finish_when_stopped(stop))
    async with viewing(committed_cast) as socket:
        links[0].lose(CloseCode.SERVICE_RESTART)
        await close_code(socket)
        stop.set()
        await asyncio.wait_for(waiting, 5)
        session = await in_thread(ConsoleSession.objects.get)()
        assert session.close_code == CloseCode.SERVICE_RESTART


async def test_the_periodic_check_ends_what_no_message_ended(
    committed_cast: Cast, links: list[StubLink], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSOLE_RECHECK_SECONDS = 0.1
    async with viewing(committed_cast) as socket:
        await in_thread(Membership.objects.filter(user=committed_cast.operator).delete)()
        assert await close_code(socket) == CloseCode.ACCESS_ENDED


@pytest.mark.parametrize("fault", [DatabaseError, InterfaceError])
async def test_without_the_database_a_console_ends_at_the_second_check(
    committed_cast: Cast, links: list[StubLink], settings: Any, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    settings.CONSOLE_RECHECK_SECONDS = 0.1
    async with viewing(committed_cast) as socket:

        def away(*_: Any, **__: Any) -> None:
            raise fault("away")

        monkeypatch.setattr(live, "session_meter", away)
        assert await close_code(socket) == CloseCode.SERVICE_RESTART


async def test_a_console_is_told_to_look_while_the_database_is_away_for_a_moment(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    meter = live.session_meter

    def away_once(**counts: Any) -> None:
        looks.append(1)
        if len(looks) == 1:
            raise InterfaceError("away")
        meter(**counts)

    monkeypatch.setattr(live, "LOOK_AGAIN_SECONDS", 0.01)
    async with viewing(committed_cast) as socket:
        session = await in_thread(ConsoleSession.objects.get)()
        monkeypatch.setattr(live, "session_meter", away_once)
        await in_thread(publish)(notices.GROUP, notices.check_notice(notices.session_topic(session.pk)))
        assert await socket.receive_nothing(timeout=0.3)
        assert len(looks) == 2


async def test_bytes_are_metered_once_also_by_who_ends_in_the_middle(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = live.session_meter

    def slowly(**counts: Any) -> None:
        time.sleep(0.2)
        meter(**counts)

    async with viewing(committed_cast) as socket:
        links[0].show(b"RFB 003.008\n")
        assert await socket.receive_from(timeout=5)
        session = await in_thread(ConsoleSession.objects.get)()
        monkeypatch.setattr(live, "session_meter", slowly)
        await in_thread(publish)(notices.GROUP, notices.check_notice(notices.session_topic(session.pk)))
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.3)
    session = await in_thread(ConsoleSession.objects.get)()
    assert (session.bytes_to_viewer, session.bytes_from_viewer) == (12, 0)


async def test_eve_counts_the_total_too(committed_cast: Cast, links: list[StubLink], settings: Any) -> None:
    settings.CONSOLE_RECHECK_SECONDS = 0.1
    settings.CONSOLE_TOTAL_SECONDS = 0.05
    async with viewing(committed_cast) as socket:
        assert await close_code(socket) == CloseCode.TOTAL_LIMIT


@pytest.mark.parametrize("setting", ["CONSOLES_PER_VM", "CONSOLES_PER_USER"])
async def test_limits(committed_cast: Cast, links: list[StubLink], settings: Any, setting: str) -> None:
    setattr(settings, setting, 1)
    cast = committed_cast
    async with viewing(cast):
        token = await in_thread(cast.token)(cast.operator)
        second = websocket(cast.acme_vm.pk, query=f"token={token}")
        assert (await second.connect(timeout=5))[0]
        assert await close_code(second) == CloseCode.TOO_MANY
        answer = await in_thread(lambda: cast.api(cast.operator).post(f"/api/v1/vms/{cast.acme_vm.pk}/console"))()
        assert answer.status_code == 429
        assert answer.json()["code"] == "too_many_consoles"
    async with viewing(cast):
        pass


async def test_a_broken_session_goes_on_and_a_revoked_one_does_not(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    async with viewing(cast):
        pass
    session = await in_thread(ConsoleSession.objects.get)()

    def resume() -> str:
        url = f"/api/v1/vms/{cast.acme_vm.pk}/console"
        return cast.api(cast.operator).post(url, data={"resume": str(session.pk)}).json()["session"]

    assert await in_thread(resume)() == str(session.pk)
    await in_thread(ConsoleSession.objects.filter(pk=session.pk).update)(close_code=CloseCode.ACCESS_ENDED)
    assert await in_thread(resume)() != str(session.pk)


@pytest.mark.parametrize("is_open", [True, False])
async def test_what_is_ended_between_ticket_and_handshake_does_not_come_back(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    """Whether the connection that broke is known to be dead by then, or its end is not written down yet."""
    cast = committed_cast

    def ask() -> dict[str, Any]:
        url = f"/api/v1/vms/{cast.acme_vm.pk}/console"
        return cast.api(cast.operator).post(url, data={"resume": str(session.pk)}).json()

    async with viewing(cast) as first:
        session = await in_thread(ConsoleSession.objects.get)()
        answer = await in_thread(ask)()
        assert answer["session"] == str(session.pk)
        if is_open:
            monkeypatch.setattr(services, "publish_on_commit", lambda *_: None)
        await in_thread(session_cut)(session=session, user=cast.owner)
        if not is_open:
            assert await close_code(first) == CloseCode.ENDED_BY_STAFF
            await first.disconnect()
        assert (await in_thread(ask)())["session"] != str(session.pk)
        late = websocket(cast.acme_vm.pk, query=f"ticket={answer['ticket']}")
        assert (await late.connect(timeout=5))[0]
        assert await close_code(late) == CloseCode.ENDED_BY_STAFF
        assert len(links) == 1


async def test_a_session_goes_on_over_another_connection_before_the_first_is_known_to_be_dead(
    committed_cast: Cast, links: list[StubLink], settings: Any
) -> None:
    settings.CONSOLE_RECHECK_SECONDS = 0.1
    cast = committed_cast
    async with viewing(cast) as first:
        session = await in_thread(ConsoleSession.objects.get)()

        def resume() -> dict[str, Any]:
            url = f"/api/v1/vms/{cast.acme_vm.pk}/console"
            return cast.api(cast.operator).post(url, data={"resume": str(session.pk)}).json()

        answer = await in_thread(resume)()
        assert answer["session"] == str(session.pk)
        second = websocket(cast.acme_vm.pk, query=f"ticket={answer['ticket']}")
        assert (await second.connect(timeout=5))[0]
        assert await close_code(first) == CloseCode.GOING_AWAY
        assert await second.receive_nothing(timeout=0.5)
        await in_thread(session.refresh_from_db)()
        assert session.ended_at is None
        links[1].show(b"still here")
        assert await second.receive_from(timeout=5) == b"still here"
        await second.disconnect()
    await in_thread(session.refresh_from_db)()
    assert session.ended_at is not None


def test_a_left_over_session_is_waited_for(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    class SlowAgent(contextlib.nullcontext[Any]):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__(self)

        def console_end(self, *session: object) -> None:
            asked.append(session)
            if len(asked) == 3:
                raise AgentRefused("gone", agent_code=ErrorCode.CONSOLE_NOT_FOUND)

    monkeypatch.setattr(leftovers, "AgentClient", SlowAgent)
    leftovers.left_over_end(committed_cast.acme_vm, uuid.uuid4())
    assert len(asked) == 3


async def test_why_it_ended_can_be_asked(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    async with viewing(cast) as socket:
        links[0].lose(CloseCode.LIBVIRT_AWAY, "gone")
        await close_code(socket)
    session = await in_thread(ConsoleSession.objects.get)()
    answer = await in_thread(lambda: cast.api(cast.operator).get(f"/api/v1/consoles/{session.pk}"))()
    assert answer.json() | {"state": "ended", "close_code": 4014, "reason": "", "retryable": True} == answer.json()
    answer = await in_thread(lambda: cast.api(cast.outsider).get(f"/api/v1/consoles/{session.pk}"))()
    assert answer.status_code == 404


async def test_a_fault_of_eves_own_leaves_no_open_record(
    committed_cast: Cast, links: list[StubLink], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(consumers, "display_link", fail)
    token = await in_thread(committed_cast.token)(committed_cast.operator)
    socket = websocket(committed_cast.acme_vm.pk, query=f"token={token}")
    assert (await socket.connect(timeout=5))[0]
    assert await close_code(socket) == CloseCode.INTERNAL_ERROR
    session = await in_thread(ConsoleSession.objects.get)()
    assert session.close_code == CloseCode.INTERNAL_ERROR
