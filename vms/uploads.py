"""Pieces of an upload on their way from the sender to the host: read, handed on, never held."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils import timezone
from eve_agent.wire.errors import ErrorCode

from accounts.models import User
from common.pieces import PIECE_BYTES
from common.sentences import gettext as _
from hypervisors.client import AgentClient
from hypervisors.errors import AgentRefused

from .errors import ImageRefused, UploadRefused
from .imaging import image_status
from .models import Image, ImageCopy, ImageState
from .services.images import require_manager


def upload_received(*, image: Image, user: User) -> int:
    """How many bytes have arrived: where to go on. All of them once the image is ready.

    Raises ActionNotAllowed, UploadRefused, and what the agent's client raises.
    """
    require_manager(user, image)
    if image.state == ImageState.READY:
        return image.size_bytes
    copy = _waiting_copy(image)
    with AgentClient(copy.hypervisor) as agent:
        status = image_status(agent, copy.pool, image)
    return status.size_bytes if status else 0


def piece_send(*, image: Image, user: User, offset: int, length: int, data: Iterable[bytes]) -> int:
    """Hands `length` bytes of the file from `offset` on to the host. Returns how many of the file are there then.

    Raises:
        ActionNotAllowed: not the user's to change.
        UploadRefused: the image waits for no bytes, or not for these.
        and what the agent's client raises.
    """
    require_manager(user, image)
    copy = _waiting_copy(image)
    if not 1 <= length <= PIECE_BYTES or offset < 0 or offset + length > image.size_bytes:
        raise UploadRefused(
            _("A piece has 1 byte to %(most)d MiB and lies within the %(size)d bytes that were announced.")
            % {"most": PIECE_BYTES // 2**20, "size": image.size_bytes}
        )
    try:
        with AgentClient(copy.hypervisor) as agent:
            received = agent.image_send(copy.pool, image.pk, data, offset=offset).size_bytes
    except AgentRefused as refusal:
        if refusal.agent_code is ErrorCode.OFFSET_MISMATCH:
            received = upload_received(image=image, user=user)
            raise UploadRefused(
                _("The host has %(count)d bytes of it: go on there.") % {"count": received}, received_bytes=received
            ) from refusal
        if refusal.agent_code is ErrorCode.NO_SPACE:
            raise ImageRefused(
                _("The host has no space left for it. What has arrived is kept: go on once there is space again."),
                agent_code=refusal.agent_code.value,
            ) from refusal
        raise
    Image.objects.filter(pk=image.pk).update(received_at=timezone.now())
    return received


def _waiting_copy(image: Image) -> ImageCopy:
    copy = image.copies.select_related("hypervisor").first()
    if image.state != ImageState.COMING or image.source_url or copy is None:
        raise UploadRefused(_("Image %(name)s waits for no upload.") % {"name": image.name})
    return copy
