"""What the benchmarks' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.relay.processes import StubPorts, running_stub


@pytest.fixture
def stub() -> Iterator[StubPorts]:
    """A stub console in a process of its own."""
    with running_stub() as ports:
        yield ports
