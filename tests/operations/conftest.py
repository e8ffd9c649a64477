"""Fixtures of the tests of operations."""

from __future__ import annotations

import pytest

from operations import handlers
from operations.models import Operation
from operations.run import OperationRun


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Kinds of operations for tests, and what their handlers were given: ``test.do`` may be repeated, ``test.once`` not."""
    done: list[Operation] = []
    monkeypatch.setattr(handlers, "_tasks", dict(handlers._tasks))

    def do(run: OperationRun) -> None:
        done.append(run.operation)

    handlers.register("test.do", is_idempotent=True)(do)
    handlers.register("test.once")(do)
    return done
