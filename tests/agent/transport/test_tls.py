"""Who gets in: nobody but Eve, and nobody else gets a byte or reaches a handler."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import pytest
from eve_agent.config import Address
from eve_agent.transport.http import HttpServer

from tests.agent import pki
from tests.agent.transport.conftest import VERSION, Agent, start_agent

REQUEST = b"GET /libvirt HTTP/1.1\r\nHost: x\r\nEve-Contract: 1\r\nConnection: close\r\n\r\n"


async def answer_to(agent: Agent, context: ssl.SSLContext | None) -> bytes:
    """What is read after a request, or nothing where the connection is refused; a hang is a failure."""
    async with asyncio.timeout(8):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=context)
            writer.write(REQUEST)
            return await reader.read()
        except (ssl.SSLError, ConnectionError):
            return b""


@pytest.fixture
def parsers_made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each HTTP parser that was made."""
    made: list[int] = []
    make = HttpServer.__call__

    def counting(self):
        made.append(1)
        return make(self)

    monkeypatch.setattr(HttpServer, "__call__", counting)
    return made


async def test_eve_is_served(agent: Agent, parsers_made: list[int]):
    assert (await answer_to(agent, agent.context())).startswith(b"HTTP/1.1 200")
    assert agent.driver.calls == ["host_facts"]
    assert parsers_made == [1]


def other_ca(agent: Agent) -> pki.Leaf:
    return pki.Authority.make("Another").client()


def same_name_other_ca(agent: Agent) -> pki.Leaf:
    return pki.Authority.make("Eve").client()


def server_usage(agent: Agent) -> pki.Leaf:
    return agent.authority.issue(names=("eve",))


def expired(agent: Agent) -> pki.Leaf:
    return agent.authority.client(starts=dt.timedelta(days=-2), ends=dt.timedelta(days=-1))


def not_yet_valid(agent: Agent) -> pki.Leaf:
    return agent.authority.client(starts=dt.timedelta(days=1), ends=dt.timedelta(days=2))


def not_pinned(agent: Agent) -> pki.Leaf:
    return agent.authority.client()


def the_agents_own(agent: Agent) -> pki.Leaf:
    credential = agent.identity.serving
    return pki.Leaf(credential.key, credential.certificate)


@pytest.mark.parametrize(
    "make",
    [
        lambda _agent: pki.self_signed(),
        other_ca,
        same_name_other_ca,
        server_usage,
        expired,
        not_yet_valid,
        not_pinned,
        the_agents_own,
    ],
    ids=["self-signed", "other CA", "other CA of that name", "server usage", "expired", "early", "no pin", "agent's"],
)
async def test_strangers_get_nothing(agent: Agent, parsers_made: list[int], make):
    leaf = make(agent)
    assert await answer_to(agent, agent.context(leaf)) == b""
    assert agent.driver.calls == []
    assert parsers_made == []


@pytest.mark.parametrize(
    "make", [other_ca, server_usage, expired, lambda _agent: pki.self_signed()], ids=["CA", "usage", "expired", "self"]
)
async def test_a_right_pin_does_not_replace_the_chain(agent: Agent, make):
    leaf = make(agent)
    agent.identity.replace_pins([agent.eve.fingerprint, leaf.fingerprint], speaker=agent.eve.fingerprint)
    assert await answer_to(agent, agent.context(leaf)) == b""
    assert agent.driver.calls == []


async def test_a_bundle_of_the_environment_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Agent
):
    another = pki.Authority.make("Another")
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(another.pem)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(bundle))
    leaf = another.client()
    second = await start_agent(tmp_path / "second")
    second.identity.replace_pins([second.eve.fingerprint, leaf.fingerprint], speaker=second.eve.fingerprint)
    try:
        assert await answer_to(second, second.context(leaf)) == b""
        assert second.driver.calls == []
    finally:
        await second.server.close()


async def test_no_certificate(agent: Agent):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=agent.authority.pem)
    context.check_hostname = False
    assert await answer_to(agent, context) == b""
    assert agent.driver.calls == []


async def test_plain_http(agent: Agent):
    answer = await answer_to(agent, None)
    assert b"HTTP" not in answer
    assert agent.driver.calls == []


async def test_tls_1_2(agent: Agent):
    context = agent.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await answer_to(agent, context) == b""
    assert agent.driver.calls == []


async def test_no_session_is_offered_for_resumption(agent: Agent):
    """A resumed session would skip the certificates; there is none to resume."""
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=agent.context())
    writer.write(REQUEST)
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    session = writer.get_extra_info("ssl_object").session
    assert session is None or not session.has_ticket
    writer.close()


async def test_a_removed_pin_closes_open_connections(agent: Agent):
    following = agent.authority.client()
    async with agent.session() as old:
        both = {"eve_fingerprints": [agent.eve.fingerprint, following.fingerprint]}
        async with old.put("/certificate/pins", json=both) as response:
            assert response.status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=agent.context())
        writer.write(REQUEST.replace(b"Connection: close\r\n", b""))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        async with agent.console() as console:
            display = await agent.display()
            async with agent.session(following) as new:
                async with new.put("/certificate/pins", json={"eve_fingerprints": [following.fingerprint]}) as response:
                    assert response.status == 200
                    assert await response.json() == {"eve_fingerprints": [following.fingerprint]}
                assert await display.receive(1) == b""
                await asyncio.wait_for(console.wait_closed(), 5)
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await asyncio.wait_for(reader.readuntil(b"never"), 5)
                async with new.get("/libvirt") as response:
                    assert response.status == 200
        writer.close()
    assert await answer_to(agent, agent.context()) == b""


async def test_pins_must_keep_the_speakers(agent: Agent):
    async with agent.session() as session:
        following = agent.authority.client().fingerprint
        for pins in ([], [following], [agent.eve.fingerprint, "no fingerprint"], [agent.eve.fingerprint.upper()]):
            async with session.put("/certificate/pins", json={"eve_fingerprints": pins}) as response:
                assert response.status == 400, pins
        async with session.get("/libvirt") as response:
            assert response.status == 200
    assert agent.identity.pins == {agent.eve.fingerprint}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_listening_on_every_address_takes_both_families(tmp_path: Path, host: str):
    agent = await start_agent(tmp_path, address=Address("::", 0))
    try:
        async with agent.session() as session:
            where = f"[{host}]" if ":" in host else host
            async with session.get(f"https://{where}:{agent.port}/libvirt", headers=VERSION) as response:
                assert response.status == 200
    finally:
        await agent.server.close()
