"""What people do with their list, and what they want to be told."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from django.db import transaction
from django.utils import timezone

from accounts.models import Project, User
from notifications.models import Choice, Kind, Notice, Way
from notifications.selectors import notices_for

from .spreading import notices_announce


@transaction.atomic
def notice_mark(*, notice: Notice, is_read: bool) -> Notice:
    """Marks it as read, or as unread again; read once more, it keeps when it was read first."""
    if (notice.read_at is not None) != is_read:
        notice.read_at = timezone.now() if is_read else None
        notice.save(update_fields=["read_at"])
        transaction.on_commit(partial(notices_announce, notice.user_id))
    return notice


@transaction.atomic
def notices_mark_all(*, user: User) -> int:
    """Marks all that the user sees as read. Returns how many were not."""
    done = Notice.objects.filter(pk__in=notices_for(user).filter(read_at=None).values("pk")).update(
        read_at=timezone.now()
    )
    if done:
        transaction.on_commit(partial(notices_announce, user.pk))
    return done


@transaction.atomic
def choices_set(*, user: User, project: Project | None, wanted: Mapping[tuple[Kind, Way], bool | None]) -> None:
    """Sets what the user wants to be told, for all projects or for one; None takes a choice back. What is not named stays."""
    for (kind, way), is_on in wanted.items():
        rows = Choice.objects.filter(user=user, project=project, kind=kind, way=way)
        if is_on is None:
            rows.delete()
        elif not rows.update(is_on=is_on):
            Choice.objects.create(user=user, project=project, kind=kind, way=way, is_on=is_on)
