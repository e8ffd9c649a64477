"""Does the next operation in a process that is killed at its n-th border, whatever that is.

``python -m tests.vms.mortal_worker N``, with the test's database and CA in ``EVE_MORTAL_DATABASE`` and ``EVE_CA_DIR``. The borders are
found by instrumenting what every handler goes through: before and after each request to an agent, each step's beginning, and
before the operation's end is written. It prints what it would have done next and dies by SIGKILL; with fewer borders it ends by itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django


def countdown(borders: int) -> Callable[[str], None]:
    left = borders

    def border(name: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.write(1, f"killed at {name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return border


def main() -> None:
    django.setup()
    from django.db import connections

    connections["default"].settings_dict.update(json.loads(os.environ["EVE_MORTAL_DATABASE"]))
    from hypervisors.client.core import Requests
    from operations import worker
    from operations.claims import operation_claim
    from operations.run import OperationRun

    border = countdown(int(sys.argv[1]))

    def around(cls: Any, name: str) -> None:
        method = getattr(cls, name)

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            border(f"before {name} {arguments[:2]}")
            result = method(self, *arguments, **named)
            border(f"after {name} {arguments[:2]}")
            return result

        setattr(cls, name, call)

    around(Requests, "_send")
    around(OperationRun, "step")
    end = worker.operation_end

    def operation_end(**arguments: Any) -> bool:
        border("before the end is written")
        return end(**arguments)

    worker.operation_end = operation_end
    operation = operation_claim(worker="mortal")
    assert operation is not None
    worker.operation_run(operation)


if __name__ == "__main__":
    main()
