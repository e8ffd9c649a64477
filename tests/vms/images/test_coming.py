"""Images on their way to the real agent: sent in pieces, fetched, taken from a pool; and what may go wrong on it."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.conf import LazySettings
from eve_agent.wire.storage import DIGEST_BYTES, ImageStatus
from eve_agent.wire.storage import ImageState as HostState

from operations.claims import operation_claim
from operations.models import Operation, OperationState
from operations.services import operation_cancel
from operations.worker import operation_run
from tests.cast import Cast
from tests.hypervisors.real_agent import RealAgent
from tests.together import at_once
from vms.errors import QuotaExceeded
from vms.handlers import images
from vms.models import Image, ImageCopy, ImageState
from vms.quotas import usage_of

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 2**20
DATA = bytes(range(256)) * (5 * MIB // 256)
SHA256 = hashlib.sha256(DATA).hexdigest()
Work = Callable[[], Operation]


def announce(cast: Cast, **fields: Any) -> Any:
    body = {"name": "Debian 12", "format": "raw", "site": str(cast.here.pk), "project": str(cast.acme.pk), **fields}
    return cast.api(cast.owner).post("/api/v1/images", body, format="json")


def begin(cast: Cast, **fields: Any) -> str:
    answer = announce(cast, size_bytes=len(DATA), **fields)
    assert answer.status_code == 201, answer.content
    return f"/api/v1/images/{answer.json()['image']['id']}/data"


def send(cast: Cast, path: str, start: int, end: int) -> Any:
    return cast.api(cast.owner).generic("PUT", f"{path}?offset={start}", DATA[start:end], "application/octet-stream")


def test_an_upload_goes_on_after_a_break_and_is_checked(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast, sha256=SHA256)
    assert send(cast, path, 0, 2 * MIB).json()["received_bytes"] == 2 * MIB
    agent.stop()
    assert send(cast, path, 2 * MIB, 4 * MIB).status_code == 503
    agent.start()
    assert cast.api(cast.owner).get(path).json() == {
        "received_bytes": 2 * MIB,
        "size_bytes": len(DATA),
        "piece_bytes": 8 * MIB,
    }
    wrong = send(cast, path, 3 * MIB, 4 * MIB)
    assert (wrong.status_code, wrong.json()["received_bytes"]) == (409, 2 * MIB)
    assert send(cast, path, MIB, 4 * MIB).json()["received_bytes"] == 4 * MIB
    assert send(cast, path, 4 * MIB, len(DATA)).json()["received_bytes"] == len(DATA)
    assert cast.api(cast.owner).post(path).status_code == 202
    assert work().state == OperationState.SUCCEEDED
    image = Image.objects.get()
    assert (image.state, image.size_bytes, image.virtual_bytes, image.sha256) == ("ready", len(DATA), len(DATA), SHA256)
    assert image.copies.get().is_ready
    assert cast.api(cast.owner).get(path).json()["received_bytes"] == len(DATA)
    assert send(cast, path, 0, MIB).status_code == 409


def test_another_file_than_was_announced_is_not_taken(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast, sha256="0" * 64)
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    operation = work()
    assert (operation.state, operation.error["agent_code"]) == ("failed", "checksum_mismatch")
    assert operation.error["title"] == "The host could not take it"
    image = Image.objects.get()
    assert image.state == ImageState.FAILED
    assert image.state_reason.startswith("The checksum is wrong")
    assert cast.api(cast.owner).delete(path.removesuffix("/data")).status_code == 202
    assert work().state == OperationState.SUCCEEDED
    assert not Image.objects.exists()


@pytest.mark.parametrize("is_same", [True, False])
def test_what_was_begun_with_another_file_of_the_same_length_is_not_taken(
    cast: Cast, agent: RealAgent, work: Work, is_same: bool
):
    path = begin(cast)
    other = DATA if is_same else bytes(2 * MIB)
    cast.api(cast.owner).generic("PUT", f"{path}?offset=0", other[: 2 * MIB], "application/octet-stream")
    send(cast, path, 2 * MIB, len(DATA))
    parts = [DATA[at : at + DIGEST_BYTES] for at in range(0, len(DATA), DIGEST_BYTES)]
    digests = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
    assert cast.api(cast.owner).post(path, {"digests_sha256": "x"}, format="json").status_code == 400
    assert cast.api(cast.owner).post(path, {"digests_sha256": digests}, format="json").status_code == 202
    assert (work().error or {}).get("agent_code") == (None if is_same else "checksum_mismatch")
    assert Image.objects.get().state == (ImageState.READY if is_same else ImageState.FAILED)


def test_what_is_no_image_is_not_taken(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast, format="qcow2")
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    error = work().error
    assert (error["agent_code"], error["title"]) == ("image_invalid", "That cannot be an image")
    assert "convert it with qemu-img" in Image.objects.get().state_reason


def test_the_end_of_an_upload_with_its_host_away_can_be_asked_for_again(
    cast: Cast, agent: RealAgent, work: Work, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(images, "AWAY_SECONDS", 0.0)
    path = begin(cast)
    send(cast, path, 0, len(DATA))
    agent.stop()
    cast.api(cast.owner).post(path)
    operation = work()
    assert (operation.state, operation.error["code"]) == ("failed", "host_away")
    assert Image.objects.get().state == ImageState.COMING
    agent.start()
    cast.api(cast.owner).post(path)
    assert work().state == OperationState.SUCCEEDED


def test_pieces_within_what_was_announced_only(cast: Cast, agent: RealAgent):
    path = begin(cast)
    client = cast.api(cast.owner)
    assert send(cast, path, len(DATA) - 1, len(DATA)).status_code == 409
    for query, data in (
        ("?offset=1", DATA),
        ("?offset=0", DATA + b"x"),
        ("?offset=0", b""),
        ("?offset=-1", b"x"),
        ("", b"x"),
    ):
        answer = client.generic("PUT", path + query, data, "application/octet-stream")
        assert answer.status_code in (400, 409), (query, len(data))
    assert client.get(path).json()["received_bytes"] == 0


class Files(BaseHTTPRequestHandler):
    """A server with one file, that tells what was asked."""

    def do_GET(self) -> None:
        if self.path != "/image":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Trickle(BaseHTTPRequestHandler):
    """A server that sends a byte now and then, until its test is over."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x")
                time.sleep(0.05)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def trickling() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Trickle) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def files(settings: LazySettings) -> Iterator[str]:
    """Its address; private ones are allowed."""
    settings.IMAGE_ALLOW_PRIVATE = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_is_fetched(cast: Cast, agent: RealAgent, work: Work, files: str):
    answer = announce(cast, url=f"{files}/image", sha256=SHA256)
    assert answer.status_code == 202, answer.content
    assert answer.json()["operation"] == answer.headers["Location"]
    operation = work()
    assert operation.state == OperationState.SUCCEEDED
    image = Image.objects.get()
    assert (image.state, image.size_bytes, image.sha256) == ("ready", len(DATA), SHA256)


def test_an_image_that_cannot_be_fetched_stays_to_say_why(cast: Cast, agent: RealAgent, work: Work, files: str):
    announce(cast, url=f"{files}/none")
    assert work().error["agent_code"] == "fetch_failed"
    work_again(work)
    image = Image.objects.get()
    assert (image.state, image.copies.count()) == (ImageState.FAILED, 0)
    assert "Check the address" in image.state_reason


def test_private_addresses_are_refused_unless_allowed(cast: Cast, agent: RealAgent, work: Work, files: str, settings):
    settings.IMAGE_ALLOW_PRIVATE = False
    announce(cast, url=f"{files}/image")
    error = work().error
    assert (error["agent_code"], error["title"]) == ("address_refused", "The host could not take it")


def test_no_more_is_fetched_than_the_project_has_left(cast: Cast, agent: RealAgent, work: Work, files: str, settings):
    settings.QUOTA = {**settings.QUOTA, "disk_bytes": MIB}
    announce(cast, url=f"{files}/image")
    assert work().error["agent_code"] == "no_space"


def test_of_images_that_come_at_once_no_more_stay_than_the_quota_allows(
    cast: Cast, agent: RealAgent, work: Work, files: str, settings
):
    settings.QUOTA = {**settings.QUOTA, "disk_bytes": len(DATA) * 3 // 2}
    for _ in range(2):
        assert announce(cast, url=f"{files}/image").status_code == 202
    first, second = Image.objects.order_by("created_at")
    other = second.copies.get()
    status = ImageStatus(image_uuid=second.pk, state=HostState.READY, size_bytes=len(DATA), sha256=SHA256)
    assert work().state == OperationState.SUCCEEDED
    with pytest.raises(QuotaExceeded):
        images.image_came(other, status)
    first.refresh_from_db()
    images.image_came(first.copies.get(), status)  # a worker that takes over finds it done
    second.refresh_from_db()
    assert (second.state, second.size_bytes) == (ImageState.COMING, 0)


def test_of_many_that_are_whole_at_the_same_moment(cast: Cast, settings):
    settings.QUOTA = {**settings.QUOTA, "disk_bytes": 25 * MIB}
    copies = [
        ImageCopy.objects.create(
            image=Image.objects.create(name=f"i{number}", site=cast.here, project=cast.acme),
            hypervisor=cast.hypervisor_here,
            pool="default",
        )
        for number in range(8)
    ]
    refused: list[QuotaExceeded] = []

    def come(copy: ImageCopy) -> None:
        status = ImageStatus(image_uuid=copy.image_id, state=HostState.READY, size_bytes=10 * MIB)
        try:
            images.image_came(copy, status)
        except QuotaExceeded as error:
            refused.append(error)

    at_once(*(partial(come, copy) for copy in copies))
    assert len(refused) == 6
    assert usage_of(cast.acme).disk_bytes == 20 * MIB


def test_what_does_not_come_in_time_is_given_up(cast: Cast, agent: RealAgent, work: Work, settings):
    settings.IMAGE_ALLOW_PRIVATE = True
    settings.IMAGE_FETCH_LEAST_BYTES = 0
    with trickling() as address:
        announce(cast, url=f"{address}/image")
        operation = operation_claim(worker="w")
        assert operation is not None
        operation.started_at -= dt.timedelta(hours=settings.IMAGE_FETCH_HOURS, seconds=1)
        operation.save()
        operation_run(operation)
    operation.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert "did not come within 6 hours" in operation.error["detail"]
    assert Image.objects.get().copies.count() == 0, "what had come of it is gone"


def test_how_fast_a_server_has_to_be_is_told_to_the_host(
    cast: Cast, agent: RealAgent, work: Work, files: str, settings
):
    settings.IMAGE_FETCH_LEAST_BYTES = 7
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        real = images.AgentClient.image_fetch
        patch.setattr(images.AgentClient, "image_fetch", lambda *given: (asked.append(given[-1]), real(*given))[1])
        announce(cast, url=f"{files}/image")
        work()
    assert asked[0].least_bytes_per_second == 7


def test_a_fetch_that_is_cancelled_leaves_nothing(cast: Cast, agent: RealAgent, work: Work, files: str):
    operation_id = announce(cast, url=f"{files}/image").json()["operation"].rpartition("/")[2]
    operation_cancel(operation=Operation.objects.get(pk=operation_id), user=cast.owner)
    assert work().state == OperationState.CANCELLED
    assert not Image.objects.exists()


def test_a_worker_that_was_killed_is_followed_by_another(
    cast: Cast, agent: RealAgent, work: Work, files: str, monkeypatch: pytest.MonkeyPatch
):
    """The job is done on the host, and Eve knows nothing of it."""
    announce(cast, url=f"{files}/image")
    operation = Operation.objects.get()
    copy = ImageCopy.objects.get()
    with images.AgentClient(agent.hypervisor) as client:
        wanted = images.ImageFetch(
            url=f"{files}/image",
            format=images.ImageFormat.RAW,
            operation_id=operation.pk,
            allow_private=True,
        )
        client.image_fetch(copy.pool, copy.image_id, wanted)
    assert work().state == OperationState.SUCCEEDED
    assert Image.objects.get().state == ImageState.READY


def test_a_file_of_a_pool_is_taken_by_staff(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast)
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    work()
    first = Image.objects.get()
    volume = {"hypervisor": str(agent.hypervisor.pk), "pool": "default", "name": f"{first.pk}.img"}
    body = {"name": "Public", "format": "raw", "site": str(cast.here.pk), "volume": volume}
    answer = cast.api(cast.staff_here).post("/api/v1/images", body, format="json")
    assert answer.status_code == 202, answer.content
    assert work().state == OperationState.SUCCEEDED
    taken = Image.objects.exclude(pk=first.pk).get()
    assert (taken.state, taken.project, taken.size_bytes) == ("ready", None, len(DATA))
    names = cast.api(cast.staff_here).get(f"/api/v1/hypervisors/{agent.hypervisor.pk}/pools/default/volumes").json()
    assert {row["uuid"] for row in names} == {str(first.pk), str(taken.pk)}
    body["volume"] = {**volume, "name": "none.img"}
    cast.api(cast.staff_here).post("/api/v1/images", body, format="json")
    assert work().error["agent_code"] == "volume_not_found"
    for user in (cast.owner, cast.staff_there):
        assert cast.api(user).post("/api/v1/images", body, format="json").status_code in (400, 403)


def test_a_file_that_vanished_is_said_when_it_is_needed(cast: Cast, agent: RealAgent, work: Work):
    path = begin(cast)
    send(cast, path, 0, len(DATA))
    cast.api(cast.owner).post(path)
    work()
    image, copy = Image.objects.get(), ImageCopy.objects.get()
    with images.AgentClient(agent.hypervisor) as client:
        client.image_delete(copy.pool, image.pk)
    body = {"name": "web", "vcpus": 1, "memory_bytes": 512 * MIB, "image": str(image.pk), "project": str(cast.acme.pk)}
    assert cast.api(cast.owner).post("/api/v1/vms", body, format="json").status_code == 202
    operation = work()
    assert (operation.state, operation.error["code"]) == ("failed", "image_not_ready")
    image.refresh_from_db()
    assert image.state == ImageState.FAILED
    assert "is gone from its host" in image.state_reason


def test_an_image_on_its_way_is_not_deleted_under_its_fetch(cast: Cast, agent: RealAgent, files: str):
    image_id = uuid.UUID(announce(cast, url=f"{files}/image").json()["image"]["id"])
    answer = cast.api(cast.owner).delete(f"/api/v1/images/{image_id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "operation_running")


def work_again(work: Work) -> None:
    """Nothing is left to be done."""
    with pytest.raises(AssertionError):
        work()
