"""Does the next operation in a process that is killed at its n-th border, whatever that is; ``tests.services.mortal`` runs it.

The borders are found by instrumenting what every handler goes through: before and after each request to an agent, each step's
beginning, and before the operation's end is written. How far a job is may be asked any number of times: that is no border. It says
what it would have done next and dies by SIGKILL; with fewer borders it comes to its end. To take something back, it has the
operation fail at its end, or as a step begins after which nothing is taken back any more, and counts the borders of the undo alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connections

from common.errors import Conflict
from common.problems import from_error
from hypervisors.client.core import Requests
from operations import worker
from operations.claims import operation_claim
from operations.run import OperationRun
from tests.services.mortal import Say


class Countdown:
    """To the border at which it dies; it may begin later."""

    def __init__(self, borders: int, *, has_begun: bool, say: Say) -> None:
        self.left = borders
        self.say = say
        self.has_begun = has_begun

    def __call__(self, name: str) -> None:
        if not self.has_begun:
            return
        self.left -= 1
        if self.left < 0:
            self.say(f"killed at {name}")
            os.kill(os.getpid(), signal.SIGKILL)


def instrument(border: Callable[[str], None], put: Callable[[Any, str, Any], None] = setattr) -> None:
    """Calls `border` with its name at each; what it wraps for that is put in its place by `put`."""

    def around(cls: Any, name: str) -> None:
        method = getattr(cls, name)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            if arguments[0] == "GET" and arguments[1].startswith("/jobs/"):
                return method(self, *arguments, **named)
            border(f"before {name} {arguments[:2]}")
            result = method(self, *arguments, **named)
            border(f"after {name} {arguments[:2]}")
            return result

        put(cls, name, call)

    around(Requests, "_send")
    around(OperationRun, "step")
    end = worker.operation_end

    def operation_end(**arguments: Any) -> bool:
        border("before the end is written")
        return end(**arguments)

    put(worker, "operation_end", operation_end)


def work_until(
    say: Say, borders: int, database: dict[str, str], changed: dict[str, Any], fails_at: str | None = None
) -> None:
    """Does it, with the test's database and what it has `changed` of the settings, up to there.

    Args:
        fails_at: where it is taken back: the name of the step at whose beginning it fails; empty: at its end.
    """
    connections["default"].settings_dict.update(database)
    for name, value in changed.items():
        setattr(settings, name, value)
    border = Countdown(borders, has_begun=fails_at is None, say=say)

    instrument(border)
    handle, begin_undo, step = worker._handle, worker.operation_begin_undo, OperationRun.step

    def fail(run: OperationRun) -> Any:
        problem = handle(run) or from_error(Conflict("Made to fail."))
        assert problem["detail"] == "Made to fail.", problem
        border.has_begun = True
        return problem

    def fail_at(run: OperationRun, name: str, *arguments: Any, **named: Any) -> None:
        if name == fails_at and not run.operation.is_undoing:
            raise Conflict("Made to fail.")
        step(run, name, *arguments, **named)

    def operation_begin_undo(**arguments: Any) -> bool:
        border("before the undo is written")
        return begin_undo(**arguments)

    if fails_at is not None:
        worker._handle, worker.operation_begin_undo = fail, operation_begin_undo
        run_class: Any = OperationRun
        run_class.step = fail_at
    operation = operation_claim(worker="mortal")
    assert operation is not None
    worker.operation_run(operation)
