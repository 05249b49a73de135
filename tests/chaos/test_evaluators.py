"""F12, F13, F17 and F19: several evaluators, long downtimes, jumping clocks."""

import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from common.errors import StoreLocked
from registry.store.files.file_store import FileStore
from tests.chaos import scene
from tests.chaos.hub import Hub
from tests.chaos.processes import CRASHED, EFFORT
from tests.waiting import wait_for

NewHub = Callable[..., Hub]


def test_a_second_owner_is_refused_and_harms_nothing(new_hub: NewHub, tmp_path: Path) -> None:
    """F12: a second owner of the files is refused, and told who has them."""
    hub, pause = new_hub(), tmp_path / "pause"
    first = hub.evaluate(20, failpoint=f"before_commit:3:pause={pause}")
    wait_for(pause.exists, "the first one to be at work")
    with pytest.raises(StoreLocked, match=str(first.pid)):
        FileStore(hub.store)
    assert hub.evaluate(20).wait() == 1
    pause.unlink()
    first.finish()
    hub.rest().check(20)


def test_evaluators_and_their_owner_are_killed(new_hub: NewHub) -> None:
    """F12: two evaluators judge the same over HTTP; they and the owner are killed."""
    hub = new_hub()
    ticks = min(40 * EFFORT, 240)
    owner, workers = hub.own(), [hub.work(ticks), hub.work(ticks)]
    for _ in range(5 * EFFORT):
        time.sleep(hub.dice.uniform(0.1, 0.8))
        victim = hub.dice.randrange(3)
        if victim == 2:
            hub.faults["owner killed"] += owner.kill()
            owner = hub.own()
        elif workers[victim].kill():
            hub.faults["evaluator killed"] += 1
            workers[victim] = hub.work(ticks)
    for worker in workers:
        if worker.wait() == CRASHED:
            hub.work(ticks).finish()
    hub.work(ticks).finish()
    wait_for(hub.is_published, "the owner to publish what the killed evaluators had not")
    owner.kill()
    hub.rest().check(ticks)


def test_the_same_ticks_by_twenty_runs_at_once(new_hub: NewHub) -> None:
    """F13: the same ticks by twenty runs at once, in four processes."""
    hub = new_hub()
    owner = hub.own()
    ticks = min(10 * EFFORT, 100)
    for worker in [hub.work(ticks, runs=5) for _ in range(4)]:
        worker.finish()
    wait_for(hub.is_published, "all to be published")
    owner.kill()
    hub.rest().check(ticks)


@pytest.mark.parametrize("missed", [1, 10, 100 if EFFORT == 1 else 1_000])
def test_what_was_missed_is_judged_in_order_and_said_to_be_late(missed: int, new_hub: NewHub) -> None:
    """F17: downtime of 1, 10 and 1,000 candles."""
    hub = new_hub()
    hub.evaluate(10).finish()
    hub.evaluate(10 + missed, at_once=True).finish()
    rest = hub.rest()
    rest.check(10 + missed)
    late = rest.triggers.filter("late")["close_time"].dt.epoch("ms")
    closes = rest.triggers["close_time"].dt.epoch("ms")
    # The hole is judged with the tick after it; that alone makes it late.
    missed_closes = closes.filter(closes.is_between(scene.close_of(11), scene.close_of(9 + missed)))
    assert missed == 1 or missed_closes.len() > 0
    assert set(missed_closes) <= set(late)
    assert scene.close_of(10 + missed) not in set(late)
    assert rest.ticks.filter(pl.col("close_time").dt.epoch("ms") == scene.close_of(10 + missed)).height == 1


def test_a_clock_that_jumps_changes_no_verdict(new_hub: NewHub) -> None:
    """F19: the clock is set back and forth by an hour between any two looks."""
    hub = new_hub()
    for tick in range(10, 10 + 30 * min(EFFORT, 5), 10):
        hub.evaluate(tick, restless=hub.dice.randrange(1_000_000)).finish()
        hub.faults["clock set back and forth"] += 1
    hub.evaluate(tick).finish()
    # A group that waits for the clock falls behind the others.
    hub.rest().check(tick, apart=True)
