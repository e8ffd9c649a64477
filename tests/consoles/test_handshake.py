"""Who gets a console: every credential with every origin, and what is not theirs."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from channels.db import database_sync_to_async as in_thread
from django.test import Client

from accounts.services import logout_everywhere, token_revoke, user_disable
from accounts.tokens import token_resolve
from consoles.credentials import Handshake
from consoles.errors import BadCredential
from consoles.models import ConsoleMode, ConsoleSession, ConsoleTicket
from consoles.services import ticket_redeem
from tests.cast import Cast
from tests.factories import make_vm
from vms.models import Vm

from .conftest import GOOD_ORIGIN, StubLink, websocket

ORIGINS: dict[str, str | list[str] | None] = {
    "none": None,
    "good": GOOD_ORIGIN,
    "null": "null",
    "evil": "https://evil.example",
    "other port": "http://127.0.0.1:8001",
    "other scheme": GOOD_ORIGIN.replace("http://", "https://"),
    "longer": GOOD_ORIGIN + ".evil.example",
    "two": [GOOD_ORIGIN, GOOD_ORIGIN],
    "good and evil": [GOOD_ORIGIN, "https://evil.example"],
}
OPENS = {
    "cookie": set(),
    "bearer": {"none", "good"},
    "token": {"none", "good"},
    "page ticket": {"good"},
    "token ticket": {"none", "good"},
}


def page_ticket(client: Client, vm_id: object, **body: object) -> str:
    answer = client.post(f"/api/v1/vms/{vm_id}/console", data=body, content_type="application/json")
    assert answer.status_code == 201, answer.content
    return answer.json()["ticket"]


def token_ticket(cast: Cast, user: Any, vm_id: object, **body: object) -> str:
    answer = cast.api(user).post(f"/api/v1/vms/{vm_id}/console", data=body)
    assert answer.status_code == 201, answer.content
    return answer.json()["ticket"]


async def opens(**how: Any) -> bool:
    socket = websocket(**how)
    connected, _code = await socket.connect(timeout=5)
    await socket.disconnect()
    return connected


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("credential", OPENS)
async def test_every_credential_with_every_origin(
    committed_cast: Cast, links: list[StubLink], credential: str, origin: str
) -> None:
    cast, vm = committed_cast, committed_cast.acme_vm
    how: dict[str, Any] = {"vm_id": vm.pk, "origin": ORIGINS[origin]}
    client = await in_thread(cast.pages)(cast.owner)
    if credential in ("cookie", "page ticket"):
        how["cookie"] = client.session.session_key
    if credential == "page ticket":
        how["query"] = f"ticket={await in_thread(page_ticket)(client, vm.pk)}"
    if credential == "token ticket":
        how["query"] = f"ticket={await in_thread(token_ticket)(cast, cast.owner, vm.pk)}"
    if credential == "bearer":
        how["bearer"] = await in_thread(cast.token)(cast.owner)
    if credential == "token":
        how["query"] = f"token={await in_thread(cast.token)(cast.owner)}"
    assert await opens(**how) is (origin in OPENS[credential])
    assert len(links) == (1 if origin in OPENS[credential] else 0)


async def test_a_ticket_opens_once(committed_cast: Cast, links: list[StubLink]) -> None:
    ticket = await in_thread(token_ticket)(committed_cast, committed_cast.owner, committed_cast.acme_vm.pk)
    how = {"vm_id": committed_cast.acme_vm.pk, "query": f"ticket={ticket}"}
    assert await opens(**how)
    assert not await opens(**how)


async def test_fifty_at_once_open_one(committed_cast: Cast, links: list[StubLink]) -> None:
    vm = committed_cast.acme_vm
    secret = await in_thread(token_ticket)(committed_cast, committed_cast.owner, vm.pk)
    handshake = Handshake.of({"headers": [], "query_string": f"ticket={secret}".encode(), "cookies": {}})

    def redeem() -> bool:
        try:
            ticket_redeem(handshake=handshake, vm_id=vm.pk)
        except BadCredential:
            return False
        return True

    won = await asyncio.gather(*(in_thread(redeem, thread_sensitive=False)() for _ in range(50)))
    assert sum(won) == 1


async def test_a_ticket_is_for_one_vm_and_one_login_session(committed_cast: Cast, links: list[StubLink]) -> None:
    cast, vm = committed_cast, committed_cast.acme_vm
    first, second = await in_thread(cast.pages)(cast.owner), await in_thread(cast.pages)(cast.owner)
    thief = await in_thread(cast.pages)(cast.operator)
    for cookie in (second.session.session_key, thief.session.session_key, "", "x" * 32):
        ticket = await in_thread(page_ticket)(first, vm.pk)
        assert not await opens(vm_id=vm.pk, query=f"ticket={ticket}", origin=GOOD_ORIGIN, cookie=cookie)
    ticket = await in_thread(token_ticket)(cast, cast.owner, vm.pk)
    assert not await opens(vm_id=cast.ottos_vm.pk, query=f"ticket={ticket}")
    assert links == []


@pytest.mark.parametrize("same", ["name", "id"])
async def test_a_ticket_is_not_for_a_machine_that_was_made_again(
    committed_cast: Cast, links: list[StubLink], same: str
) -> None:
    cast, vm = committed_cast, committed_cast.acme_vm
    host, of_before = cast.hypervisor_here, {"id": vm.pk, "name": vm.name}
    ticket = await in_thread(token_ticket)(cast, cast.owner, vm.pk)

    def made_again() -> Vm:
        vm.delete()
        return make_vm(cast.acme, host, **{same: of_before[same]})

    again = await in_thread(made_again)()
    assert not await opens(vm_id=again.pk, query=f"ticket={ticket}")
    assert await opens(vm_id=again.pk, query=f"ticket={await in_thread(token_ticket)(cast, cast.owner, again.pk)}")


async def test_an_old_ticket_opens_nothing(committed_cast: Cast, links: list[StubLink], settings: Any) -> None:
    settings.CONSOLE_TICKET_SECONDS = -1
    ticket = await in_thread(token_ticket)(committed_cast, committed_cast.owner, committed_cast.acme_vm.pk)
    assert not await opens(vm_id=committed_cast.acme_vm.pk, query=f"ticket={ticket}")


async def test_a_ticket_does_not_outlive_what_it_came_from(committed_cast: Cast, links: list[StubLink]) -> None:
    cast, vm = committed_cast, committed_cast.acme_vm
    text = await in_thread(cast.token)(cast.owner)
    token = await in_thread(token_resolve)(text)

    def ask() -> str:
        client = cast.api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        return client.post(f"/api/v1/vms/{vm.pk}/console").json()["ticket"]

    ticket = await in_thread(ask)()
    await in_thread(lambda: token_revoke(token=token, by=cast.owner))()
    assert not await opens(vm_id=vm.pk, query=f"ticket={ticket}")

    client = await in_thread(cast.pages)(cast.owner)
    ticket, cookie = await in_thread(page_ticket)(client, vm.pk), client.session.session_key
    await in_thread(lambda: logout_everywhere(user=cast.owner))()
    assert not await opens(vm_id=vm.pk, query=f"ticket={ticket}", origin=GOOD_ORIGIN, cookie=cookie)

    ticket = await in_thread(token_ticket)(cast, cast.operator, vm.pk)
    await in_thread(lambda: user_disable(user=cast.operator, by=cast.superuser))()
    assert not await opens(vm_id=vm.pk, query=f"ticket={ticket}")


@pytest.mark.parametrize(
    "query", ["", "ticket=", "token=", "ticket=a&ticket=b", "ticket=a&token=b", "token=%00%ff", "ticket=" + "x" * 9000]
)
async def test_nonsense_is_refused(committed_cast: Cast, links: list[StubLink], query: str) -> None:
    assert not await opens(vm_id=committed_cast.acme_vm.pk, query=query)


async def test_two_credentials_are_refused(committed_cast: Cast, links: list[StubLink]) -> None:
    token = await in_thread(committed_cast.token)(committed_cast.owner)
    assert not await opens(vm_id=committed_cast.acme_vm.pk, query=f"token={token}", bearer=token)


async def test_what_is_not_yours_does_not_exist(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    for user in (cast.outsider, cast.staff_there):
        token = await in_thread(cast.token)(user)
        assert not await opens(vm_id=cast.acme_vm.pk, query=f"token={token}")
        answer = await in_thread(lambda user=user: cast.api(user).post(f"/api/v1/vms/{cast.acme_vm.pk}/console"))()
        assert answer.status_code == 404
    token = await in_thread(cast.token)(cast.owner)
    assert not await opens(vm_id=uuid.uuid4(), query=f"token={token}")
    assert links == []


async def test_a_viewers_mode_is_capped(committed_cast: Cast, links: list[StubLink]) -> None:
    cast = committed_cast
    for user, expected in (
        (cast.viewer, ConsoleMode.VIEW),
        (cast.operator, ConsoleMode.CONTROL),
        (cast.staff_here, ConsoleMode.CONTROL),
    ):
        token = await in_thread(cast.token)(user)
        socket = websocket(cast.acme_vm.pk, query=f"token={token}&mode=control")
        assert (await socket.connect(timeout=5))[0]
        assert await socket.receive_nothing(timeout=0.5)  # it is accepted before the display is opened
        session = await in_thread(lambda user=user: ConsoleSession.objects.get(user=user))()
        assert session.mode == expected
        await socket.disconnect()


async def test_only_digests_are_kept(committed_cast: Cast) -> None:
    secret = await in_thread(token_ticket)(committed_cast, committed_cast.owner, committed_cast.acme_vm.pk)
    rows = await in_thread(lambda: list(ConsoleTicket.objects.values()))()
    assert rows
    assert secret not in str(rows)
