"""The link to an agent's console, against the agent's real server."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid

import pytest
from eve_agent import errors
from eve_agent.wire import codec
from eve_agent.wire.close import CloseCode
from eve_agent.wire.console import ConsoleMode, ConsoleRequest
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.version import CONTRACT_VERSION
from websockets.datastructures import Headers
from websockets.frames import Close
from websockets.http11 import Response

from consoles import link as link_module
from consoles.errors import DisplayRefused, HostUnreachable, LinkLost
from consoles.link import HIGH_WATER_BYTES, AgentLink, open_link
from hypervisors.refusals import refusal_words
from hypervisors.tls import AgentTls
from tests.agent.stub import DOMAIN, OFF_DOMAIN
from tests.agent.transport.conftest import Agent, agent

__all__ = ["agent"]


def trust_of(agent: Agent, *pins: str) -> AgentTls:
    return AgentTls(
        name="hv1",
        host="localhost",
        port=agent.port,
        server_name="localhost",
        context=agent.context(),
        pins=frozenset(pins or (agent.identity.status().fingerprint,)),
        speaker=agent.eve.fingerprint,
    )


def wanted() -> ConsoleRequest:
    return ConsoleRequest(session=uuid.uuid4(), mode=ConsoleMode.CONTROL)


async def test_bytes_go_both_ways(agent: Agent) -> None:
    link = await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    link.start()
    display = await agent.display()
    await display.send(b"RFB 003.008\n")
    assert await link.receive() == b"RFB 003.008\n"
    await link.send(b"RFB 003.008\n")
    assert await display.receive(12) == b"RFB 003.008\n"
    await link.close()


async def test_nothing_is_sent_to_another_certificate(agent: Agent) -> None:
    with pytest.raises(HostUnreachable) as refusal:
        await open_link(trust_of(agent, "0" * 64), wanted(), domain=DOMAIN, timeout_seconds=5)
    assert refusal.value.close_code is CloseCode.HOST_AWAY
    await asyncio.sleep(0.05)
    assert agent.driver.calls == []


async def test_a_refusal_keeps_its_reason(agent: Agent) -> None:
    with pytest.raises(DisplayRefused) as refusal:
        await open_link(trust_of(agent), wanted(), domain=OFF_DOMAIN, timeout_seconds=5)
    assert refusal.value.close_code is CloseCode.VM_OFF


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (errors.NoDisplay("headless"), CloseCode.NO_DISPLAY),
        (errors.DisplayUnsupported("SPICE only"), CloseCode.NO_DISPLAY),
        (errors.DomainNotFound("gone"), CloseCode.VM_GONE),
        (errors.LibvirtAway("away"), CloseCode.LIBVIRT_AWAY),
        (errors.LibvirtTimeout("late"), CloseCode.LIBVIRT_AWAY),
    ],
)
async def test_each_refusal_has_its_close_code(agent: Agent, failure: errors.AgentError, code: CloseCode) -> None:
    agent.driver.failure = failure
    with pytest.raises(DisplayRefused) as refusal:
        await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    assert refusal.value.close_code is code
    assert refusal.value.detail == refusal_words(failure.code)
    assert refusal.value.for_staff == str(failure)


@pytest.mark.parametrize("version", [CONTRACT_VERSION - 1, CONTRACT_VERSION + 1])
async def test_an_agent_takes_an_eve_one_version_apart(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(link_module, "CONTRACT_VERSION", version)
    link = await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    link.start()
    display = await agent.display()
    await display.send(b"RFB 003.008\n")
    assert await link.receive() == b"RFB 003.008\n"
    await link.close()


async def test_a_peer_two_versions_apart_is_refused_in_words(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "CONTRACT_VERSION", CONTRACT_VERSION + 2)
    with pytest.raises(DisplayRefused, match="update the older of the two") as refusal:
        await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    assert f"not {CONTRACT_VERSION + 2}; update the older side" in refusal.value.for_staff


async def test_what_a_newer_agent_refuses_for_is_kept_for_staff() -> None:
    body = codec.encode(Problem(ErrorCode.NO_DISPLAY, "The display is on holiday."))
    newer = body.replace(ErrorCode.NO_DISPLAY.value.encode(), b"DISPLAY_ON_HOLIDAY")
    assert newer != body
    refusal = link_module._refusal(Response(409, "Conflict", Headers(), newer))
    assert isinstance(refusal, DisplayRefused)
    assert refusal.detail == refusal_words(ErrorCode.UNKNOWN)
    assert refusal.for_staff == "The display is on holiday."


async def test_a_host_that_is_away_says_so(agent: Agent) -> None:
    trust = dataclasses.replace(trust_of(agent), port=1)
    with pytest.raises(HostUnreachable):
        await open_link(trust, wanted(), domain=DOMAIN, timeout_seconds=5)


async def test_what_waits_for_a_slow_viewer_is_bounded(agent: Agent) -> None:
    link = await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    link.start()
    display = await agent.display()
    flood = bytes(range(256)) * 4096 * 16
    writing = asyncio.create_task(display.send(flood))
    await asyncio.sleep(0.5)
    assert link.waiting_bytes < HIGH_WATER_BYTES * 3
    assert not writing.done()
    received = bytearray()
    while len(received) < len(flood):
        received += await asyncio.wait_for(link.receive(), 5)
    assert received == flood
    await link.close()


async def test_the_agents_end_reaches_the_reader(agent: Agent) -> None:
    link = await open_link(trust_of(agent), wanted(), domain=DOMAIN, timeout_seconds=5)
    link.start()
    display = await agent.display()
    await display.send(b"last words")
    await asyncio.sleep(0.1)
    await agent.server.close()
    assert await link.receive() == b"last words"
    with pytest.raises(LinkLost) as loss:
        await asyncio.wait_for(link.receive(), 5)
    assert loss.value.close_code == CloseCode.SERVICE_RESTART


async def test_what_a_host_says_of_an_end_is_fit_to_be_kept_and_shown() -> None:
    said = "out\x00of\u202eorder" + "x" * 1000
    link = AgentLink("wss://hv1/")
    link._websocket.close_rcvd = Close(CloseCode.LIBVIRT_AWAY, said)
    loss = link._loss()
    refusal = link_module._refusal(
        Response(409, "Conflict", Headers(), codec.encode(Problem(ErrorCode.DOMAIN_OFF, said.replace("\x00", "\x01"))))
    )
    assert isinstance(refusal, DisplayRefused)
    assert loss.reason == "", "the code says why, and the page in its reader's language"
    assert loss.said == refusal.for_staff
    assert loss.said.startswith("out of order")
    assert len(loss.said) <= 300
