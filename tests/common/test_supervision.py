"""A loop that fails is logged, counted, and begins again; nobody sleeps here."""

import asyncio
import sqlite3
import threading

import pytest

from common.supervision import Loops, Pauses


class Time:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Stop(threading.Event):
    """Notes for how long it is waited for, and lets that time pass; set after a number of waits."""

    def __init__(self, time: Time, waits: int) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._time, self._waits = time, waits

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self._time.now_s += timeout
        if len(self.pauses) == self._waits:
            self.set()
        return self.is_set()


def supervised(waits: int) -> tuple[Loops, Time, Stop]:
    time = Time()
    return Loops(Pauses(1.0, 8.0, calm_s=60.0), monotonic=time), time, Stop(time, waits)


def test_it_begins_again_after_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    loops, _, stop = supervised(6)
    runs: list[int] = []

    def work() -> None:
        runs.append(len(runs))
        raise sqlite3.OperationalError("database or disk is full")

    loops.loop("taker").run(work, stop)
    assert stop.pauses == [1, 2, 4, 8, 8, 8]
    assert len(runs) == 6
    assert loops.loop("taker").restarts == 5
    assert "taker ended because of OperationalError at test_supervision.py:" in caplog.text
    assert "database or disk is full" in caplog.text


def test_after_a_calm_time_pauses_are_short_again() -> None:
    loops, time, stop = supervised(5)
    lasts = iter([0.0, 0.0, 0.0, 61.0, 0.0])

    def work() -> None:
        time.now_s += next(lasts)
        raise KeyError

    loops.loop("taker").run(work, stop)
    assert stop.pauses == [1, 2, 4, 1, 2]


@pytest.mark.parametrize("failure", [RuntimeError("no"), SystemExit(0), None], ids=["error", "exit", "return"])
def test_whatever_ends_it_is_said(failure: BaseException | None) -> None:
    loops, _, stop = supervised(2)
    problems: list[list[str]] = []

    def work() -> None:
        problems.append(loops.problems())
        if failure is not None:
            raise failure

    loops.loop("taker").run(work, stop)
    assert problems[0] == []
    (problem,) = problems[1]
    assert problem.startswith("taker failed and began again 1 times, last because of ")
    assert (type(failure).__name__ if failure else "an end that nobody asked for") in problem


def test_it_is_up_again_once_it_has_run_for_a_moment() -> None:
    loops, time, stop = supervised(2)
    loop = loops.loop("taker")
    seen: list[bool] = []

    def work() -> None:
        seen.append(loop.is_up)
        if len(seen) == 2:
            time.now_s += 4.9
            seen.append(loop.is_up)
            time.now_s += 0.2
            seen.append(loop.is_up)
            stop.set()
            return
        raise RuntimeError

    assert loop.is_up
    loop.run(work, stop)
    assert seen == [True, False, False, True]
    assert loop.is_up, "one that was stopped on purpose is no problem"
    assert loops.problems() == []


def test_an_end_that_was_asked_for_is_none() -> None:
    loops, _, stop = supervised(1)
    loops.start("taker", stop.set, stop).join()
    assert (stop.pauses, loops.loop("taker").restarts, loops.problems()) == ([], 0, [])


def test_what_it_says_names_no_text_of_strangers() -> None:
    loops, _, stop = supervised(2)
    problems: list[str] = []

    def work() -> None:
        problems.extend(loops.problems())
        raise ValueError("api_key=hunter2")

    loops.loop("taker").run(work, stop)
    assert "ValueError" in problems[0]
    assert "hunter2" not in problems[0]


async def test_a_task_whose_work_was_cancelled_by_nobody_begins_again() -> None:
    loops, time, _ = supervised(1)
    loop = loops.loop("feed")
    going = asyncio.Event()

    async def work() -> None:
        if not loop.restarts:
            lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            lost.cancel()
            await lost
        going.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(loop.run_task(work, time.sleep))
    await going.wait()
    assert (loop.restarts, loop.is_up) == (1, False)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_begins_again_and_ends_when_it_is_cancelled() -> None:
    loops, time, _ = supervised(1)
    loop = loops.loop("feed")
    runs: list[float] = []
    going = asyncio.Event()

    async def work() -> None:
        runs.append(time.now_s)
        if len(runs) < 4:
            raise ValueError
        going.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(loop.run_task(work, time.sleep))
    await going.wait()
    assert runs == [0, 1, 3, 7]
    assert loop.restarts == 3
    assert not loop.is_up
    time.now_s += 5
    assert loop.is_up
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loops.problems() == []
