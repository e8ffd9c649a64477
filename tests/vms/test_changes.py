"""What a page missed between its making and its listening."""

from __future__ import annotations

import asyncio
import time

import pytest

from common import hearing
from vms import changes as module
from vms.changes import Changes, changes
from vms.live import tell

MESSAGE = {"type": "drift"}


async def hearing_changes() -> Changes:
    """Those of this loop, once they are heard of."""
    found = changes()
    found.begin()
    await until(lambda: found._hearing.is_on)
    return found


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  (it sets no event)
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all clocks were one."""
    monkeypatch.setattr(module, "SLACK_SECONDS", 0.0)


async def test_what_was_told_since_and_to_whom() -> None:
    heard = await hearing_changes()
    before = time.time()
    assert not heard.may_have_missed(["live.project.1"], since=before)
    await asyncio.to_thread(tell, ["live.project.1", "live.site.1"], MESSAGE)
    await until(lambda: "live.site.1" in heard._told)
    after = time.time() + 0.001
    assert heard.may_have_missed(["live.user.1", "live.project.1"], since=before)
    assert not heard.may_have_missed(["live.user.1", "live.project.2"], since=before)
    assert not heard.may_have_missed(["live.project.1"], since=after)


async def test_who_cannot_know_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert changes().may_have_missed([], since=time.time()), "nothing was heard yet"
    heard = await hearing_changes()
    assert heard.may_have_missed([], since=time.time() - 1), "nobody listened then"
    now = time.time()
    assert not heard.may_have_missed([], since=now)
    monkeypatch.setattr(module, "KEPT_SECONDS", -1.0)
    assert heard.may_have_missed([], since=now), "that long is not remembered"


async def test_what_is_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = await hearing_changes()
    await asyncio.to_thread(tell, ["live.project.1"], MESSAGE)
    await until(lambda: "live.project.1" in heard._told)
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.05)
    await asyncio.sleep(0.1)
    await asyncio.to_thread(tell, ["live.project.2"], MESSAGE)
    await until(lambda: "live.project.2" in heard._told)
    assert list(heard._told) == ["live.project.2"]


async def test_a_break_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "LISTEN_AGAIN_SECONDS", 0.01)
    heard = await hearing_changes()
    before = time.time()
    assert heard._hearing._task is not None
    heard._hearing._task.cancel()
    await until(lambda: not heard._hearing.is_on)
    assert heard.may_have_missed([], since=before)
    await until(lambda: heard._hearing.is_on)
    assert heard.may_have_missed([], since=before)
