"""Paths, bodies, problems and versions, as the wire contract has them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from eve_agent import errors
from eve_agent.service.certificates import fingerprint
from eve_agent.transport import http
from eve_agent.wire import paths
from eve_agent.wire.certs import CertificateSigningRequest, CertificateStatus
from eve_agent.wire.codec import decode, decode_list
from eve_agent.wire.domain import Domain
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.host import HostFacts

from tests.agent import pki
from tests.agent.stub import DOMAIN, OFF_DOMAIN
from tests.agent.transport.conftest import Agent, start_agent

STATE = paths.domain_path(paths.DOMAIN_STATE, DOMAIN)


async def test_what_is_read(agent: Agent):
    async with agent.session() as eve:
        async with eve.get(paths.HOST) as response:
            assert response.headers["Eve-Contract"] == "2"
            assert decode(HostFacts, await response.read()).host_name == "stub"
        async with eve.get(paths.DOMAINS) as response:
            assert [domain.uuid for domain in decode_list(Domain, await response.read())] == [DOMAIN]
        for template in (paths.DOMAIN, paths.DOMAIN_STATE):
            async with eve.get(paths.domain_path(template, DOMAIN)) as response:
                assert decode(Domain, await response.read()).uuid == DOMAIN
        async with eve.get(paths.domain_path(paths.DOMAIN_SCREENSHOT, DOMAIN)) as response:
            assert response.content_type == "image/png"
            assert await response.read() == b"picture"


async def test_state_changes(agent: Agent):
    async with agent.session() as eve:
        async with eve.patch(STATE, json={"action": "reset", "operation_id": "op-1"}) as response:
            assert decode(Domain, await response.read()).uuid == DOMAIN
        for body in (b"", b"[]", b"{}", b'{"action": "explode"}', b'{"action": 1}', b"\xff", b"[" * 30000):
            async with eve.patch(STATE, data=body) as response:
                assert response.status == 400, body
                assert decode(Problem, await response.read()).code is ErrorCode.BAD_REQUEST
    assert agent.driver.calls == ["change_state reset"]


@pytest.mark.parametrize("action", ["reset", "reboot"])
async def test_what_would_lose_work_is_done_once_for_each_operation(agent: Agent, action: str):
    """Eve asks again where the answer was lost on its way, and that may be before it is done."""

    async def ask(eve: aiohttp.ClientSession, operation: str) -> int:
        async with eve.patch(STATE, json={"action": action, "operation_id": operation}) as response:
            return response.status

    async with agent.session() as eve:
        agent.driver.failure = errors.LibvirtAway("libvirt does not answer")
        assert await ask(eve, "op-1") == 503
        agent.driver.failure, agent.driver.change_seconds = None, 0.2
        assert await asyncio.gather(*(ask(eve, "op-1") for _ in range(3))) == [200] * 3
        assert await ask(eve, "op-1") == 200
        assert agent.driver.calls == [f"change_state {action}"] * 2
        assert await ask(eve, "op-2") == 200
        assert [await ask(eve, "") for _ in range(2)] == [200] * 2
    assert agent.driver.calls == [f"change_state {action}"] * 5


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/libvirt/", 404, "not_found"),
        ("GET", "/libvirt/domains/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/libvirt/domains/1", 400, "bad_uuid"),
        ("GET", "/libvirt/domains/{%s}" % DOMAIN, 400, "bad_uuid"),  # noqa: UP031 - braces
        ("GET", f"/libvirt/domains/{DOMAIN.hex}", 400, "bad_uuid"),
        ("GET", f"/libvirt/domains/{DOMAIN}/console/1", 400, "bad_uuid"),
        ("GET", f"/libvirt/domains/{pki.HYPERVISOR}", 404, "domain_not_found"),
        ("POST", "/libvirt", 405, "method_not_allowed"),
        ("POST", f"/libvirt/domains/{DOMAIN}", 405, "method_not_allowed"),
        ("GET", "/certificate/pins", 405, "method_not_allowed"),
        ("GET", "/events", 400, "bad_request"),
        ("GET", f"/libvirt/domains/{DOMAIN}/console", 400, "bad_request"),
    ],
)
async def test_problems(agent: Agent, method: str, path: str, status: int, code: str):
    async with agent.session() as eve, eve.request(method, path) as response:
        assert (response.status, json.loads(await response.read())["code"]) == (status, code)
        assert response.headers["Eve-Contract"] == "2"
        assert response.content_type == "application/json"


@pytest.mark.parametrize(
    "error",
    [
        errors.DomainOff("off"),
        errors.NoDisplay("headless"),
        errors.DisplayUnsupported("SPICE only"),
        errors.ActionRefused("libvirt says no"),
        errors.LibvirtAway("away"),
        errors.LibvirtTimeout("late"),
        errors.NotSupported("no"),
    ],
)
async def test_each_error_of_the_driver_has_its_status(agent: Agent, error: errors.AgentError):
    agent.driver.failure = error
    async with agent.session() as eve, eve.get(paths.HOST) as response:
        assert response.status == error.code.status
        assert decode(Problem, await response.read()) == Problem(error.code, str(error))


async def test_a_fault_tells_nothing_and_the_agent_goes_on(agent: Agent):
    agent.driver.failure = RuntimeError("a secret path /root/key")
    async with agent.session() as eve:
        async with eve.get(paths.HOST) as response:
            assert response.status == 500
            assert b"secret" not in await response.read()
        agent.driver.failure = None
        async with eve.get(paths.HOST) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("version", "status"), [("0", 426), ("1", 200), ("2", 200), ("3", 200), ("4", 426), ("99", 426)]
)
async def test_contract_versions(agent: Agent, version: str, status: int):
    async with agent.session(version=version) as eve, eve.get(paths.HOST) as response:
        assert response.status == status
        assert response.headers["Eve-Contract"] == "2"


@pytest.mark.parametrize("version", ["", "one", "-1", "1.0", "9" * 5000, "²"])
async def test_a_version_that_is_none(agent: Agent, version: str):
    head = f"GET /libvirt HTTP/1.1\r\nHost: x\r\nEve-Contract: {version}\r\nConnection: close\r\n\r\n"
    assert (await raw(agent, head.encode())).startswith(b"HTTP/1.1 400")
    assert agent.driver.calls == []


async def raw(agent: Agent, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=agent.context())
    writer.write(data)
    async with asyncio.timeout(8):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"no http at all\r\n\r\n",
        b"GET /libvirt HTTP/1.1\r\nHost: x\r\nX: a\x0bb\r\n\r\n",
        b"GET /libvirt HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 20000 + b"\r\n\r\n",
        b"PATCH /certificate/pins HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["noise", "control character", "long header", "two lengths"],
)
async def test_what_is_no_request_is_answered_with_a_problem(agent: Agent, data: bytes):
    head, _, body = (await raw(agent, data)).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"Eve-Contract: 2" in head
    assert decode(Problem, body).code is ErrorCode.BAD_REQUEST


@pytest.mark.parametrize("opening", [b"", b"GET /lib", b"PATCH"], ids=["nothing", "half a head", "no body"])
async def test_a_request_that_does_not_come_ends_the_connection(
    opening: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(http, "KEEPALIVE_SECONDS", 0.3)
    monkeypatch.setattr(http, "BODY_SECONDS", 0.3)
    agent = await start_agent(tmp_path)
    if opening == b"PATCH":
        opening = f"PATCH {STATE} HTTP/1.1\r\nHost: x\r\nEve-Contract: 2\r\nContent-Length: 9\r\n\r\n{{".encode()
    answer = await asyncio.wait_for(raw(agent, opening), 5)
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    await agent.server.close()
    await agent.driver.close()


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_beyond_the_limit(agent: Agent, is_chunked: bool):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield bytes(4096)

    async with agent.session() as eve:
        async with eve.patch(STATE, data=pieces() if is_chunked else bytes(100_000)) as response:
            assert response.status == 413
            assert decode(Problem, await response.read()).code is ErrorCode.BODY_TOO_LARGE
        async with eve.get(paths.HOST) as response:
            assert response.status == 200


async def test_a_compressed_body_is_not_unpacked(agent: Agent):
    async with agent.session() as eve, eve.patch(STATE, data=b'{"action":"stop"}', compress="gzip") as response:
        assert response.status == 400
    assert agent.driver.calls == []


async def test_one_log_line_a_request_without_its_query(
    agent: Agent, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG, logger="eve_agent"):
        async with agent.session() as eve, eve.get(f"{paths.HOST}?token=canary") as response:
            assert response.status == 200
        await asyncio.sleep(0.05)
    captured = capsys.readouterr()
    lines = [line for line in (captured.out + captured.err + caplog.text).splitlines() if "request" in line]
    assert len(lines) == 1
    assert "/libvirt" in lines[0]
    assert "canary" not in lines[0]


async def test_metrics(agent: Agent):
    async with agent.console():
        await (await agent.display()).send(b"RFB 003.008\n")
        other = await agent.console()
        other.transport.abort()
        async with asyncio.timeout(5):
            while not agent.server.consoles.ends:  # noqa: ASYNC110 - seen from outside
                await asyncio.sleep(0.01)
        async with agent.session() as eve:
            async with eve.get(paths.HOST):
                pass
            async with eve.get(paths.METRICS) as response:
                text = await response.text()
    assert "eve_agent_consoles_open 1.0" in text
    assert 'eve_agent_console_bytes_total{direction="to_viewer"} 12.0' in text
    assert 'eve_agent_console_bytes_total{direction="from_viewer"} 0.0' in text
    assert 'eve_agent_console_ends_total{reason="viewer_lost"} 1.0' in text
    assert float(re.search("^eve_agent_tasks (.+)$", text, re.MULTILINE)[1]) >= 1
    assert "eve_agent_libvirt_up 1.0" in text
    assert 'eve_agent_requests_total{method="GET",route="/libvirt",status="200"} 1.0' in text
    assert "eve_agent_console_setup_seconds_count 2.0" in text
    assert "eve_agent_certificate_not_after_seconds" in text


async def test_a_renewal_over_the_channel(agent: Agent):
    """New connections see the new certificate; the first request over one makes it the certificate in use."""
    old = agent.identity.serving.fingerprint
    async with agent.session() as eve, agent.console() as console:
        await agent.display()
        async with eve.get(paths.CERTIFICATE) as response:
            assert decode(CertificateStatus, await response.read()).fingerprint == old
        async with eve.post(paths.CERTIFICATE) as response:
            csr = decode(CertificateSigningRequest, await response.read()).csr_pem
        new = pki.certify(agent.authority, csr)
        for _ in range(2):
            async with eve.put(paths.CERTIFICATE, json={"certificate_pem": new.pem}) as response:
                status = decode(CertificateStatus, await response.read())
                assert (status.fingerprint, status.pending_fingerprint) == (old, new.fingerprint)
        assert await shown(agent) == new.fingerprint
        async with eve.get(paths.CERTIFICATE) as response:  # over the old connection: proves nothing
            assert decode(CertificateStatus, await response.read()).pending_fingerprint == new.fingerprint
        async with agent.session() as again, again.get(paths.CERTIFICATE) as response:
            status = decode(CertificateStatus, await response.read())
            assert (status.fingerprint, status.pending_fingerprint) == (new.fingerprint, "")
        await asyncio.wait_for(await console.ping(), 5)
        async with eve.get(paths.HOST) as response:
            assert response.status == 200
    assert await shown(agent) == new.fingerprint


async def test_a_refused_certificate_changes_nothing(agent: Agent):
    old = agent.identity.serving.fingerprint
    body = {"certificate_pem": agent.authority.issue().pem}
    async with agent.session() as eve, eve.put(paths.CERTIFICATE, json=body) as response:
        assert response.status == 400
    assert await shown(agent) == old


async def shown(agent: Agent) -> str:
    """The certificate that a new connection sees."""
    _reader, writer = await asyncio.open_connection("127.0.0.1", agent.port, ssl=agent.context())
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return fingerprint(der)


async def test_parallel_requests(agent: Agent):
    async with agent.session() as eve:

        async def one() -> int:
            async with eve.get(paths.domain_path(paths.DOMAIN, OFF_DOMAIN)) as response:
                return response.status

        assert set(await asyncio.gather(*(one() for _ in range(50)))) == {200}
