"""Typing at a made-up guest."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from eve_agent.driver.fake import FakeDriver
from eve_agent.errors import ActionRefused, DomainNotFound, DomainOff, LibvirtTimeout, TypingBusy
from eve_agent.service import typist as module
from eve_agent.service.typist import Typist
from eve_agent.wire.domain import DomainState
from eve_agent.wire.errors import ErrorCode
from eve_agent.wire.keyboard import KeyboardLayout
from eve_agent.wire.typing import MAX_CHARACTERS, TextToType, TypingState, TypingStatus

from tests.agent.driver.rig import until


@pytest.fixture
async def driver() -> AsyncIterator[FakeDriver]:
    made = FakeDriver(domains=0)
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def typist(driver: FakeDriver) -> AsyncIterator[Typist]:
    made = Typist(driver)
    yield made
    await made.close()


def text(words: str, **fields: object) -> TextToType:
    return TextToType(typing_id=uuid.uuid4(), text=words, **{"keys_per_second": 50, **fields})


async def ended(typist: Typist, guest: uuid.UUID) -> TypingStatus:
    await until(lambda: typist.status(guest).state is not TypingState.RUNNING, seconds=20)
    return typist.status(guest)


async def test_keys_arrive_in_order_and_at_their_pace(driver: FakeDriver, typist: Typist):
    guest = driver.define("guest")
    begun_at = time.monotonic()
    wanted = text("zA^\n", layout=KeyboardLayout.DE)

    begun = await typist.begin(guest, wanted)
    assert (begun.state, begun.total) == (TypingState.RUNNING, 4)
    assert begun.typed >= 1

    assert await ended(typist, guest) == TypingStatus(TypingState.DONE, wanted.typing_id, typed=4, total=4)
    assert list(driver.pressed[guest]) == [(21,), (42, 30), (41,), (57,), (28,)]
    assert time.monotonic() - begun_at >= 5 / 50


async def test_sent_twice_it_is_typed_once(driver: FakeDriver, typist: Typist):
    guest, wanted = driver.define("guest"), text("ab")
    await typist.begin(guest, wanted)
    await typist.begin(guest, wanted)
    await ended(typist, guest)
    assert (await typist.begin(guest, wanted)).state is TypingState.DONE
    assert list(driver.pressed[guest]) == [(30,), (48,)]


async def test_one_text_at_a_time_for_each_guest(driver: FakeDriver, typist: Typist):
    first, second = driver.define("first"), driver.define("second")
    await typist.begin(first, text("a" * 1000))
    with pytest.raises(TypingBusy):
        await typist.begin(first, text("b"))
    await typist.begin(second, text("b"))
    assert (await ended(typist, second)).state is TypingState.DONE
    stopped = await typist.cancel(first)
    assert stopped.state is TypingState.CANCELLED
    assert 1 <= stopped.typed < 1000
    typed = len(driver.pressed[first])
    await asyncio.sleep(0.1)
    assert len(driver.pressed[first]) == typed
    await typist.begin(first, text("b"))
    assert (await ended(typist, first)).state is TypingState.DONE


async def test_not_too_many_at_once(driver: FakeDriver, typist: Typist, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_AT_ONCE", 2)
    guests = [driver.define(f"guest-{number}") for number in range(3)]
    for guest in guests[:2]:
        await typist.begin(guest, text("a" * 1000))
    with pytest.raises(TypingBusy, match="too many"):
        await typist.begin(guests[2], text("a"))


async def test_a_guest_that_takes_no_keys_is_told_at_once(driver: FakeDriver, typist: Typist):
    off, paused = driver.define("off", state=DomainState.OFF), driver.define("paused", state=DomainState.PAUSED)
    for guest, error in ((off, DomainOff), (paused, ActionRefused), (uuid.uuid4(), DomainNotFound)):
        with pytest.raises(error):
            await typist.begin(guest, text("ls"))
        assert typist.status(guest) == TypingStatus(TypingState.UNKNOWN)
        assert (await typist.cancel(guest)).state is TypingState.UNKNOWN


async def test_it_ends_where_the_guest_ends(driver: FakeDriver, typist: Typist):
    guest = driver.define("guest")
    await typist.begin(guest, text("a" * 1000))
    driver.change(guest, state=DomainState.PAUSED)
    status = await ended(typist, guest)
    assert status.state is TypingState.FAILED
    assert status.problem is not None
    assert status.problem.code is ErrorCode.ACTION_REFUSED
    assert status.typed < 1000


async def test_a_host_that_fails_ends_it(driver: FakeDriver, typist: Typist):
    guest = driver.define("guest")
    await typist.begin(guest, text("a" * 1000))
    driver.fail_next(LibvirtTimeout("libvirt did not answer"))
    status = await ended(typist, guest)
    assert status.problem is not None
    assert status.problem.message == "libvirt did not answer"


@pytest.mark.parametrize("words", ["", "a" * (MAX_CHARACTERS + 1), "🙂", "\x1b", "\r"])
def test_what_cannot_be_typed(words: str):
    with pytest.raises(ValueError, match="text"):
        text(words)
    with pytest.raises(ValueError, match="keys_per_second"):
        text("a", keys_per_second=51)
    assert "secret" not in repr(text("secret"))
