"""The websocket of open pages: who may listen, what is heard, and when it ends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from urllib.parse import urlencode

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.sessions import CookieMiddleware
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone
from eve_agent.wire.close import CloseCode
from eve_agent.wire.domain import DomainState
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import Membership, User
from accounts.services import audit_record
from accounts.session_store import SessionStore
from accounts.sessions import session_digest
from accounts.signals import access_revoked
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.services import hypervisor_delete, hypervisor_register, hypervisor_update
from hypervisors.signals import domain_seen, hypervisor_state_changed
from operations.services import operation_create
from operations.signals import operation_changed
from tests.factories import make_member
from tests.vms.conftest import domain_of_vm, make_domain
from vms import changes, consumers, live
from vms.models import Image, ImageState
from vms.routing import websocket_urlpatterns
from vms.services import image_delete, image_update, vm_change_state

APPLICATION = CookieMiddleware(URLRouter(websocket_urlpatterns))
ORIGIN = settings.PUBLIC_URL

pytestmark = pytest.mark.django_db(transaction=True)


def login(user):
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def websocket(cookie="", origins=(ORIGIN,), **query):
    headers = [(b"origin", origin.encode()) for origin in origins]
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(APPLICATION, f"/ws/live?{urlencode(query)}", headers=headers)


async def listen(user, samples="", **query):
    """An open websocket of `user`, and the key of its login session."""
    cookie = await database_sync_to_async(login)(user)
    socket = websocket(cookie, samples=samples, **query)
    assert (await socket.connect())[0]
    return socket, cookie


async def heard(socket, seconds=0.3, *, with_events=False):
    """Everything that arrives, until it is quiet; of the audit on demand only."""
    messages = []
    while True:
        try:
            message = await asyncio.wait_for(socket.output_queue.get(), seconds)
        except TimeoutError:
            return messages
        if message["type"] == "websocket.close":
            return [*messages, message["code"]]
        told = json.loads(message["text"])
        if with_events or told["type"] != "event":
            messages.append(told)


@database_sync_to_async
def see(hypervisor, domain):
    domain_seen.send(sender=None, hypervisor_id=hypervisor.pk, domain=domain)


@database_sync_to_async
def revoke(**arguments):
    access_revoked.send(sender=None, **arguments)


# ------------------------------------------------------------------------------------------------ Who may listen


@pytest.mark.parametrize(
    "origins",
    [
        (),
        ("null",),
        ("https://evil.example",),
        (ORIGIN.replace(":8000", ":8001"),),
        (ORIGIN.replace("http:", "https:"),),
        (ORIGIN + ".evil.example",),
        (ORIGIN, ORIGIN),
        (ORIGIN, "https://evil.example"),
        ("",),
    ],
)
async def test_other_origins_are_refused(cast, origins):
    cookie = await database_sync_to_async(login)(cast.owner)
    assert not (await websocket(cookie, origins).connect())[0]


@pytest.mark.parametrize("cookie", ["", "nonsense", "x" * 4000])
async def test_without_a_login_session_it_is_refused(cast, cookie):
    assert not (await websocket(cookie).connect())[0]


async def test_a_disabled_users_session_is_refused(cast):
    cookie = await database_sync_to_async(login)(cast.owner)
    await User.objects.filter(pk=cast.owner.pk).aupdate(is_active=False)
    assert not (await websocket(cookie).connect())[0]


async def test_a_login_token_is_no_cookie(cast):
    token = await database_sync_to_async(cast.token)(cast.owner)
    assert not (await websocket(token).connect())[0]


async def test_one_user_keeps_so_many_and_no_more(cast, settings):
    settings.LIVE_SOCKETS_PER_USER = 2
    (first, cookie), (_second, _cookie) = await listen(cast.owner), await listen(cast.owner)
    for _ in range(2):
        beyond = websocket(cookie)
        assert (await beyond.connect())[0]
        assert await heard(beyond) == [CloseCode.TOO_MANY]
        await beyond.disconnect()
    await listen(cast.operator)
    await first.disconnect()
    again, _cookie = await listen(cast.owner)
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert len(await heard(again)) == 1


async def test_one_that_fails_counts_no_more(cast, monkeypatch):
    async def fail(*_):
        raise RuntimeError("a bug")

    socket, _cookie = await listen(cast.owner)
    monkeypatch.setattr(consumers.LiveConsumer, "live_message", fail)
    assert consumers._open_sockets[cast.owner.pk] == 1
    await get_channel_layer().group_send(live.user_group(cast.owner.pk), {"type": "live.message", "message": {}})
    with pytest.raises(RuntimeError):
        await socket.wait(1)
    assert cast.owner.pk not in consumers._open_sockets


# ------------------------------------------------------------------------------------------------ What is heard


async def test_a_change_is_heard_by_members_and_staff_of_the_site_only(cast):
    sockets = {name: (await listen(user))[0] for name, user in cast.everybody.items()}
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    told = {"type": "vm", "id": str(cast.acme_vm.pk), "state": "off"}
    for name, socket in sockets.items():
        messages = await heard(socket, 0.05 if name == "outsider" else 0.3)
        expected = [] if name in ("outsider", "staff_there") else [told]
        assert messages == expected, name


async def test_it_is_heard_within_a_moment(cast):
    socket, _cookie = await listen(cast.owner)
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert json.loads((await asyncio.wait_for(socket.receive_output(), 1))["text"])["state"] == "off"


async def test_a_page_is_told_what_it_missed_and_only_then(cast, monkeypatch):
    async def opened(cookie, since):
        page = websocket(cookie, since=since)
        assert (await page.connect())[0]
        return page

    monkeypatch.setattr(changes, "SLACK_SECONDS", 0.0)
    (first, owner), (_other, outsider) = await listen(cast.owner, since="0"), await listen(cast.outsider)
    assert await heard(first, 0.5) == [{"type": "missed"}], "nobody knows what was told then"
    made_at = time.time()
    for since in ("", "nonsense", made_at):
        assert await heard(await opened(owner, since), 0.5) == [], since
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert len(await heard(first)) == 1
    assert await heard(await opened(owner, made_at), 0.5) == [{"type": "missed"}]
    assert await heard(await opened(outsider, made_at), 0.5) == []


async def test_a_public_image_is_everybodys_and_a_projects_its_members(cast):
    sockets = {name: (await listen(user))[0] for name, user in cast.everybody.items()}
    for project, heard_by in ((None, set(sockets)), (cast.acme, set())):
        image = await Image.objects.acreate(name="Debian", site=cast.here, project=project, state=ImageState.READY)
        await database_sync_to_async(image_update)(image=image, user=cast.staff_here, name="Debian 13")
        for name, socket in sockets.items():
            expected = [{"type": "image", "id": str(image.pk)}] if name in heard_by else []
            assert await heard(socket, 0.3 if expected else 0.05) == expected, name
    operation = await database_sync_to_async(image_delete)(image=image, user=cast.staff_here)
    assert {"type": "image", "id": str(image.pk)} not in await heard(sockets["outsider"])
    assert operation.project_id == cast.acme.pk


async def test_the_end_of_a_public_images_operation_is_everybodys(cast):
    image = await Image.objects.acreate(name="Debian", site=cast.here, state=ImageState.READY)
    operation = await database_sync_to_async(image_delete)(image=image, user=cast.staff_here)
    socket, _cookie = await listen(cast.outsider)
    await database_sync_to_async(operation_changed.send)(sender=None, operation=operation)
    assert await heard(socket) == [], "how far it is interests its staff only"
    operation.finished_at = timezone.now()
    await database_sync_to_async(operation_changed.send)(sender=None, operation=operation)
    assert await heard(socket) == [{"type": "image", "id": str(image.pk)}]


async def test_operations_hosts_and_drift_are_heard_by_whom_they_concern(cast):
    member, _cookie = await listen(cast.viewer)
    staff, _cookie = await listen(cast.staff_here)
    other, _cookie = await listen(cast.staff_there)
    operation = await database_sync_to_async(vm_change_state)(vm=cast.acme_vm, action="stop", user=cast.owner)
    told = {
        "type": "operation",
        "id": str(operation.pk),
        "kind": "vm.stop",
        "state": "queued",
        "target": str(cast.acme_vm.pk),
    }
    assert await heard(member) == [told]
    assert await heard(staff) == [told]
    await see(cast.hypervisor_here, make_domain())
    assert await heard(staff) == [{"type": "drift"}]
    await database_sync_to_async(hypervisor_state_changed.send)(
        sender=None,
        hypervisor_id=cast.hypervisor_here.pk,
        state=HypervisorState.ONLINE,
        since=cast.hypervisor_here.state_since,
    )
    assert await heard(staff) == [{"type": "host", "id": str(cast.hypervisor_here.pk), "state": "online"}]
    assert await heard(member) == []
    assert await heard(other) == []


async def test_operations_of_images_are_heard_at_their_site_and_in_their_project(cast):
    sockets = [(await listen(user))[0] for user in (cast.viewer, cast.staff_here, cast.staff_there, cast.outsider)]
    image = await Image.objects.acreate(name="Debian 12", site=cast.here, project=cast.acme)
    create = database_sync_to_async(operation_create)
    operation = await create(kind="image.fetch", target=image, project=cast.acme, user=None)
    told = {
        "type": "operation",
        "id": str(operation.pk),
        "kind": "image.fetch",
        "state": "queued",
        "target": str(image.pk),
    }
    assert [await heard(socket) for socket in sockets] == [[told], [told], [], []]


async def test_audit_events_are_heard_by_whom_they_concern(cast):
    sockets = {name: (await listen(user))[0] for name, user in cast.everybody.items()}
    record = database_sync_to_async(audit_record)

    async def hearers(what, target, **fields):
        await record(target=target, **fields)
        told = {"type": "event", "what": what, "target": str(target.pk)}
        found = {name: await heard(socket, 0.1, with_events=True) for name, socket in sockets.items()}
        assert all(messages in ([], [told], [told] * 2) for messages in found.values()), found
        return {name for name, messages in found.items() if messages}

    everywhere, members = {"superuser", "staff_everywhere"}, {"owner", "operator", "viewer"}
    member = {"action": "member.role", "target": cast.viewer, "actor": cast.owner, "project": cast.acme}
    assert await hearers("member", **member) == members | everywhere
    vm = {"action": "vm.update", "target": cast.acme_vm, "actor": cast.staff_here, "project": cast.acme}
    assert await hearers("vm", **vm) == members | everywhere | {"staff_here"}
    own = {"action": "token.create", "target": cast.owner, "actor": cast.owner}
    assert await hearers("token", **own) == {"owner"} | everywhere
    assert await hearers("login", action="login", target=cast.acme, outcome="failure") == set()


async def test_an_audit_event_that_is_rolled_back_is_not_heard(cast):
    socket, _cookie = await listen(cast.owner)

    @database_sync_to_async
    def fail():
        with transaction.atomic():
            audit_record(action="vm.update", actor=cast.owner, target=cast.acme_vm, project=cast.acme)
            transaction.set_rollback(True)

    await fail()
    assert await heard(socket, with_events=True) == []


async def test_a_host_that_moves_is_heard_by_the_staff_of_both_sites(cast):
    leaving, _cookie = await listen(cast.staff_here)
    coming, _cookie = await listen(cast.staff_there)
    member, _cookie = await listen(cast.viewer)
    move = database_sync_to_async(hypervisor_update)
    await move(hypervisor=cast.hypervisor_here, user=cast.superuser, site=cast.there)
    assert await heard(leaving) == [{"type": "access"}]
    assert await heard(coming) == [{"type": "access"}]
    await move(hypervisor=cast.hypervisor_here, user=cast.superuser, remarks="Stays where it is")
    assert await heard(coming) == []
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert await heard(leaving) == []
    assert len(await heard(coming)) == 1
    assert len(await heard(member)) == 1


async def test_a_host_that_comes_or_goes_or_is_renamed_is_heard_by_the_staff_of_its_site(cast):
    near, _cookie = await listen(cast.staff_here)
    away, _cookie = await listen(cast.staff_there)
    member, _cookie = await listen(cast.viewer)
    host = Hypervisor(name="hv-new", site=cast.here, address="hv-new.example:8443")
    told = {"type": "host", "id": str(host.pk), "state": "new"}
    await database_sync_to_async(hypervisor_register)(hypervisor=host, user=cast.superuser)
    assert await heard(near) == [told]
    await database_sync_to_async(hypervisor_update)(hypervisor=host, user=cast.superuser, name="hv-newer")
    assert await heard(near) == [told]
    await database_sync_to_async(hypervisor_delete)(hypervisor=host, user=cast.superuser)
    assert await heard(near) == [{**told, "state": ""}]
    assert await heard(away) + await heard(member) == []


async def test_what_a_page_sends_is_ignored(cast):
    socket, _cookie = await listen(cast.owner)
    for nonsense in ("{", '{"type": "subscribe", "group": "live.site.x"}'):
        await socket.send_to(text_data=nonsense)
    await socket.send_to(bytes_data=b"\x00" * 1000)
    assert await heard(socket) == []
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert len(await heard(socket)) == 1


async def test_a_page_measures_its_line(cast):
    socket, _cookie = await listen(cast.owner)
    await socket.send_to(text_data="ping")
    assert await heard(socket) == [{"type": "pong"}]


# ------------------------------------------------------------------------------------------------ While Redis is away


async def test_while_redis_is_away_the_handshake_is_refused_in_quiet(cast, redis_away):
    cookie = await database_sync_to_async(login)(cast.owner)
    socket = websocket(cookie)
    assert not (await socket.connect(timeout=20))[0]
    await socket.wait(5)
    assert cast.owner.pk not in consumers._open_sockets


async def test_when_redis_goes_the_page_is_told_to_come_back(cast, monkeypatch):
    layer, gone = get_channel_layer(), asyncio.Event()
    hear = layer.receive

    async def receive(channel):
        message, left = asyncio.ensure_future(hear(channel)), asyncio.ensure_future(gone.wait())
        await asyncio.wait({message, left}, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if message.done():
            return message.result()
        message.cancel()
        raise RedisConnectionError("away")

    monkeypatch.setattr(layer, "receive", receive)
    socket, _cookie = await listen(cast.owner)
    gone.set()
    assert await heard(socket, 3) == [CloseCode.SERVICE_RESTART]
    await socket.wait(5)
    assert cast.owner.pk not in consumers._open_sockets


# ------------------------------------------------------------------------------------------------ How it ends


async def test_it_ends_at_logout(cast):
    socket, cookie = await listen(cast.owner)
    other, _cookie = await listen(cast.owner)
    await database_sync_to_async(SessionStore(cookie).delete)()
    await revoke(session_digest=session_digest(cookie), reason="logout")
    assert await heard(socket) == [4001]
    assert await heard(other) == []


async def test_it_ends_when_the_user_is_disabled(cast):
    socket, _cookie = await listen(cast.owner)
    await User.objects.filter(pk=cast.owner.pk).aupdate(is_active=False)
    await revoke(user_id=cast.owner.pk, reason="user_disabled")
    assert await heard(socket) == [4001]


async def test_a_lost_membership_is_heard_no_more(cast):
    socket, _cookie = await listen(cast.operator)
    await Membership.objects.filter(user=cast.operator, project=cast.acme).adelete()
    await revoke(user_id=cast.operator.pk, project_id=cast.acme.pk, reason="membership_lost")
    assert await heard(socket) == [{"type": "access"}]
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert await heard(socket) == []


async def test_it_looks_by_itself_whether_it_may_go_on(cast, monkeypatch):
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.1)
    gone, cookie = await listen(cast.owner)
    joined, _cookie = await listen(cast.outsider)
    await database_sync_to_async(SessionStore(cookie).delete)()
    await database_sync_to_async(make_member)(cast.acme, cast.outsider)
    assert await heard(gone) == [4001]
    assert await heard(joined) == [{"type": "access"}]
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert len(await heard(joined)) == 1


async def test_it_looks_once_at_a_time(cast, monkeypatch):
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.01)
    audience_of, looking, most = consumers.audience_of, [], []

    def slow_audience(session_key, wanted_samples):
        looking.append(session_key)
        most.append(len(looking))
        time.sleep(0.05)
        looking.pop()
        return audience_of(session_key, wanted_samples)

    socket, _cookie = await listen(cast.operator)
    await Membership.objects.filter(user=cast.operator, project=cast.acme).adelete()
    monkeypatch.setattr(consumers, "audience_of", slow_audience)
    for _ in range(5):
        await get_channel_layer().group_send(live.user_group(cast.operator.pk), {"type": "live.check"})
    for _ in range(500):
        if len(most) >= 6:
            break
        await asyncio.sleep(0.02)
    assert await heard(socket) == [{"type": "access"}]
    assert len(most) >= 6
    assert set(most) == {1}
    await socket.disconnect()


async def test_it_waits_for_no_other_websocket(cast):
    """What holds up the one thread that Channels has of its own holds up neither a handshake nor a message."""
    cookie = await database_sync_to_async(login)(cast.owner)
    release = threading.Event()
    held_up = asyncio.create_task(database_sync_to_async(release.wait)(10))
    try:
        await asyncio.sleep(0.05)
        socket = websocket(cookie)
        assert (await socket.connect(timeout=3))[0]
        message = {"type": "live.message", "message": {"type": "drift"}}
        await get_channel_layer().group_send(live.user_group(cast.owner.pk), message)
        assert await heard(socket, 1) == [{"type": "drift"}]
    finally:
        release.set()
        await held_up
    await socket.disconnect()


async def test_nothing_is_left_behind(cast, monkeypatch):
    layer, joined = get_channel_layer(), set()
    add, discard = layer.group_add, layer.group_discard

    async def group_add(group, channel):
        joined.add((group, channel))
        await add(group, channel)

    async def group_discard(group, channel):
        joined.discard((group, channel))
        await discard(group, channel)

    monkeypatch.setattr(layer, "group_add", group_add)
    monkeypatch.setattr(layer, "group_discard", group_discard)
    socket, _cookie = await listen(cast.staff_here)
    assert len(joined) == 5  # the user, the login session, the personal project, the site, everybody
    await socket.disconnect()
    assert joined == set()


async def test_a_flood_beyond_the_channels_capacity_ends_nothing(cast):
    socket, _cookie = await listen(cast.owner)
    group = live.project_group(cast.acme.pk)
    for _ in range(1500):
        await get_channel_layer().group_send(group, {"type": "live.vms", "vms": [{"id": "x", "state": "off"}]})
    assert len(await heard(socket)) >= 1
    await see(cast.hypervisor_here, domain_of_vm(cast.acme_vm, state=DomainState.OFF))
    assert len(await heard(socket)) == 1
