"""Django's tasks API over the operations' rows: what is queued, and how it went, is in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import Task, TaskError, TaskResult, TaskResultStatus
from django_tasks.exceptions import InvalidTaskError, TaskResultDoesNotExist
from django_tasks.utils import get_module_path

from common.errors import EveError

from . import handlers, wakeup
from .errors import UnknownKind
from .models import Operation, OperationState

_STATUS = {
    OperationState.QUEUED: TaskResultStatus.READY,
    OperationState.RUNNING: TaskResultStatus.RUNNING,
    OperationState.CANCELLING: TaskResultStatus.RUNNING,
    OperationState.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    OperationState.FAILED: TaskResultStatus.FAILED,
    OperationState.CANCELLED: TaskResultStatus.FAILED,
}


class OperationsBackend(BaseTaskBackend):
    """Dispatches operations: enqueued with the id of a committed row, each is claimed and done by a worker.

    A worker of this process (:mod:`operations.worker`) begins at once, those of ``manage.py work`` within a second. The row
    holds what the tasks API knows nothing of: target, progress, lease, idempotency key and undo; a second table beside it
    would have to agree with it after every kill. What happens to it is announced by :mod:`operations.signals`.
    """

    task_class = handlers.OperationTask  # type: ignore[assignment]  # declared without a type of its own
    supports_get_result = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.queues = set(handlers.Lane)

    def validate_task(self, task: Task[Any, Any]) -> None:
        """A task is found by its kind, so that its function may be any callable. Raises InvalidTaskError."""
        if not isinstance(task, handlers.OperationTask):
            raise InvalidTaskError("Register tasks with operations.handlers.register.")
        if task.queue_name not in self.queues:
            raise InvalidTaskError(f"{task.queue_name!r} is no lane.")

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        """Has a queued operation done: `kwargs` holds the id of its row, which is committed already, as ``operation``."""
        queued: TaskResult[Any] = TaskResult(
            task=task,
            id=kwargs["operation"],
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=list(args),
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        wakeup.wake()
        return queued

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """How the operation of that id goes. Raises TaskResultDoesNotExist, also where its kind is nobody's any more."""
        try:
            operation = Operation.objects.get(pk=result_id)
            task = handlers.find(operation.kind)
        except (Operation.DoesNotExist, ValidationError, UnknownKind):
            raise TaskResultDoesNotExist(result_id) from None
        result: TaskResult[Any] = TaskResult(
            task=task,
            id=str(operation.pk),
            status=_STATUS[OperationState(operation.state)],
            enqueued_at=operation.created_at,
            started_at=operation.started_at,
            last_attempted_at=operation.started_at,
            finished_at=operation.finished_at,
            args=[],
            kwargs={"operation": str(operation.pk)},
            backend=self.alias,
            errors=[_error(operation.error)] if operation.error else [],
            worker_ids=[operation.worker] * operation.attempts,
        )
        object.__setattr__(result, "_return_value", operation.result)
        return result


def _error(problem: Mapping[str, Any]) -> TaskError:
    """Of an operation's problem details (RFC 9457), which stand for whatever was raised."""
    return TaskError(
        exception_class_path=get_module_path(EveError), traceback=f"{problem['code']}: {problem['detail']}"
    )
