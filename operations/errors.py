"""What may go wrong with operations.

::

    EveError
    ├── Conflict
    │   ├── OperationRunning      another change of the same target is under way
    │   ├── OperationInterrupted  its worker was killed, and it is not safe to do it twice
    │   ├── OperationExpired      no worker began it in time
    │   └── CannotCancel          it is over, or of a kind that cannot stop half-way
    ├── IdempotencyMismatch       the key was used for another request
    ├── OperationCancelled        raised inside a handler: somebody asked for an end
    ├── OperationLost             raised inside a handler: another worker has it now
    └── UnknownKind               no handler is registered for it
"""

from __future__ import annotations

from common.errors import Conflict, EveError
from common.sentences import gettext_lazy as _


class OperationRunning(Conflict):
    """Another change of the same target is under way."""

    code = "operation_running"
    title = _("Another change is under way")
    retryable = True


class OperationInterrupted(Conflict):
    """The process that worked on it was killed."""

    code = "operation_interrupted"
    title = _("Eve was interrupted")


class OperationExpired(Conflict):
    """It waited so long that doing it now might surprise."""

    code = "operation_expired"
    title = _("Not begun in time")
    retryable = True


class UnknownKind(EveError):
    """This process does not know how to do it."""

    code = "operation_unknown"
    title = _("Eve does not know how to do this")


class CannotCancel(Conflict):
    """It is over, or cannot stop half-way."""

    code = "operation_not_cancellable"
    title = _("This cannot be cancelled")


class IdempotencyMismatch(EveError):
    """The same key came with another request."""

    status = 422
    code = "idempotency_mismatch"
    title = _("The key was used for something else")


class OperationCancelled(EveError):
    """Somebody asked for its end; its handler stops at the border of a step."""

    code = "operation_cancelled"
    title = _("Cancelled")


class OperationLost(EveError):
    """Its lease ran out and another worker has it now; this one keeps its hands off."""

    code = "operation_lost"
    title = _("Another worker has it now")
