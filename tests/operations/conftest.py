"""Fixtures of the tests of operations."""

from __future__ import annotations

import pytest

from operations import handlers
from operations.models import Operation


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Kinds of operations for tests, and what their handlers were given: ``test.do`` may be repeated, ``test.once`` not."""
    done: list[Operation] = []
    monkeypatch.setattr(handlers, "_handlers", dict(handlers._handlers))
    handlers.register("test.do", is_idempotent=True)(done.append)
    handlers.register("test.once")(done.append)
    return done
