"""Connections to agents that are made in advance: used once, only while they are as good as new, and never left behind."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from channels.layers import get_channel_layer
from eve_agent.wire.close import CloseCode

from consoles import notices, warm
from consoles.link import AgentLink, open_link
from consoles.switchboard import switchboard
from consoles.warm import WarmLinks, warm_links
from eve_site.lifespan import _background_tasks
from hypervisors import verified
from hypervisors.tls import AgentTls
from tests.agent.stub import DOMAIN
from tests.agent.transport.conftest import Agent, agent

from .test_link import trust_of, wanted

__all__ = ["agent"]

HOST = uuid.uuid4()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (there is no event)
            await asyncio.sleep(0.01)


def at_the_agent(agent: Agent) -> int:
    """How many connections the agent has."""
    return len(agent.server._http.connections)


async def prepared(agent: Agent, trust: AgentTls, host: uuid.UUID = HOST) -> WarmLinks:
    """Links of which one, to the agent, is ready."""
    await until(lambda: switchboard().position.hearing)
    links = warm_links()
    links.prepare(host, trust, since=switchboard().position)
    await until(lambda: at_the_agent(agent) == len(links))
    return links


async def opened(trust: AgentTls, links: WarmLinks) -> AgentLink:
    return await open_link(trust, wanted(), domain=DOMAIN, timeout_seconds=5, warm=partial(links.take, HOST, trust))


@pytest.fixture
def dials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts to which connections were made."""
    made: list[str] = []
    dial = verified.connect_tcp

    async def counted(host: str, port: int) -> Any:
        made.append(host)
        return await dial(host, port)

    monkeypatch.setattr(verified, "connect_tcp", counted)
    return made


async def test_it_serves_one_console_and_no_other(agent: Agent, dials: list[str]) -> None:
    trust = trust_of(agent)
    links = await prepared(agent, trust)
    assert len(dials) == 1
    link = await opened(trust, links)
    assert len(dials) == 1
    link.start()
    display = await agent.display()
    await display.send(b"RFB 003.008\n")
    assert await link.receive() == b"RFB 003.008\n"
    assert await links.take(HOST, trust) is None
    await link.close()
    assert await links.take(HOST, trust) is None
    assert len(links) == 0


async def test_two_at_once_get_one_each(agent: Agent, dials: list[str]) -> None:
    trust = trust_of(agent)
    links = await prepared(agent, trust)
    opened_links = await asyncio.gather(opened(trust, links), opened(trust, links))
    assert len(dials) == 2
    assert opened_links[0]._transport is not opened_links[1]._transport
    for link in opened_links:
        link.abort()


async def test_one_that_is_being_made_is_waited_for(agent: Agent, dials: list[str]) -> None:
    trust = trust_of(agent)
    await until(lambda: switchboard().position.hearing)
    warm_links().prepare(HOST, trust, since=switchboard().position)
    await until(lambda: dials)
    link = await opened(trust, warm_links())
    assert len(dials) == 1
    link.abort()


async def test_one_that_the_agent_closed_is_gone(agent: Agent) -> None:
    links = await prepared(agent, trust := trust_of(agent))
    for connection in agent.server._http.connections:
        connection.transport.abort()
    await until(lambda: len(links) == 0)
    (await opened(trust, links)).abort()


async def test_one_that_dies_when_it_is_asked_is_replaced(agent: Agent, dials: list[str]) -> None:
    trust = trust_of(agent)
    links = await prepared(agent, trust)

    async def taken() -> Any:
        connection = await links.take(HOST, trust)
        for there in agent.server._http.connections:
            there.transport.abort()
        return connection

    link = await open_link(trust, wanted(), domain=DOMAIN, timeout_seconds=5, warm=taken)
    assert len(dials) == 2
    link.abort()


async def test_an_agent_that_speaks_unasked_is_cut(agent: Agent) -> None:
    links = await prepared(agent, trust_of(agent))
    for connection in agent.server._http.connections:
        connection.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    await until(lambda: len(links) == 0 and at_the_agent(agent) == 0)


CHANGES: dict[str, Callable[[AgentTls], AgentTls]] = {
    "another pin": lambda trust: dataclasses.replace(trust, pins=frozenset({"0" * 64})),
    "a pin less": lambda trust: dataclasses.replace(trust, pins=frozenset(sorted(trust.pins)[:1])),
    "another address": lambda trust: dataclasses.replace(trust, host="127.0.0.1"),
    "another certificate of Eve's": lambda trust: dataclasses.replace(trust, speaker="0" * 64),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_it_is_not_used_once_the_host_is_to_be_reached_otherwise(agent: Agent, what: str) -> None:
    before = trust_of(agent, agent.identity.status().fingerprint, "f" * 64)
    links = await prepared(agent, before)
    assert await links.take(HOST, CHANGES[what](before)) is None
    await until(lambda: at_the_agent(agent) == 0)


async def test_it_is_not_used_after_the_certificate_has_ended(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    links = await prepared(agent, trust := trust_of(agent))
    later = verified.time.time() + 100 * 24 * 3600
    monkeypatch.setattr(verified.time, "time", lambda: later)
    assert await links.take(HOST, trust) is None
    await until(lambda: at_the_agent(agent) == 0)


async def test_a_host_that_is_not_trusted_gets_none(agent: Agent) -> None:
    await until(lambda: switchboard().position.hearing)
    warm_links().prepare(HOST, trust_of(agent, "0" * 64), since=switchboard().position)
    await until(lambda: len(warm_links()) == 0)
    assert agent.driver.calls == []


NOTICES = {
    "the host was removed, revoked or enrolled anew": notices.end_notice(
        notices.hypervisor_topic(HOST), CloseCode.HOST_AWAY
    ),
    "the host stands elsewhere": notices.check_notice(notices.hypervisor_topic(HOST)),
}


@pytest.mark.parametrize("what", NOTICES)
async def test_what_takes_a_hosts_consoles_away_closes_it_at_once(agent: Agent, what: str) -> None:
    links = await prepared(agent, trust := trust_of(agent))
    other = uuid.uuid4()
    links.prepare(other, trust, since=switchboard().position)
    await until(lambda: at_the_agent(agent) == 2)
    layer: Any = get_channel_layer()
    await layer.group_send(notices.GROUP, NOTICES[what])
    await until(lambda: at_the_agent(agent) == 1)
    assert await links.take(HOST, trust) is None
    links.close()
    await until(lambda: at_the_agent(agent) == 0)


async def test_what_was_announced_while_it_was_asked_for_counts_too(agent: Agent) -> None:
    await until(lambda: switchboard().position.hearing)
    since = switchboard().position
    layer: Any = get_channel_layer()
    await layer.group_send(notices.GROUP, notices.end_notice(notices.hypervisor_topic(HOST), CloseCode.HOST_AWAY))
    await until(lambda: switchboard().position != since)
    warm_links().prepare(HOST, trust_of(agent), since=since)
    assert len(warm_links()) == 0


async def test_while_nothing_is_heard_of_revocations_there_are_none(agent: Agent) -> None:
    since = switchboard().position
    assert not since.hearing
    warm_links().prepare(HOST, trust_of(agent), since=since)
    assert len(warm_links()) == 0


async def test_there_are_only_so_many(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MAX_LINKS", 2)
    trust = trust_of(agent)
    for _ in range(4):
        links = await prepared(agent, trust, uuid.uuid4())
    assert len(links) == 2
    links.close()


async def test_one_that_nobody_asks_for_is_closed(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "KEEP_SECONDS", 0.3)
    links = await prepared(agent, trust_of(agent))
    await until(lambda: len(links) == 0 and at_the_agent(agent) == 0)


async def test_the_servers_end_closes_them(agent: Agent) -> None:
    await prepared(agent, trust_of(agent))
    assert warm.close_when_stopped in _background_tasks()
    stop = asyncio.Event()
    stop.set()
    await warm.close_when_stopped(stop)
    await until(lambda: at_the_agent(agent) == 0)
