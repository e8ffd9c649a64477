"""Lists go on where one thing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from eve_agent.driver.patience import PatientReader
from eve_agent.errors import LibvirtTimeout

Read = Callable[[], str]


@pytest.fixture
def answered() -> Iterator[threading.Event]:
    """Set, what hangs returns."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def reader() -> PatientReader[str]:
    return PatientReader(seconds=0.2, most_hanging=2)


def reads(*words: str, hanging: threading.Event | None = None) -> list[tuple[str, Read]]:
    """Each word is read as itself; one that begins with an h when `hanging` is set."""

    def read(word: str) -> str:
        if hanging is not None and word.startswith("h"):
            hanging.wait()
        return word

    return [(word, partial(read, word)) for word in words]


def test_everything_is_read_in_order_by_one_thread(reader: PatientReader[str]):
    threads = set()

    def read(number: int) -> str:
        threads.add(threading.get_ident())
        return str(number)

    items = [(number, partial(read, number)) for number in range(50)]
    assert list(reader.read_all(items)) == [str(number) for number in range(50)]
    assert len(threads) == 1


def test_nothing_is_no_reason_to_wait(reader: PatientReader[str]):
    assert list(reader.read_all([])) == []


def test_what_hangs_is_left_out_and_the_rest_read(reader: PatientReader[str], answered: threading.Event):
    items = reads("a", "hung", "b", "c", "hanging", hanging=answered)
    assert list(reader.read_all(items)) == ["a", None, "b", "c", None]


def test_what_still_hangs_is_not_waited_for_again(reader: PatientReader[str], answered: threading.Event):
    items = reads("a", "hung", "b", hanging=answered)
    assert list(reader.read_all(items)) == ["a", None, "b"]
    threads = threading.active_count()
    for _ in range(5):
        begun = time.monotonic()
        assert list(reader.read_all(items)) == ["a", None, "b"]
        assert time.monotonic() - begun < 0.2
    assert threading.active_count() <= threads


def test_what_answers_late_is_read_again(reader: PatientReader[str], answered: threading.Event):
    items = reads("hung", "b", hanging=answered)
    assert list(reader.read_all(items)) == [None, "b"]
    answered.set()
    end = time.monotonic() + 5
    while (found := list(reader.read_all(items))) != ["hung", "b"]:
        assert time.monotonic() < end, found


def test_too_much_that_hangs_is_refused(reader: PatientReader[str], answered: threading.Event):
    items = reads("h1", "h2", "h3", "a", hanging=answered)
    with pytest.raises(LibvirtTimeout, match="Too many"):
        list(reader.read_all(items))


def test_what_a_reading_raises_is_raised_and_ends_the_list(reader: PatientReader[str]):
    def fail() -> str:
        raise KeyError("gone")

    readings = reader.read_all([*reads("a"), ("b", fail), *reads("c")])
    assert next(readings) == "a"
    with pytest.raises(KeyError):
        next(readings)
