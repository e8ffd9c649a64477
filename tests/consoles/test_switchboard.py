"""Who is told what, also after the channel layer was away."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from channels.layers import get_channel_layer

from common import hearing
from consoles import notices, switchboard


class Told:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def notice(self, notice: Mapping[str, Any]) -> None:
        self.heard.put_nowait(notice)

    async def next(self) -> Mapping[str, Any]:
        return await asyncio.wait_for(self.heard.get(), 5)


async def send(notice: dict[str, Any]) -> None:
    layer: Any = get_channel_layer()
    await layer.group_send(notices.GROUP, notice)


async def listening() -> switchboard.Switchboard:
    """The switchboard, once it hears."""
    board = switchboard.switchboard()
    async with asyncio.timeout(5):
        while not board.position.hearing:  # noqa: ASYNC110  (it sets no event)
            await asyncio.sleep(0.01)
    return board


async def test_each_is_told_of_its_topics_until_it_leaves() -> None:
    board, one, other = await listening(), Told(), Told()
    board.join(one, ["vm.1", "user.1"], since=board.position)
    board.join(other, ["vm.1", "user.2"], since=board.position)
    await send(notices.end_notice("user.2", 4001, "gone"))
    assert await other.next() == notices.end_notice("user.2", 4001, "gone")
    await send(notices.check_notice("vm.1"))
    assert (await one.next())["topic"] == (await other.next())["topic"] == "vm.1"
    board.leave(other, ["vm.1", "user.2"])
    await send(notices.check_notice("vm.1"))
    assert (await one.next())["topic"] == "vm.1"
    assert one.heard.empty()
    assert other.heard.empty()


@pytest.mark.parametrize("occasion", ["as it begins to hear", "of a topic"])
async def test_who_was_told_and_left_is_let_go(occasion: str) -> None:
    """A console would stay with all its buffers, until somebody else is told something."""
    one, board = Told(), switchboard.switchboard() if occasion == "as it begins to hear" else await listening()
    board.join(one, ["vm.1"], since=board.position)
    if occasion == "of a topic":
        await send(notices.check_notice("vm.1"))
    else:
        await one.next()  # that it joined before anything is heard
    await one.next()
    board.leave(one, ["vm.1"])
    left = weakref.ref(one)
    del one
    assert left() is None


async def test_after_the_channel_layer_was_away_everybody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "LISTEN_AGAIN_SECONDS", 0.01)
    layer: Any = get_channel_layer()
    receive, fails = layer.receive, [ConnectionError("Redis is away")]

    async def failing(channel: str) -> Any:
        if fails:
            raise fails.pop()
        return await receive(channel)

    monkeypatch.setattr(layer, "receive", failing)
    board, one = switchboard.switchboard(), Told()
    board.join(one, ["vm.1"], since=board.position)
    looks = ["before it hears", "when it hears", "when it hears again"]
    assert [(await one.next())["what"] for _ in looks] == [notices.CHECK] * 3
    await send(notices.check_notice("vm.1"))
    assert (await one.next())["topic"] == "vm.1"


async def test_the_group_is_joined_again_before_the_layer_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "JOIN_AGAIN_SECONDS", 0.02)
    layer: Any = get_channel_layer()
    board, one = await listening(), Told()
    board.join(one, ["vm.1"], since=board.position)
    for channel in list(layer.groups.get(notices.GROUP, {})) if hasattr(layer, "groups") else []:
        await layer.group_discard(notices.GROUP, channel)
    await asyncio.sleep(0.1)
    await send(notices.check_notice("vm.1"))
    assert (await one.next())["topic"] == "vm.1"


async def test_what_was_said_since_is_heard_and_nothing_else_makes_it_look() -> None:
    board, one = await listening(), Told()
    await send(notices.end_notice("vm.1", 4001, "before"))
    await heard(board, 1)
    since = board.position
    await send(notices.end_notice("vm.1", 4001, "since"))
    await send(notices.end_notice("vm.2", 4001, "of others"))
    await heard(board, 3)
    board.join(one, ["vm.1", "user.1"], since=since)
    assert (await one.next())["reason"] == "since"
    assert one.heard.empty()


async def test_who_may_have_missed_something_looks() -> None:
    deaf, one = switchboard.switchboard().position, Told()
    board = await listening()
    board.join(one, ["vm.1"], since=deaf)
    assert (await one.next())["what"] == notices.CHECK
    late, since = Told(), board.position
    for _ in range(switchboard.KEPT_NOTICES + 1):
        await send(notices.check_notice("vm.2"))
    await heard(board, switchboard.KEPT_NOTICES + 1)
    board.join(late, ["vm.1"], since=since)
    assert (await late.next())["what"] == notices.CHECK


async def heard(board: switchboard.Switchboard, count: int) -> None:
    """Waits until it has heard that many notices."""
    async with asyncio.timeout(5):
        while board.position.notices < count:  # noqa: ASYNC110  (it sets no event)
            await asyncio.sleep(0.01)
