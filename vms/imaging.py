"""How images come to hosts: fetched, sent, checked, copied from one host of a site to another."""

from __future__ import annotations

import time
from contextlib import suppress
from uuid import UUID

from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.jobs import Job, JobState
from eve_agent.wire.storage import ImageFinish, ImageFormat, ImageState, ImageStatus

from common.errors import EveError
from common.pauses import Pauses
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.client.core import clean_words
from hypervisors.client.storage import MAX_PIECE_BYTES
from hypervisors.errors import AgentRefused
from hypervisors.models import Hypervisor, HypervisorState
from hypervisors.refusals import refusal_words
from operations.errors import OperationLost
from operations.models import ACTIVE_STATES, Operation
from operations.run import OperationRun

from .errors import ImageNotReady
from .models import Image, ImageCopy, Vm
from .models import ImageState as StoredState

END_SECONDS = 30.0
"""So long a job is waited for that was asked to end."""
ASK_SECONDS = 5.0
AT_A_TIME = 3
"""So many copies of a host are settled at a time."""
_SOMEBODY_ELSE = (ErrorCode.JOB_RUNNING, ErrorCode.OFFSET_MISMATCH)
"""What a host answers while the same image is sent to it for another VM as well."""


def image_ensure(
    run: OperationRun, *, agent: AgentClient, image: Image, hypervisor: Hypervisor, pool: str, until_percent: int
) -> None:
    """The image's bytes are in that pool afterwards; copied from another pool of its site where they are not.

    What was copied of it goes again if it does not become whole.

    Raises:
        ImageNotReady: no host that has them can be reached.
        operations.errors.OperationCancelled, and what the agent's client raises.
    """
    copy, _is_new = ImageCopy.objects.get_or_create(image=image, hypervisor=hypervisor, pool=pool)
    try:
        _bring(run, agent=agent, copy=copy, until=until_percent)
    except OperationLost:
        raise
    except EveError:
        _let_go(run, agent, copy)
        raise
    if not copy.is_ready:
        _is_there(copy)


def copies_settle(*, hypervisor_id: UUID) -> None:
    """Deletes what a host has of images whose copying ended while it was away. What goes wrong is for the next time."""
    left = ImageCopy.objects.filter(hypervisor=hypervisor_id, is_ready=False, image__state=StoredState.READY)
    for copy in left.select_related("image", "hypervisor")[:AT_A_TIME]:
        if _is_under_way(hypervisor_id):
            return
        with suppress(EveError), AgentClient(copy.hypervisor, seconds=ASK_SECONDS) as agent:
            _settle(agent, copy)


def image_status(agent: AgentClient, pool: str, image: Image) -> ImageStatus | None:
    """What the host has of it; None for nothing."""
    try:
        return agent.image(pool, image.pk)
    except AgentRefused as refusal:
        if refusal.agent_code is not ErrorCode.IMAGE_NOT_FOUND:
            raise
        return None


def job_wait(run: OperationRun, agent: AgentClient, job_id: UUID, *, since_percent: int, until_percent: int) -> Job:
    """Waits for a job of the agent's, telling how far it is. A job that failed or is unknown is returned as well."""
    pauses = Pauses()
    while (job := agent.job(job_id)).state is JobState.RUNNING:
        run.progress(since_percent + (until_percent - since_percent) * job.percent // 100)
        pauses.wait()
    return job


def job_end(agent: AgentClient, job_id: UUID) -> None:
    """Ends that job of the agent's, and waits until it has."""
    deadline, pauses = time.monotonic() + END_SECONDS, Pauses()
    while agent.job_cancel(job_id).state is JobState.RUNNING and time.monotonic() < deadline:
        pauses.wait()


def _is_under_way(hypervisor_id: UUID) -> bool:
    """Whether something is done to a machine of the host, which an image may be copied for."""
    machines = Vm.objects.filter(hypervisor=hypervisor_id).values("pk")
    return Operation.objects.filter(target_id__in=machines, state__in=ACTIVE_STATES).exists()


def _bring(run: OperationRun, *, agent: AgentClient, copy: ImageCopy, until: int) -> None:
    """Until it is whole on the host, whoever brings it there."""
    pauses = Pauses()
    while (status := image_status(agent, copy.pool, copy.image)) is None or status.state is not ImageState.READY:
        if copy.is_ready:  # somebody removed the file on the host
            copy.is_ready = False
            copy.save(update_fields=["is_ready"])
        if status is not None and status.state is ImageState.WORKING:
            _pause(run, pauses)  # it is checked for another VM, or for an earlier try of this one
            continue
        try:
            _copy(run, agent=agent, copy=copy, sent=status.size_bytes if status else 0, until=until)
        except AgentRefused as refusal:
            if refusal.agent_code not in _SOMEBODY_ELSE:
                raise
            _pause(run, pauses)


def _let_go(run: OperationRun, agent: AgentClient, copy: ImageCopy) -> None:
    """What a host that is away keeps goes once it is back (:func:`copies_settle`), unless the next try goes on with it."""
    with suppress(EveError):
        job_end(agent, run.operation.pk)
        _settle(agent, copy)


def _settle(agent: AgentClient, copy: ImageCopy) -> None:
    """Deletes what has come of one that is not whole. Another VM that it is sent for as well begins anew."""
    status = image_status(agent, copy.pool, copy.image)
    if status is not None and status.state is ImageState.READY:
        _is_there(copy)
    elif status is None or status.state is ImageState.PARTIAL:
        agent.image_delete(copy.pool, copy.image_id)
        ImageCopy.objects.filter(pk=copy.pk, is_ready=False).delete()


def _is_there(copy: ImageCopy) -> None:
    """Its row may have gone meanwhile, with a try that was given up."""
    ImageCopy.objects.update_or_create(
        image_id=copy.image_id, hypervisor_id=copy.hypervisor_id, pool=copy.pool, defaults={"is_ready": True}
    )


def _copy(run: OperationRun, *, agent: AgentClient, copy: ImageCopy, sent: int, until: int) -> None:
    """Sends what is missing from another copy, and has it checked. The caller looks whether it is whole then."""
    image, source, start = copy.image, _source(copy), run.operation.progress
    with AgentClient(source.hypervisor) as other:
        while piece := _read(other, source, sent):
            agent.image_send(copy.pool, image.pk, piece, offset=sent)
            sent += len(piece)
            run.progress(start + (until - start) * sent // max(sent, image.size_bytes))
    source.refresh_from_db()
    if not source.is_ready:
        return
    wanted = ImageFinish(
        size_bytes=sent, format=ImageFormat(image.format), sha256=image.sha256, operation_id=run.operation.pk
    )
    agent.image_finish(copy.pool, image.pk, wanted)
    job = job_wait(run, agent, run.operation.pk, since_percent=until, until_percent=until)
    if job.state is JobState.FAILED and job.problem is not None:
        raise ImageNotReady(refusal_words(job.problem.code), for_staff=clean_words(job.problem.message))


def _read(other: AgentClient, source: ImageCopy, offset: int) -> bytes:
    """The next piece; nothing at its end, or where the file is gone: then it is no copy any more."""
    try:
        return other.image_read(source.pool, source.image_id, offset=offset, length=MAX_PIECE_BYTES)
    except AgentRefused as refusal:
        if refusal.agent_code is not ErrorCode.IMAGE_NOT_FOUND:
            raise
        ImageCopy.objects.filter(pk=source.pk).update(is_ready=False)
        return b""


def _pause(run: OperationRun, pauses: Pauses) -> None:
    run.progress(run.operation.progress)
    pauses.wait()


def _source(copy: ImageCopy) -> ImageCopy:
    image = copy.image
    copies = image.copies.filter(is_ready=True, hypervisor__state=HypervisorState.ONLINE).exclude(pk=copy.pk)
    found = copies.select_related("hypervisor").first()
    if found is None and not image.copies.filter(is_ready=True).exists():
        gone = _("The file of image %(name)s is gone from its host. It has to be sent or fetched again.") % {
            "name": image.name
        }
        Image.objects.filter(pk=image.pk).update(state=StoredState.FAILED, state_reason=gone)
        raise ImageNotReady(gone)
    if found is None:
        raise ImageNotReady(
            _("No host that has image %(name)s can be reached just now. Try again later, or ask the staff.")
            % {"name": image.name}
        )
    return found
