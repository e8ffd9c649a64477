"""An image is copied to the host that needs it: once, whole, and from where it still is."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.storage import ImageFinish, ImageStatus
from eve_agent.wire.storage import ImageState as HostState

from hypervisors.errors import AgentRefused, HostAway
from hypervisors.models import Hypervisor
from hypervisors.refusals import refusal_words
from hypervisors.signals import host_reached
from operations.services import operation_create
from tests.cast import Cast
from tests.factories import make_hypervisor, make_vm
from vms import imaging
from vms.errors import ImageNotReady
from vms.models import Image, ImageCopy, ImageState, VmState
from vms.services.hardware import CD

pytestmark = pytest.mark.django_db
DATA = b"0123456789" * 10


class Host:
    """One host's images; `faults` are raised one by one before bytes are taken."""

    def __init__(self) -> None:
        self.whole: dict[uuid.UUID, bytes] = {}
        self.parts: dict[uuid.UUID, bytes] = {}
        self.faults: list[ErrorCode] = []
        self.sent: list[int] = []
        self.leaves = self.is_away = False
        """Whether it goes away after the next piece; and has."""

    def __enter__(self) -> Host:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        if self.is_away:
            raise HostAway

    def image(self, _pool: str, image: uuid.UUID) -> ImageStatus:
        self._answer()
        if image in self.whole:
            return ImageStatus(image_uuid=image, state=HostState.READY, size_bytes=len(self.whole[image]))
        if image in self.parts:
            return ImageStatus(image_uuid=image, state=HostState.PARTIAL, size_bytes=len(self.parts[image]))
        raise AgentRefused("none", agent_code=ErrorCode.IMAGE_NOT_FOUND)

    def image_read(self, pool: str, image: uuid.UUID, *, offset: int, length: int) -> bytes:
        self.image(pool, image)
        return self.whole[image][offset : offset + min(length, 30)]

    def image_send(self, _pool: str, image: uuid.UUID, data: bytes, *, offset: int) -> None:
        self._answer()
        if self.faults:
            raise AgentRefused("busy", agent_code=self.faults.pop(0))
        self.sent.append(offset)
        self.parts[image] = self.parts.get(image, b"")[:offset] + data
        self.is_away = self.leaves

    def image_finish(self, _pool: str, image: uuid.UUID, wanted: ImageFinish) -> None:
        assert len(self.parts[image]) == wanted.size_bytes
        self.whole[image] = self.parts.pop(image)

    def image_delete(self, _pool: str, image: uuid.UUID) -> None:
        self.parts.pop(image, None)

    def job_cancel(self, operation_id: uuid.UUID) -> Job:
        self._answer()
        return Job(operation_id=operation_id, state=JobState.UNKNOWN)

    def job(self, operation_id: uuid.UUID) -> Job:
        return Job(operation_id=operation_id, state=JobState.UNKNOWN)


@pytest.fixture
def hosts(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> dict[str, Host]:
    """Three hosts of site "here", by name."""
    make_hypervisor(cast.here, "second")
    make_hypervisor(cast.here, "third")
    found = {name: Host() for name in ("hv-here", "second", "third")}
    monkeypatch.setattr(imaging, "AgentClient", lambda hypervisor, **_: found[hypervisor.name])
    return found


@pytest.fixture
def image(cast: Cast, hosts: dict[str, Host]) -> Image:
    """Is on the first host."""
    row = Image.objects.create(name="x", site=cast.here, state=ImageState.READY, size_bytes=len(DATA))
    ImageCopy.objects.create(image=row, hypervisor=cast.hypervisor_here, pool="default", is_ready=True)
    hosts["hv-here"].whole[row.pk] = DATA
    return row


def ensure(image: Image, hosts: dict[str, Host], name: str = "second", pool: str = "default") -> None:
    run: Any = SimpleNamespace(operation=SimpleNamespace(pk=uuid.uuid4(), progress=5), progress=lambda percent: None)
    host, agent = Hypervisor.objects.get(name=name), hosts[name]
    imaging.image_ensure(run, agent=agent, image=image, hypervisor=host, pool=pool, until_percent=40)  # type: ignore[arg-type]


def test_it_is_copied_once_and_goes_on_where_it_was(image: Image, hosts: dict[str, Host]):
    hosts["second"].parts[image.pk] = DATA[:40]
    ensure(image, hosts)
    ensure(image, hosts)
    assert hosts["second"].whole[image.pk] == DATA
    assert hosts["second"].sent == [40, 70]
    assert image.copies.filter(is_ready=True).count() == 2


@pytest.mark.parametrize("fault", [ErrorCode.JOB_RUNNING, ErrorCode.OFFSET_MISMATCH])
def test_another_vm_that_has_it_sent_as_well_is_no_fault(image: Image, hosts: dict[str, Host], fault: ErrorCode):
    hosts["second"].faults = [fault, fault]
    ensure(image, hosts)
    assert hosts["second"].whole[image.pk] == DATA


def test_a_host_that_finds_it_damaged_is_told_in_eves_words(
    image: Image, hosts: dict[str, Host], monkeypatch: pytest.MonkeyPatch
):
    damaged = Problem(ErrorCode.CHECKSUM_MISMATCH, "/srv/pool/canary.part differs")
    monkeypatch.setattr(Host, "job", lambda _host, key: Job(operation_id=key, state=JobState.FAILED, problem=damaged))
    with pytest.raises(ImageNotReady) as refusal:
        ensure(image, hosts)
    assert refusal.value.detail == refusal_words(ErrorCode.CHECKSUM_MISMATCH)
    assert refusal.value.for_staff == damaged.message


def test_a_host_without_space_is_said(image: Image, hosts: dict[str, Host]):
    hosts["second"].faults = [ErrorCode.NO_SPACE]
    with pytest.raises(AgentRefused):
        ensure(image, hosts)
    assert image.copies.get().is_ready
    assert not hosts["second"].parts


@pytest.fixture
def left_over(image: Image, hosts: dict[str, Host]) -> Host:
    """The second host, back again, which went away in the middle of a copy."""
    host = hosts["second"]
    host.leaves = True
    with pytest.raises(HostAway):
        ensure(image, hosts)
    host.is_away = False
    assert host.parts[image.pk] == DATA[:30]
    return host


def test_what_is_left_by_a_host_that_went_away_goes_once_it_is_back(image: Image, left_over: Host):
    reach("third")
    assert left_over.parts
    reach("second")
    assert not left_over.parts
    assert image.copies.get().is_ready


def test_what_became_whole_meanwhile_is_a_copy(image: Image, left_over: Host):
    left_over.whole[image.pk] = left_over.parts.pop(image.pk)
    reach("second")
    assert image.copies.filter(is_ready=True).count() == 2


def test_what_may_be_gone_on_with_is_left(cast: Cast, image: Image, left_over: Host):
    vm = make_vm(cast.acme, Hypervisor.objects.get(name="second"), state=VmState.OFF)
    operation_create(kind=CD, target=vm, project=vm.project, user=cast.owner)
    reach("second")
    assert left_over.parts


def reach(name: str) -> None:
    host_reached.send(sender=Hypervisor, hypervisor_id=Hypervisor.objects.get(name=name).pk)


def test_from_a_copy_that_is_gone_it_turns_to_the_next(image: Image, hosts: dict[str, Host]):
    ImageCopy.objects.create(
        image=image, hypervisor=Hypervisor.objects.get(name="third"), pool="default", is_ready=True
    )
    hosts["third"].whole[image.pk] = hosts["hv-here"].whole.pop(image.pk)
    ensure(image, hosts)
    assert hosts["second"].whole[image.pk] == DATA
    assert not image.copies.get(hypervisor__name="hv-here").is_ready


def test_gone_everywhere_it_failed(image: Image, hosts: dict[str, Host]):
    hosts["hv-here"].whole.clear()
    with pytest.raises(ImageNotReady, match="is gone from its host"):
        ensure(image, hosts)
    image.refresh_from_db()
    assert image.state == ImageState.FAILED
