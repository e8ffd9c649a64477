"""Images come whole and checked, or not at all; and nothing that is in them leads to other files of the host."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from eve_agent.driver.fake import FakeDriver
from eve_agent.driver.pools.folder import PoolFolder
from eve_agent.errors import (
    AddressRefused,
    ImageNotFound,
    JobRunning,
    NoSpace,
    OffsetMismatch,
    PoolNotFound,
)
from eve_agent.service import fetch, images
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.storage import ImageCopy, ImageFetch, ImageFinish, ImageFormat, ImageState

from tests.agent.driver.making import MIB, POOL, Shop, pieces, qcow2

QCOW2, RAW = ImageFormat.QCOW2, ImageFormat.RAW


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    driver = FakeDriver(domains=0)
    await driver.start()
    shop = Shop(driver)
    yield shop
    await shop.jobs.close()
    await driver.close()


async def files(shop: Shop) -> list[str]:
    """All that lies in the pool."""
    with await shop.driver.pool_folder(POOL) as folder:
        return sorted(folder.names())


async def folder_of(shop: Shop) -> Path:
    """Where the pool's files lie."""
    with await shop.driver.pool_folder(POOL) as folder:
        return Path(folder.path)


async def sent(shop: Shop, data: bytes, declared: ImageFormat = QCOW2, *, sha256: str = "") -> tuple[uuid.UUID, Job]:
    """An image, and how its check ended."""
    image, operation = uuid.uuid4(), uuid.uuid4()
    await shop.images.send(POOL, image, pieces(data), offset=0, length=len(data))
    wanted = ImageFinish(size_bytes=len(data), format=declared, operation_id=operation, sha256=sha256)
    await shop.images.finish(POOL, image, wanted)
    return image, await shop.job(operation)


def with_backing(folder: Path) -> bytes:
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", folder / "a", "1M"],
        check=True,
    )
    return (folder / "a").read_bytes()


def with_data_file(folder: Path) -> bytes:
    secret = folder / "secret"
    secret.write_bytes(b"canary" * 1000)
    options = f"data_file={secret},data_file_raw=on"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, folder / "b", "1M"], check=True)
    return (folder / "b").read_bytes()


async def test_an_upload_that_breaks_off_goes_on_where_it_was(shop: Shop):
    image, data = uuid.uuid4(), bytes(range(256)) * 20_000

    async def breaking() -> AsyncIterator[bytes]:
        yield data[:3_000_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await shop.images.send(POOL, image, breaking(), offset=0, length=len(data))
    status = await shop.images.status(POOL, image)
    assert (status.state, status.size_bytes) == (ImageState.PARTIAL, 3_000_000)
    with pytest.raises(OffsetMismatch, match="3000000"):
        await shop.images.send(POOL, image, pieces(data), offset=3_000_001, length=None)
    wanted = ImageFinish(size_bytes=len(data), format=RAW, operation_id=uuid.uuid4())
    with pytest.raises(OffsetMismatch, match="send the rest"):
        await shop.images.finish(POOL, image, wanted)
    await shop.images.send(POOL, image, pieces(data[2_000_000:]), offset=2_000_000, length=None)

    operation = uuid.uuid4()
    wanted = ImageFinish(size_bytes=len(data), format=RAW, operation_id=operation)
    await shop.images.finish(POOL, image, wanted)
    assert (await shop.job(operation)).sha256 == hashlib.sha256(data).hexdigest()
    assert await shop.images.read(POOL, image, offset=2_999_990, length=20) == data[2_999_990:3_000_010]
    assert await files(shop) == [f"{image}.img"]


@pytest.mark.parametrize(
    ("make", "declared", "words"),
    [
        (lambda _: b"#!/bin/sh\n" * 100, QCOW2, "no qcow2"),
        (lambda _: b"QFI\xfb" + bytes(20), QCOW2, "no qcow2"),
        (lambda _: b"QFI\xfb\0\0\0\7" + bytes(200), QCOW2, "version 7"),
        (lambda _: b"QFI\xfb\0\0\0\3" + b"\xff" * 500, QCOW2, "backing file"),
        (with_backing, QCOW2, "backing file"),
        (with_data_file, QCOW2, "another file"),
        (lambda folder: qcow2(folder)[:20] + bytes([0, 0, 0, 63]) + qcow2(folder)[24:], QCOW2, "not usable"),
    ],
    ids=["script", "short", "version", "noise", "backing", "data-file", "clusters"],
)
async def test_what_is_no_image_or_leads_elsewhere_is_refused_and_deleted(
    shop: Shop, tmp_path: Path, make: Callable[[Path], bytes], declared: ImageFormat, words: str
):
    image, job = await sent(shop, make(tmp_path), declared)

    assert job.state is JobState.FAILED
    assert job.problem.code is ErrorCode.IMAGE_INVALID
    assert words in job.problem.message
    assert await files(shop) == []
    with pytest.raises(ImageNotFound):
        await shop.images.status(POOL, image)


async def test_a_wrong_checksum_is_named_and_the_bytes_are_deleted(shop: Shop, tmp_path: Path):
    _, job = await sent(shop, qcow2(tmp_path), sha256="0" * 64)

    assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.CHECKSUM_MISMATCH)
    assert await files(shop) == []


async def test_an_image_that_is_whole_is_not_touched_again(shop: Shop, tmp_path: Path):
    data = qcow2(tmp_path, size_mib=32)
    image = await shop.image(data)

    assert (await shop.images.send(POOL, image, pieces(b"other"), offset=0, length=5)).state is ImageState.READY
    again = Shop(shop.driver)  # an agent that was started anew
    assert (await again.images.status(POOL, image)).virtual_bytes == 0
    operation = uuid.uuid4()
    wanted = ImageFinish(size_bytes=len(data), format=QCOW2, operation_id=operation)
    assert (await again.images.finish(POOL, image, wanted)).virtual_bytes == 32 * MIB
    assert again.jobs.report(operation).state is JobState.UNKNOWN


async def test_only_one_writes_to_an_image(shop: Shop):
    image, gate = uuid.uuid4(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await gate.wait()

    first = asyncio.create_task(shop.images.send(POOL, image, slow(), offset=0, length=None))
    await asyncio.sleep(0.1)
    with pytest.raises(JobRunning):
        await shop.images.send(POOL, image, pieces(b"second"), offset=0, length=None)
    with pytest.raises(JobRunning):
        await shop.images.delete(POOL, image)
    gate.set()
    assert (await first).size_bytes == 5
    assert (await shop.images.delete(POOL, image)).was_there
    with pytest.raises(PoolNotFound):
        await shop.images.status("nowhere", image)


async def test_a_pool_without_room_refuses_before_a_byte_and_in_the_middle(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    image, free = uuid.uuid4(), 4 * MIB
    monkeypatch.setattr(PoolFolder, "free_bytes", lambda folder: free - (folder.size(f"{image}.part") or 0))

    with pytest.raises(NoSpace, match="5 MiB are needed"):
        await shop.images.send(POOL, image, pieces(bytes(5 * MIB)), offset=0, length=5 * MIB)
    assert await files(shop) == []
    with pytest.raises(NoSpace):
        await shop.images.send(POOL, image, pieces(bytes(5 * MIB)), offset=0, length=None)
    status = await shop.images.status(POOL, image)
    assert (status.state, status.size_bytes) == (ImageState.PARTIAL, 4 * MIB)
    free = 8 * MIB
    assert (await shop.images.send(POOL, image, pieces(bytes(MIB)), offset=4 * MIB, length=MIB)).size_bytes == 5 * MIB


async def test_an_image_of_a_file_that_somebody_put_there(shop: Shop, tmp_path: Path):
    place = await folder_of(shop)
    (place / "found.qcow2").write_bytes(qcow2(tmp_path))
    (place / "link").symlink_to("/etc/passwd")
    image, operation = uuid.uuid4(), uuid.uuid4()

    wanted = ImageCopy(operation_id=operation, disk_uuid=None, volume="found.qcow2", format=QCOW2)
    await shop.images.copy(POOL, image, wanted)
    assert (await shop.job(operation)).state is JobState.SUCCEEDED
    (place / "found.qcow2").unlink()
    assert (await shop.images.status(POOL, image)).virtual_bytes == 16 * MIB

    refused = ImageCopy(operation_id=uuid.uuid4(), disk_uuid=None, volume="link", format=RAW)
    with pytest.raises(images.VolumeNotFound):
        await shop.images.copy(POOL, uuid.uuid4(), refused)
    assert await files(shop) == [f"{image}.img", "link"]


# Fetching


class Source:
    """A server of the open internet, as far as the test lets it be one."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ranges: list[str] = []
        self.redirects = 0
        self.break_after = 0
        self.trickles = False
        self.etag = '"one"'

    async def image(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        headers = {"ETag": self.etag, "Content-Length": str(len(self.data) - start)}
        response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while self.trickles:
                await response.write(b"x")
                await asyncio.sleep(0.02)
        end = start + self.break_after if self.break_after else len(self.data)
        self.break_after = 0
        await response.write(self.data[start:end])
        if end < len(self.data):
            request.transport.close()
        return response

    async def away(self, request: web.Request) -> web.StreamResponse:
        self.redirects += 1
        raise web.HTTPFound(request.query["to"])


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[tuple[Source, TestServer]]:
    made = Source(qcow2(tmp_path) + bytes(6 * MIB))
    app = web.Application()
    app.router.add_get("/image", made.image)
    app.router.add_get("/away", made.away)
    server = TestServer(app)
    await server.start_server()
    yield made, server
    await server.close()


def wish(url: object, **fields: object) -> ImageFetch:
    usual = {"url": str(url), "format": QCOW2, "operation_id": uuid.uuid4(), "allow_private": True}
    return ImageFetch(**{**usual, **fields})


async def fetched(shop: Shop, wanted: ImageFetch, image: uuid.UUID | None = None) -> Job:
    await shop.images.fetch(POOL, image or uuid.uuid4(), wanted)
    return await shop.job(wanted.operation_id)


async def test_an_image_is_fetched(shop: Shop, source: tuple[Source, TestServer]):
    made, server = source
    image = uuid.uuid4()
    wanted = wish(server.make_url("/image"), sha256=hashlib.sha256(made.data).hexdigest())

    job = await fetched(shop, wanted, image)

    assert (job.state, job.percent) == (JobState.SUCCEEDED, 100)
    assert (await shop.images.fetch(POOL, image, wanted)).state is ImageState.READY
    assert await shop.images.read(POOL, image, offset=0, length=MIB) == made.data[:MIB]
    assert await files(shop) == [f"{image}.img"]


async def test_a_fetch_that_breaks_off_goes_on_where_it_was(
    shop: Shop, source: tuple[Source, TestServer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(images, "RETRY_SECONDS", 0.01)
    made, server = source
    made.break_after = 3 * MIB

    job = await fetched(shop, wish(server.make_url("/image")))

    assert job.state is JobState.SUCCEEDED
    assert job.sha256 == hashlib.sha256(made.data).hexdigest()
    first, second = made.ranges
    assert first == ""
    assert MIB <= int(second.removeprefix("bytes=").rstrip("-")) <= 3 * MIB


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/image",
        "http://localhost:{port}/image",
        "http://[::1]:{port}/image",
        "http://[::ffff:127.0.0.1]:{port}/image",
        "http://0.0.0.0:{port}/image",
        "http://0x7f000001:{port}/image",
        "http://2130706433:{port}/image",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/image",
        "http://[64:ff9b::7f00:1]/image",
    ],
)
async def test_private_addresses_are_refused(shop: Shop, source: tuple[Source, TestServer], url: str):
    made, server = source
    operation = uuid.uuid4()

    job = await fetched(shop, wish(url.format(port=server.port), allow_private=False, operation_id=operation))

    assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.ADDRESS_REFUSED)
    assert made.ranges == [], "nothing was asked of it"
    assert [name for name in await files(shop) if not name.endswith(".part")] == []


class Names:
    """A name server for one name, which answers each question with the next address; other names are the system's."""

    name = "images.example"

    def __init__(self, *addresses: str) -> None:
        self.left = list(addresses)
        self._system = socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, **options: Any) -> Any:
        return self._system(self.left.pop(0) if host == self.name else host, *arguments, **options)


async def test_a_name_is_refused_for_what_it_resolves_to(
    shop: Shop, source: tuple[Source, TestServer], monkeypatch: pytest.MonkeyPatch
):
    made, server = source
    monkeypatch.setattr(socket, "getaddrinfo", Names("127.0.0.1"))

    job = await fetched(shop, wish(f"http://{Names.name}:{server.port}/image", allow_private=False))

    assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.ADDRESS_REFUSED)
    assert "leads to 127.0.0.1, which is not on the open internet" in job.problem.message
    assert made.ranges == []


@pytest.mark.parametrize("looks_again", ["as it is led back to itself", "as the connection broke"])
async def test_a_name_that_resolves_anew_is_refused_where_it_is_connected_to(
    shop: Shop, source: tuple[Source, TestServer], monkeypatch: pytest.MonkeyPatch, looks_again: str
):
    """A name that is public when it is looked at, and leads inside later: each connection is checked by itself."""
    made, server = source
    names = Names("127.0.0.1", "127.0.0.2")
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(images, "RETRY_SECONDS", 0.01)
    url = f"http://{names.name}:{server.port}/image"
    if looks_again == "as the connection broke":
        made.break_after = MIB
        asked = [""]
    else:
        url, asked = f"http://{names.name}:{server.port}/away?to={url}", []

    job = await fetched(shop, wish(url, allow_private=False))

    assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.ADDRESS_REFUSED)
    assert "127.0.0.2" in job.problem.message
    assert (names.left, made.ranges) == ([], asked)
    assert [name for name in await files(shop) if not name.endswith(".part")] == []


async def test_redirects_are_checked_like_addresses(
    shop: Shop, source: tuple[Source, TestServer], monkeypatch: pytest.MonkeyPatch
):
    made, server = source
    target = f"http://127.0.0.2:{server.port}/image"
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1")
    away = server.make_url("/away").with_query(to=target)

    refused = await fetched(shop, wish(away, allow_private=False))
    assert (refused.state, refused.problem.code) == (JobState.FAILED, ErrorCode.ADDRESS_REFUSED)
    assert "127.0.0.2" in refused.problem.message
    assert made.ranges == []
    for to in ("file:///etc/passwd", "ftp://127.0.0.1/", "http://user:secret@127.0.0.1/"):
        job = await fetched(shop, wish(server.make_url("/away").with_query(to=to)))
        assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.ADDRESS_REFUSED)
    made.redirects = 0
    twice = server.make_url("/away").with_query(to=str(away))
    assert (await fetched(shop, wish(twice, allow_private=False))).problem.code is ErrorCode.ADDRESS_REFUSED
    assert (made.redirects, made.ranges) == (2, []), "it was followed to where it leads inside, and no further"
    endless = await fetched(shop, wish(server.make_url("/away").with_query(to="/away?to=/away")))
    assert endless.state is JobState.FAILED
    assert (
        await fetched(shop, wish(server.make_url("/away").with_query(to=str(server.make_url("/image")))))
    ).state is JobState.SUCCEEDED


@pytest.mark.parametrize("url", ["http://user:secret@example.org/a", "http://:80/a", "http://a:99999/", "http://["])
async def test_addresses_that_are_none(shop: Shop, url: str):
    with pytest.raises(AddressRefused):
        await shop.images.fetch(POOL, uuid.uuid4(), wish(url))


async def test_what_is_too_large_or_not_there(shop: Shop, source: tuple[Source, TestServer]):
    _, server = source
    large = await fetched(shop, wish(server.make_url("/image"), max_bytes=MIB))
    assert large.problem.code is ErrorCode.NO_SPACE
    missing = await fetched(shop, wish(server.make_url("/nothing")))
    assert missing.problem.code is ErrorCode.FETCH_FAILED
    assert "404" in missing.problem.message


async def test_a_server_that_trickles_is_left(
    shop: Shop, source: tuple[Source, TestServer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetch, "PACE_SECONDS", 0.3)
    made, server = source
    made.trickles = True
    before = time.monotonic()
    slow = await fetched(shop, wish(server.make_url("/image"), least_bytes_per_second=1000))
    assert slow.problem.code is ErrorCode.FETCH_TOO_SLOW
    assert "it has to send 1000" in slow.problem.message
    assert time.monotonic() - before < 5, "it is not tried again"
    made.trickles = False
    fast = await fetched(shop, wish(server.make_url("/image"), least_bytes_per_second=1000))
    assert fast.state is JobState.SUCCEEDED


async def test_a_server_that_never_ends_its_head_is_left(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.3)

    async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"X-More: x\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)

    server = await asyncio.start_server(head, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    job = await fetched(shop, wish(f"http://127.0.0.1:{port}/image"))
    assert job.problem.code is ErrorCode.FETCH_FAILED
    server.close()


async def test_a_job_is_cancelled_and_begun_anew(shop: Shop, source: tuple[Source, TestServer]):
    made, server = source
    made.break_after = MIB
    image, wanted = uuid.uuid4(), wish(server.make_url("/image"))
    await shop.images.fetch(POOL, image, wanted)
    assert (await shop.images.fetch(POOL, image, wanted)).job == wanted.operation_id
    with pytest.raises(JobRunning):
        await shop.images.fetch(POOL, image, wish(server.make_url("/image")))
    shop.jobs.cancel(wanted.operation_id)
    assert (await shop.job(wanted.operation_id)).state is JobState.CANCELLED
    assert (await fetched(shop, wanted, image)).state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:7f00:1::", False),
        ("nonsense", False),
    ],
)
def test_which_addresses_are_public(address: str, expected: bool):
    assert fetch.is_public(address) is expected
