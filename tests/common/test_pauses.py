"""Waiting for what goes on elsewhere."""

from __future__ import annotations

import itertools

import pytest

from common import pauses


def test_each_is_twice_as_long_as_the_one_before_up_to_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(pauses.time, "sleep", slept.append)
    waiting = pauses.Pauses()
    for _ in range(9):
        waiting.wait()

    assert slept[0] == 0.01
    assert all(after == min(2 * before, 0.5) for before, after in itertools.pairwise(slept))
    assert slept[-1] == 0.5
