"""What may go wrong with operations.

::

    EveError
    ├── Conflict
    │   ├── OperationRunning      another change of the same target is under way
    │   ├── OperationInterrupted  its worker was killed, and it is not safe to do it twice
    │   └── OperationExpired      no worker began it in time
    └── UnknownKind               no handler is registered for it
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, EveError


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
