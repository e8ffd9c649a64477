"""Fixtures of the tests of operations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from operations import handlers
from operations.models import Operation


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Operation]]:
    """Kinds of operations for tests, and what their handlers were given: ``test.do`` may be repeated, ``test.once`` not."""
    done: list[Operation] = []
    monkeypatch.setattr(handlers, "_handlers", dict(handlers._handlers))
    handlers.register("test.do", is_idempotent=True)(done.append)
    handlers.register("test.once")(done.append)
    yield done
