"""The paths of machines and storage over TLS: names, bounds, and what does not get into a log."""

from __future__ import annotations

import json
import resource
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from eve_agent.driver.fake import FakeDriver
from eve_agent.wire import codec, paths
from eve_agent.wire.guest import PasswordChange
from eve_agent.wire.spec import DomainSpec
from eve_agent.wire.storage import ImageState, ImageStatus, SeedSpec
from eve_agent.wire.typing import TextToType

from tests.agent.transport.conftest import Agent, start_agent

MIB = 2**20
VM, IMAGE = uuid.UUID(int=1), uuid.UUID(int=2)
CANARY = "canary-6f1d"


@pytest_asyncio.fixture
async def fake_agent(tmp_path: Path) -> AsyncIterator[Agent]:
    """An agent with a made-up hypervisor."""
    driver = FakeDriver(domains=0)
    await driver.start()
    running = await start_agent(tmp_path, driver=driver)
    yield running
    await running.server.close()
    await driver.close()


async def test_secrets_are_not_logged(
    fake_agent: Agent, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    spec = DomainSpec(uuid=VM, name="web", vcpus=1, memory_bytes=64 * MIB)
    seed = SeedSpec(user_data=f"#cloud-config\npassword: {CANARY}\n", meta_data=CANARY, network_config=CANARY)
    async with fake_agent.session() as eve:
        async with eve.put(paths.fill(paths.DOMAIN, uuid=VM), data=codec.encode(spec)) as answer:
            assert answer.status == 200
        async with eve.patch(paths.fill(paths.DOMAIN_STATE, uuid=VM), data=b'{"action":"start"}') as answer:
            assert answer.status == 200
        seed_path = paths.fill(paths.SEED, pool="default", uuid=VM)
        async with eve.put(seed_path, data=codec.encode(seed)) as answer:
            assert answer.status == 200
            assert CANARY not in await answer.text()
        async with eve.get(seed_path) as answer:
            assert answer.status == 405
        password = PasswordChange(user="root", password=CANARY)
        async with eve.put(paths.fill(paths.DOMAIN_GUEST_PASSWORD, uuid=VM), data=codec.encode(password)) as answer:
            assert answer.status == 200
        typed = TextToType(typing_id=uuid.uuid4(), text=CANARY, keys_per_second=50)
        async with eve.put(paths.fill(paths.DOMAIN_TYPING, uuid=VM), data=codec.encode(typed)) as answer:
            assert answer.status == 200
            assert CANARY not in await answer.text()
        for broken in (codec.encode(typed).replace(b"1d", "🙂".encode()), codec.encode(typed)[:-1]):
            async with eve.put(paths.fill(paths.DOMAIN_TYPING, uuid=VM), data=broken) as answer:
                assert answer.status == 400
                assert CANARY not in await answer.text()
        async with eve.put(seed_path, data=codec.encode(seed)[:-1]) as answer:
            assert answer.status == 400
            assert CANARY not in await answer.text()

    written = capsys.readouterr()
    assert "seed_made" in written.out + written.err + caplog.text
    assert CANARY not in written.out + written.err + caplog.text
    assert CANARY not in repr((seed, password, typed))


async def test_an_upload_takes_no_memory(fake_agent: Agent):
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(256):
            yield bytes(MIB)

    path = paths.fill(paths.IMAGE_DATA, pool="default", image=IMAGE)
    async with fake_agent.session() as eve:
        async with eve.put(path, data=bytes(MIB)) as answer:
            assert answer.status == 200
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with eve.put(path, params={"offset": "0"}, data=pieces()) as answer:
            status = codec.decode(ImageStatus, await answer.read())
    assert (status.state, status.size_bytes) == (ImageState.PARTIAL, 256 * MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 * 1024


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/storage/..%2f..%2fetc/volumes", None, 404, "not_found"),
        ("GET", "/storage/%2e%2e/volumes", None, 404, None),
        ("GET", "/storage/a'%3E%3Cb/volumes", None, 404, "pool_not_found"),
        ("GET", f"/storage/default/images/{IMAGE}", None, 404, "image_not_found"),
        ("GET", "/storage/default/images/1", None, 400, "bad_uuid"),
        ("GET", f"/storage/nowhere/images/{IMAGE}", None, 404, "pool_not_found"),
        ("PUT", f"/storage/default/images/{IMAGE}/data?offset=-1", b"x", 400, "bad_request"),
        ("PUT", f"/storage/default/images/{IMAGE}/data?offset=7", b"x", 409, "offset_mismatch"),
        ("PUT", f"/storage/default/disks/{IMAGE}", b'{"size_bytes":0}', 400, "bad_request"),
        ("PUT", f"/storage/default/disks/{IMAGE}", b'{"size_bytes":"1"}', 400, "bad_request"),
        ("PUT", f"/storage/default/disks/{IMAGE}", b'{"size_bytes":1048577}', 400, "bad_request"),
        ("GET", f"/storage/default/disks/{IMAGE}", None, 404, "volume_not_found"),
        ("PUT", f"/storage/default/seeds/{VM}", b"x" * 600_000, 413, "body_too_large"),
        ("PUT", f"/libvirt/domains/{VM}", b"x" * 70_000, 413, "body_too_large"),
        ("DELETE", f"/libvirt/domains/{VM}", b"{}", 200, None),
        ("DELETE", f"/libvirt/domains/{VM}/nics/52:54:00:00:00:01", b"{}", 404, "domain_not_found"),
        (
            "PUT",
            f"/libvirt/domains/{VM}/nics/52:54:00:00:00:01",
            b'{"mac":"52:54:00:00:00:02","source":"default"}',
            400,
            "bad_request",
        ),
        ("PUT", f"/libvirt/domains/{VM}/nics/x", b'{"mac":"x","source":"default"}', 400, "bad_request"),
        ("POST", f"/libvirt/domains/{VM}/guest/freeze", b'{"seconds":61}', 400, "bad_request"),
        ("GET", f"/jobs/{VM}", None, 200, None),
    ],
)
async def test_problems(fake_agent: Agent, method: str, path: str, body: bytes | None, status: int, code: str | None):
    async with fake_agent.session() as eve, eve.request(method, path, data=body) as answer:
        plain = json.loads(await answer.read())
        assert (answer.status, plain.get("code") if code else None) == (status, code), plain


@pytest.mark.parametrize("name", ["../../etc", "'/><b", "a\0b", "a" * 300, "Web", ""])
async def test_a_name_that_cannot_be_is_refused_by_the_agent_too(fake_agent: Agent, name: str):
    body = json.dumps({"uuid": str(VM), "name": name, "vcpus": 1, "memory_bytes": 64 * MIB}).encode()
    async with fake_agent.session() as eve, eve.put(paths.fill(paths.DOMAIN, uuid=VM), data=body) as answer:
        assert (answer.status, json.loads(await answer.read())["code"]) == (400, "bad_request")
    assert await fake_agent.driver.domains() == ()
