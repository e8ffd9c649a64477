"""The pool of threads: deadlines, stuck calls, late results, and resources."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from eve_agent.driver.pool import CallPool, CallTimeout, PoolExhausted

from tests.agent.driver.rig import until


class Connection:
    """A thread's resource that can die."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.is_dead = False
        self.closed_by: threading.Thread | None = None

    def is_alive(self) -> bool:
        return not self.is_dead

    def close(self) -> None:
        self.closed_by = threading.current_thread()


class Opened:
    """Opens connections and remembers them."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.error: Exception | None = None

    def __call__(self) -> Connection:
        if self.error is not None:
            raise self.error
        self.connections.append(Connection())
        return self.connections[-1]


@pytest.fixture
def opened() -> Opened:
    return Opened()


@pytest.fixture
async def make_pool(opened: Opened):
    pools = []

    def make(**options: int) -> CallPool[Connection]:
        pools.append(CallPool(opened, name="test call", **options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


MakePool = Callable[..., CallPool[Connection]]


async def test_results_and_errors_come_back(make_pool: MakePool):
    pool = make_pool()

    def fail(_: Connection) -> None:
        raise LookupError("so it is")

    assert await pool.run(lambda _: 7, timeout_seconds=1) == 7
    with pytest.raises(LookupError, match="so it is"):
        await pool.run(fail, timeout_seconds=1)


async def test_no_more_threads_than_workers_and_each_on_its_own_connection(make_pool: MakePool, opened: Opened):
    pool = make_pool(workers=3)
    seen: list[tuple[threading.Thread, Connection]] = []

    def call(connection: Connection) -> None:
        seen.append((threading.current_thread(), connection))

    await asyncio.gather(*(pool.run(call, timeout_seconds=5) for _ in range(50)))

    assert len(opened.connections) <= 3
    assert all(thread is connection.thread for thread, connection in seen)


async def test_a_dead_connection_is_closed_and_replaced(make_pool: MakePool, opened: Opened):
    pool = make_pool(workers=1)
    first = await pool.run(lambda connection: connection, timeout_seconds=1)
    first.is_dead = True

    second = await pool.run(lambda connection: connection, timeout_seconds=1)

    assert second is not first
    assert first.closed_by is first.thread
    assert second.closed_by is None


async def test_what_opening_raises_goes_to_the_caller_and_is_tried_again(make_pool: MakePool, opened: Opened):
    pool = make_pool(workers=1)
    opened.error = ConnectionRefusedError("nobody there")
    with pytest.raises(ConnectionRefusedError):
        await pool.run(lambda _: 1, timeout_seconds=1)
    opened.error = None

    assert await pool.run(lambda _: 1, timeout_seconds=1) == 1


async def test_a_stuck_call_costs_one_thread_and_its_late_result_is_put_away(make_pool: MakePool, opened: Opened):
    pool = make_pool(workers=1)
    release = threading.Event()
    late: list[str] = []

    def hang(_: Connection) -> str:
        release.wait(10)
        return "late"

    with pytest.raises(CallTimeout):
        await pool.run(hang, timeout_seconds=0.05, tags=("sick",), discard=late.append)

    assert pool.stuck("sick") == pool.busy("sick") == 1
    assert await pool.run(lambda _: "others go on", timeout_seconds=1) == "others go on"
    release.set()
    await until(lambda: pool.stuck("sick") == 0)
    assert pool.busy("sick") == 0
    assert late == ["late"]
    await until(lambda: opened.connections[0].closed_by is opened.connections[0].thread)
    assert await pool.run(lambda _: 1, timeout_seconds=1) == 1


async def test_beyond_the_limit_of_stuck_calls_none_is_begun_until_one_returns(make_pool: MakePool):
    pool = make_pool(workers=2, max_stuck=3)
    release = threading.Event()
    for _ in range(3):
        with pytest.raises(CallTimeout):
            await pool.run(lambda _: release.wait(10), timeout_seconds=0.02)
    before = threading.active_count()

    for _ in range(20):
        with pytest.raises(PoolExhausted):
            await pool.run(lambda _: 1, timeout_seconds=1)
    assert threading.active_count() == before

    release.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await pool.run(lambda _: 1, timeout_seconds=1) == 1
            except PoolExhausted:
                await asyncio.sleep(0.01)
            else:
                break


async def test_what_waits_too_long_for_a_thread_is_never_begun(make_pool: MakePool):
    pool = make_pool(workers=1)
    release = threading.Event()
    begun: list[int] = []
    first = asyncio.create_task(pool.run(lambda _: release.wait(10), timeout_seconds=5))
    await asyncio.sleep(0.02)

    with pytest.raises(CallTimeout):
        await pool.run(begun.append, timeout_seconds=0.05, tags=("second",))  # type: ignore[arg-type]
    assert pool.stuck("second") == 0
    release.set()
    await first
    await until(lambda: pool.busy("second") == 0)
    assert begun == []


async def test_the_result_of_a_cancelled_call_is_put_away(make_pool: MakePool):
    pool = make_pool(workers=1)
    release = threading.Event()
    late: list[str] = []

    def slow(_: Connection) -> str:
        release.wait(10)
        return "late"

    call = asyncio.create_task(pool.run(slow, timeout_seconds=5, discard=late.append))
    await asyncio.sleep(0.02)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    release.set()

    await until(lambda: late == ["late"])
    assert await pool.run(lambda _: 1, timeout_seconds=1) == 1


async def test_closing_ends_the_threads_and_their_connections(make_pool: MakePool, opened: Opened):
    pool = make_pool(workers=2)
    await asyncio.gather(*(pool.run(lambda _: 1, timeout_seconds=1) for _ in range(10)))

    pool.close()

    await until(lambda: not any(connection.thread.is_alive() for connection in opened.connections))
    assert all(connection.closed_by is connection.thread for connection in opened.connections)
    with pytest.raises(PoolExhausted):
        await pool.run(lambda _: 1, timeout_seconds=1)
