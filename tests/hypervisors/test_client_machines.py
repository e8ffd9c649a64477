"""Every request of Eve's client for machines, to the real agent on a made-up hypervisor."""

from __future__ import annotations

import hashlib
import io
import time
import uuid
from collections.abc import Iterator

import pytest
from eve_agent.wire.domain import DomainState, StateAction
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.guest import FreezeRequest, PasswordChange
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.snapshots import SnapshotSpec
from eve_agent.wire.spec import (
    AutostartChange,
    BootOrder,
    CdromSlot,
    DiskSize,
    DiskSlot,
    DomainDelete,
    DomainSpec,
    NicSlot,
    PoolDisk,
    ResourcesChange,
    TitleChange,
)
from eve_agent.wire.storage import DiskSpec, ImageCopy, ImageFinish, ImageFormat, ImageState, SeedSpec
from eve_agent.wire.typing import TextToType, TypingState

from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused
from tests.hypervisors.real_agent import RealAgent

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 2**20
POOL = "default"
MAC = "52:54:00:01:02:03"


@pytest.fixture
def client(agent: RealAgent) -> Iterator[AgentClient]:
    with AgentClient(agent.hypervisor) as opened:
        yield opened


def ended(client: AgentClient, operation_id: uuid.UUID) -> Job:
    deadline = time.monotonic() + 30
    while (job := client.job(operation_id)).state is JobState.RUNNING:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return job


def send(client: AgentClient, data: bytes) -> uuid.UUID:
    image, operation = uuid.uuid4(), uuid.uuid4()
    client.image_send(POOL, image, data, offset=0)
    wanted = ImageFinish(size_bytes=len(data), format=ImageFormat.RAW, operation_id=operation)
    assert client.image_finish(POOL, image, wanted).job == operation
    assert ended(client, operation).state is JobState.SUCCEEDED
    return image


def test_an_image_is_sent_in_parts_as_it_is_read(client: AgentClient):
    data = bytes(range(256)) * 4096 * 3
    image, operation = uuid.uuid4(), uuid.uuid4()

    first = client.image_send(POOL, image, io.BytesIO(data[:1_000_000]), offset=0)
    assert (first.state, first.size_bytes) == (ImageState.PARTIAL, 1_000_000)
    with pytest.raises(AgentRefused) as refused:
        client.image_send(POOL, image, b"x", offset=2_000_000)
    assert refused.value.agent_code is ErrorCode.OFFSET_MISMATCH
    again = client.image_send(
        POOL, image, (data[i : i + 9999] for i in range(500_000, len(data), 9999)), offset=500_000
    )
    assert again.size_bytes == len(data) == client.image(POOL, image).size_bytes

    digest = hashlib.sha256(data).hexdigest()
    wanted = ImageFinish(size_bytes=len(data), format=ImageFormat.RAW, operation_id=operation, sha256=digest)
    client.image_finish(POOL, image, wanted)
    assert ended(client, operation).sha256 == digest
    status = client.image(POOL, image)
    assert (status.state, status.sha256, status.virtual_bytes) == (ImageState.READY, digest, len(data))
    assert client.image_finish(POOL, image, wanted).state is ImageState.READY
    assert client.image_send(POOL, image, b"late", offset=0).state is ImageState.READY
    read = b"".join(client.image_read(POOL, image, offset=start, length=MIB) for start in range(0, len(data) + 1, MIB))
    assert read == data
    assert client.image_delete(POOL, image).was_there
    assert not client.image_delete(POOL, image).was_there


def test_a_machine_from_its_image_to_its_end(client: AgentClient):
    image, disk, vm, iso = send(client, bytes(MIB)), uuid.uuid4(), uuid.uuid4(), send(client, bytes(2 * MIB))
    wanted = DiskSpec(size_bytes=4 * MIB, image_uuid=image, image_format=ImageFormat.RAW)
    assert client.disk_make(POOL, disk, wanted) == client.disk(POOL, disk)
    client.seed_make(POOL, vm, SeedSpec(user_data="#cloud-config\n" + "# a long one\n" * 5000, meta_data="{}"))
    spec = DomainSpec(
        uuid=vm,
        name="web-1",
        vcpus=1,
        memory_bytes=128 * MIB,
        disks=(DiskSlot(disk_uuid=disk, pool=POOL),),
        nics=(NicSlot(mac=MAC, source="default"),),
        seed_pool=POOL,
    )
    assert client.domain_define(spec) == client.domain_define(spec)
    assert client.resources_change(vm, ResourcesChange(vcpus=2, memory_bytes=256 * MIB)).next_start.vcpus == 2
    assert client.change_state(vm, StateAction.START).state is DomainState.RUNNING
    assert client.cdrom_change(vm, CdromSlot(pool=POOL, image_uuid=iso)).disks[1].uuid == iso
    assert client.disk_grow(vm, disk, DiskSize(size_bytes=8 * MIB)).disks[0].capacity_bytes == 8 * MIB
    assert client.title_set(vm, TitleChange(title="Zoë’s")).title == "Zoë’s"
    assert client.autostart_set(vm, AutostartChange(is_autostarted=True)).is_autostarted
    assert client.boot_order_set(vm, BootOrder(devices=(MAC,))).nics[0].boot_order == 1
    assert client.nic_detach(vm, MAC).nics == ()
    assert client.nic_attach(vm, NicSlot(mac=MAC, source="default")).nics[0].mac == MAC
    assert client.guest_info(vm).addresses[0].mac == MAC
    assert client.guest_password(vm, PasswordChange(user="root", password="secret")).domain_uuid == vm
    assert client.guest_freeze(vm, FreezeRequest(seconds=5)).is_frozen
    assert not client.guest_thaw(vm).is_frozen
    text = TextToType(typing_id=uuid.uuid4(), text="a" * 4096)
    assert client.typing_begin(vm, text).state is TypingState.RUNNING
    assert client.typing_status(vm).typing_id == text.typing_id
    assert client.typing_cancel(vm).state is TypingState.CANCELLED
    snapshot = uuid.uuid4()
    assert client.snapshot_make(vm, snapshot, SnapshotSpec(title="before", with_memory=True)).is_current
    assert [found.uuid for found in client.snapshots(vm)] == [snapshot]
    assert client.snapshot_revert(vm, snapshot).state is DomainState.RUNNING
    assert client.snapshot_delete(vm, snapshot).was_there
    assert client.stats().domains[-1].uuid == vm
    assert client.disk_detach(vm, disk).disks[0].device == "cdrom"
    assert client.disk_attach(vm, DiskSlot(disk_uuid=disk, pool=POOL)).disks[-1].uuid == disk
    with pytest.raises(AgentRefused) as refused:
        client.disk_delete(POOL, disk)
    assert refused.value.agent_code is ErrorCode.VOLUME_IN_USE
    assert client.domain_delete(
        vm, DomainDelete(disks=(PoolDisk(pool=POOL, disk_uuid=disk),), seed_pool=POOL)
    ).was_there
    assert {volume.uuid for volume in client.volumes(POOL)} == {image, iso}
    assert [pool.name for pool in client.pools()] == [POOL]


def test_a_job_that_nobody_knows_and_one_that_fails(client: AgentClient):
    nobody = uuid.uuid4()
    assert client.job(nobody) == client.job_cancel(nobody) == Job(operation_id=nobody, state=JobState.UNKNOWN)
    image, operation = uuid.uuid4(), uuid.uuid4()
    client.image_send(POOL, image, b"not a qcow2", offset=0)
    client.image_finish(POOL, image, ImageFinish(size_bytes=11, format=ImageFormat.QCOW2, operation_id=operation))
    job = ended(client, operation)
    assert (job.state, job.problem.code) == (JobState.FAILED, ErrorCode.IMAGE_INVALID)
    with pytest.raises(AgentRefused) as refused:
        client.image(POOL, image)
    assert refused.value.agent_code is ErrorCode.IMAGE_NOT_FOUND
    wanted = ImageCopy(operation_id=uuid.uuid4(), disk_uuid=uuid.uuid4(), volume="")
    with pytest.raises(AgentRefused) as refused:
        client.image_copy(POOL, image, wanted)
    assert refused.value.agent_code is ErrorCode.VOLUME_NOT_FOUND


@pytest.mark.parametrize("name", ["nowhere", "../etc", "a b", "a'/><b", "%2e%2e", "x" * 300, "ü"])
def test_names_of_pools_are_only_looked_up(client: AgentClient, name: str):
    with pytest.raises(AgentRefused) as refused:
        client.volumes(name)
    assert refused.value.agent_code in (ErrorCode.POOL_NOT_FOUND, ErrorCode.NOT_FOUND)
