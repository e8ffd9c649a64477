"""One operation as its handler sees it: steps, progress, a result; and whether to go on."""

from __future__ import annotations

import datetime as dt
import time
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise

from .errors import OperationCancelled, OperationLost
from .models import CLAIMED_STATES, Operation, OperationState
from .signals import operation_changed

LEASE_SECONDS = 30
"""How long a worker that says nothing keeps an operation."""
PROGRESS_EVERY_SECONDS = 1.0
MOST_PHASE = 200


class OperationRun:
    """A claimed operation in its handler's hands. Not shared between threads.

    A handler that may be begun again after a kill does its work in steps, each of which finds out by itself what an
    earlier try has done already.
    """

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.result: Any = None
        """What the operation's `result` will be if it succeeds; plain JSON."""
        self._told_at = float("-inf")

    def step(self, name: str, phase: str | Promise, *, percent: int, is_final: bool = False) -> None:
        """A step begins: says so, and that this worker is alive. Between steps the operation may be cancelled.

        Args:
            name: stable, for logs and tests, such as ``disks``.
            phase: for a person, such as “Making the disks”.
            percent: how far the operation is, 0 to 100.
            is_final: whether it cannot be cancelled any more once this step has begun.

        Raises:
            OperationCancelled: somebody asked for its end. Not raised while it is being undone.
            OperationLost: another worker has it now.
        """
        self._tell(progress=percent, phase=str(phase)[:MOST_PHASE], **({"can_cancel": False} if is_final else {}))

    def progress(self, percent: int) -> None:
        """How far it is within a step; written down once a second. Raises as :meth:`step`."""
        if time.monotonic() - self._told_at >= PROGRESS_EVERY_SECONDS:
            self._tell(progress=percent)

    def _tell(self, **fields: Any) -> None:
        self._told_at = time.monotonic()
        fields["progress"] = max(0, min(100, fields["progress"]))
        operation = self.operation
        mine = Operation.objects.filter(pk=operation.pk, worker=operation.worker, attempts=operation.attempts)
        with transaction.atomic():
            is_mine = mine.filter(state__in=CLAIMED_STATES).update(lease_until=lease_end(), **fields)
            if is_mine:
                operation.refresh_from_db()
                transaction.on_commit(
                    partial(operation_changed.send_robust, sender=Operation, operation=operation), robust=True
                )
        if not is_mine:
            raise OperationLost
        if operation.state == OperationState.CANCELLING and not operation.is_undoing:
            raise OperationCancelled


def lease_end() -> dt.datetime:
    """Until when an operation belongs to the worker that prolongs its lease now."""
    return timezone.now() + dt.timedelta(seconds=LEASE_SECONDS)
