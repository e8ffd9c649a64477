"""How images come to their first host, and go from all: the operations of :mod:`vms.services.images`.

Each may be begun again after a kill. What the host does takes long and is a job there, named by the operation; an agent that
was started anew is asked again, and goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from eve_agent.wire.errors import ErrorCode, Problem
from eve_agent.wire.jobs import JobState
from eve_agent.wire.storage import ImageCopy as CopyRequest
from eve_agent.wire.storage import ImageFetch, ImageFinish, ImageFormat, ImageStatus
from eve_agent.wire.storage import ImageState as HostState

from common.errors import EveError
from common.pauses import Pauses
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.client.core import clean_words
from hypervisors.errors import AgentError, AgentRefused
from hypervisors.refusals import refusal_words
from operations.errors import OperationCancelled
from operations.handlers import Lane, register
from operations.run import OperationRun
from vms.errors import ImageInUse, ImageNotFound, ImageRefused, NotAnImage
from vms.imaging import job_end
from vms.models import Image, ImageCopy, ImageState
from vms.quotas import Amounts, quota_of, usage_of
from vms.services.images import CHECK, DELETE, FETCH, TAKE
from vms.services.quotas import quota_reserve

from .rights import require_image_still_managed

AWAY_SECONDS = 120.0
"""So long a host may be away in the middle before the work fails."""


def image_not_come(run: OperationRun) -> None:
    """Takes back what came of it. A cancelled image is gone; one that failed stays to say why."""
    image = Image.objects.filter(pk=run.operation.target_id).first()
    if image is not None:
        image_take_back(run, image)


def image_take_back(run: OperationRun, image: Image) -> None:
    """Ends what the operation has begun of it on hosts. Where it was cancelled the image is gone, else it says why it failed."""
    for copy in image.copies.select_related("hypervisor"):
        with AgentClient(copy.hypervisor) as agent:
            job_end(agent, run.operation.pk)
            agent.image_delete(copy.pool, image.pk)
        copy.delete()
    problem = run.operation.error or {}
    if problem.get("code") == OperationCancelled.code:
        image.delete()
        return
    reason = str(problem.get("detail", ""))[:500]
    Image.objects.filter(pk=image.pk).update(state=ImageState.FAILED, state_reason=reason, size_bytes=0)


def image_not_gone(run: OperationRun) -> None:
    """It could not be deleted everywhere: it is usable again where it still is."""
    image = Image.objects.filter(pk=run.operation.target_id, state=ImageState.REMOVING).first()
    if image is None:
        return
    if run.operation.arguments.get("is_given_up"):
        Image.objects.filter(pk=image.pk).update(state=ImageState.COMING)  # the next sweep tries again
    else:
        is_there = image.copies.filter(is_ready=True).exists()
        Image.objects.filter(pk=image.pk).update(
            state=ImageState.READY if is_there else ImageState.FAILED,
            state_reason="" if is_there else str((run.operation.error or {}).get("detail", ""))[:500],
        )


@register(FETCH, is_idempotent=True, undo=image_not_come, can_cancel=True, lane=Lane.COPYING)
def image_fetch(run: OperationRun) -> None:
    """Lets the host fetch it."""
    copy = _copy_of(run)
    image = copy.image
    wanted = ImageFetch(
        url=image.source_url,
        format=ImageFormat(image.format),
        operation_id=run.operation.pk,
        sha256=image.sha256,
        max_bytes=_most_bytes(image),
        allow_private=settings.IMAGE_ALLOW_PRIVATE,
        least_bytes_per_second=settings.IMAGE_FETCH_LEAST_BYTES,
    )
    run.step("fetch", _("Fetching the image"), percent=1)
    image_carry_out(
        run, copy, lambda agent: agent.image_fetch(copy.pool, image.pk, wanted), hours=settings.IMAGE_FETCH_HOURS
    )


@register(CHECK, is_idempotent=True, lane=Lane.COPYING)
def image_check(run: OperationRun) -> None:
    """Lets the host check what was sent. The image failed where it is wrong; with the host away it can be asked for again."""
    copy = _copy_of(run)
    image = copy.image
    wanted = ImageFinish(
        size_bytes=image.size_bytes,
        format=ImageFormat(image.format),
        operation_id=run.operation.pk,
        sha256=image.sha256,
        digests_sha256=run.operation.arguments.get("digests_sha256", ""),
    )
    run.step("check", _("Checking the image"), percent=1)
    try:
        image_carry_out(run, copy, lambda agent: agent.image_finish(copy.pool, image.pk, wanted))
    except ImageRefused as error:
        Image.objects.filter(pk=image.pk).update(state=ImageState.FAILED, state_reason=str(error.detail)[:500])
        raise


@register(TAKE, is_idempotent=True, undo=image_not_come, can_cancel=True, lane=Lane.COPYING)
def image_take(run: OperationRun) -> None:
    """Lets the host copy a file of its pool."""
    copy = _copy_of(run)
    wanted = CopyRequest(
        operation_id=run.operation.pk,
        disk_uuid=None,
        volume=run.operation.arguments["volume"],
        format=ImageFormat(copy.image.format),
    )
    run.step("copy", _("Copying the file within the pool"), percent=1)
    image_carry_out(run, copy, lambda agent: agent.image_copy(copy.pool, copy.image_id, wanted))


@register(DELETE, is_idempotent=True, undo=image_not_gone)
def image_delete(run: OperationRun) -> None:
    """Deletes it from each host, then its row."""
    image = Image.objects.select_related("project").filter(pk=run.operation.target_id).first()
    if image is None:
        return
    if not run.operation.arguments.get("is_given_up"):
        require_image_still_managed(run.operation, image)
    copies = list(image.copies.select_related("hypervisor"))
    for number, copy in enumerate(copies):
        words = _("Deleting the image from %(host)s") % {"host": copy.hypervisor.name}
        run.step("delete", words, percent=100 * number // len(copies))
        try:
            with AgentClient(copy.hypervisor) as agent:
                agent.image_delete(copy.pool, image.pk)
        except AgentRefused as refusal:
            if refusal.agent_code is ErrorCode.IMAGE_IN_USE:
                raise ImageInUse(
                    _("Something on %(host)s uses the image that Eve does not know of: %(words)s")
                    % {"host": copy.hypervisor.name, "words": refusal.detail}
                ) from refusal
            if refusal.agent_code is not ErrorCode.POOL_NOT_FOUND:
                raise
        copy.delete()
    image.delete()


def _copy_of(run: OperationRun) -> ImageCopy:
    """Where it comes to first. Raises ImageNotFound, ActionNotAllowed."""
    copy = (
        ImageCopy.objects.select_related("image__project", "hypervisor")
        .filter(image=run.operation.target_id)
        .order_by("pk")
        .first()
    )
    if copy is None:
        raise ImageNotFound
    require_image_still_managed(run.operation, copy.image)
    return copy


def _most_bytes(image: Image) -> int:
    """What the file may have: as much as any image, and no more than the project has left."""
    most: int = settings.IMAGE_MAX_BYTES
    if image.project is not None and (limit := quota_of(image.project).disk_bytes) is not None:
        most = min(most, limit - usage_of(image.project).disk_bytes)
    return max(1, most)


def image_carry_out(
    run: OperationRun, copy: ImageCopy, begin: Callable[[AgentClient], ImageStatus], *, hours: int = 0
) -> None:
    """Lets the host do it, whether or not an earlier try began it or has done it; then the image is ready. 0 hours: it takes what it takes."""
    away_since: float | None = None
    pauses = Pauses()
    while True:
        try:
            with AgentClient(copy.hypervisor) as agent:
                status = _follow(run, agent, begin, hours)
            break
        except AgentRefused as refusal:
            raise refused(Problem(code=refusal.agent_code, message=refusal.for_staff)) from refusal
        except AgentError as error:
            away_since = away_since or time.monotonic()
            if not error.retryable or time.monotonic() - away_since > AWAY_SECONDS:
                raise
            run.step("wait", _("Waiting for the host: %(why)s") % {"why": error.detail}, percent=run.operation.progress)
            pauses.wait()
    image_came(copy, status)
    run.result = {"image": str(copy.image_id)}


@transaction.atomic
def image_came(copy: ImageCopy, status: ImageStatus) -> None:
    """The image is whole and right. How large it is may be known only now, and others of its project may have come meanwhile.

    Raises:
        QuotaExceeded: it has more bytes than its project has left.
    """
    image = Image.objects.select_for_update(of=("self",)).select_related("project").get(pk=copy.image_id)
    if image.project is not None and status.size_bytes > image.size_bytes:
        quota_reserve(project=image.project, amounts=Amounts(disk_bytes=status.size_bytes - image.size_bytes))
    ImageCopy.objects.filter(pk=copy.pk).update(is_ready=True)
    image.state, image.state_reason = ImageState.READY, ""
    image.size_bytes, image.virtual_bytes = status.size_bytes, status.virtual_bytes
    image.sha256 = status.sha256 or image.sha256
    image.save(update_fields=["state", "state_reason", "size_bytes", "virtual_bytes", "sha256"])


def _follow(
    run: OperationRun, agent: AgentClient, begin: Callable[[AgentClient], ImageStatus], hours: int
) -> ImageStatus:
    while (status := begin(agent)).state is not HostState.READY:
        pauses = Pauses()
        while (job := agent.job(run.operation.pk)).state is JobState.RUNNING:
            run.progress(max(1, min(99, job.percent)))
            _require_time(run, hours)
            pauses.wait()
        if job.state is JobState.FAILED:
            raise refused(job.problem or Problem(code=ErrorCode.UNKNOWN, message=""))
        if job.state is JobState.CANCELLED:
            raise ImageRefused(_("The host was told to end it."))
        run.progress(run.operation.progress)  # it is done, or the agent knows nothing of it any more: ask again
    return status


def _require_time(run: OperationRun, hours: int) -> None:
    """That it was not begun too long ago, by whichever worker. Raises ImageRefused."""
    begun = run.operation.started_at
    if hours and begun and timezone.now() - begun > dt.timedelta(hours=hours):
        raise ImageRefused(
            _(
                "It did not come within %(hours)d hours, so the fetch was given up. Choose a faster server, or upload the file."
            )
            % {"hours": hours}
        )


def refused(problem: Problem) -> EveError:
    """What the host said, in Eve's words."""
    refusal = NotAnImage if problem.code is ErrorCode.IMAGE_INVALID else ImageRefused
    return refusal(refusal_words(problem.code), for_staff=clean_words(problem.message), agent_code=problem.code.value)
