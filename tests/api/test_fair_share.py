"""Users share the threads that judge candles: each waits for a thread, never behind another one's queue."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from api.fair_share import FairShare
from api.http.problems import ProblemError


class Work:
    """Pieces of work that end when they are told to, and the order in which they began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._gate = threading.Semaphore(0)

    def piece(self, name: str) -> Callable[[], str]:
        def work() -> str:
            self.begun.append(name)
            self._gate.acquire()
            return name

        return work

    def finish(self, count: int = 1) -> None:
        """Let that many pieces end."""
        self._gate.release(count)


async def begun(work: Work, count: int) -> list[str]:
    """What has begun, once that many pieces have."""
    async with asyncio.timeout(30):
        while len(work.begun) < count:
            await asyncio.sleep(0.001)
    return work.begun


async def settle() -> None:
    """Let everything that can happen on the loop happen."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_queues_take_turns() -> None:
    share, work = FairShare(2, waiting_per_user=10, waiting=100), Work()
    tasks = [asyncio.create_task(share.run("ann", work.piece(f"ann {number}"))) for number in range(4)]
    await settle()
    # The other thread is for others, even while nobody else wants it.
    assert (await begun(work, 1), share.waiting) == (["ann 0"], 3)
    for user in ("bob", "cat", "cat"):
        tasks.append(asyncio.create_task(share.run(user, work.piece(user))))
        await settle()
    assert (await begun(work, 2), share.waiting) == (["ann 0", "bob"], 5)
    for ended in range(1, 6):
        work.finish()
        await begun(work, 2 + ended)
    work.finish(2)
    assert await asyncio.gather(*tasks) == ["ann 0", "ann 1", "ann 2", "ann 3", "bob", "cat", "cat"]
    # Nobody gets a second turn before everybody who waits has had one.
    assert work.begun[:4].count("cat") == 1
    assert work.begun.index("ann 2") > work.begun.index("cat")
    assert share.waiting == 0
    share.shutdown()


async def test_queues_are_bounded() -> None:
    share, work = FairShare(1, waiting_per_user=2, waiting=3), Work()
    tasks = [asyncio.create_task(share.run(user, work.piece(user))) for user in ("ann", "ann", "ann", "bob")]
    await begun(work, 1)
    await settle()
    with pytest.raises(ProblemError, match="2 of your requests that judge candles are waiting") as refused:
        await share.run("ann", work.piece("ann"))
    assert (refused.value.status_code, refused.value.kind) == (429, "too-many-waiting")
    assert int((refused.value.headers or {})["Retry-After"]) >= 1
    with pytest.raises(ProblemError, match="3 requests that judge candles are waiting") as busy:
        share.check_room("cat")
    assert (busy.value.status_code, busy.value.kind) == (503, "busy")
    work.finish(4)
    await asyncio.gather(*tasks)
    share.check_room("ann")
    share.shutdown()


async def test_whoever_stops_waiting_loses_the_place() -> None:
    share, work = FairShare(1, waiting_per_user=2, waiting=3), Work()
    tasks = [asyncio.create_task(share.run(user, work.piece(user))) for user in ("ann", "bob", "cat")]
    await begun(work, 1)
    await settle()
    tasks[1].cancel()
    await settle()
    assert share.waiting == 1
    # Work in a thread goes on, and keeps the thread, when nobody waits for it any more.
    tasks[0].cancel()
    await settle()
    assert work.begun == ["ann"]
    work.finish(2)
    assert await tasks[2] == "cat"
    assert work.begun == ["ann", "cat"]
    share.shutdown()


async def test_failing_work_frees_its_thread() -> None:
    share = FairShare(1, waiting_per_user=2, waiting=3)

    def fail() -> None:
        raise ValueError("it is broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="it is broken"):
            await share.run("ann", fail)
    assert await share.run("bob", lambda: 1) == 1
    share.shutdown()
