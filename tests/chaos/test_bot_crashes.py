"""The process that runs bots dies at any step, again and again, and the outcome is that of one that never died."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from common.clock import ReplayClock
from common.timeframes import to_ms
from registry.store.files.file_store import FileStore
from registry.store.parts.bots import HISTORY_SCHEMAS
from tests.bots.executor.configurations import OF_KIND
from tests.bots.executor.lab import Lab
from tests.chaos import roles
from tests.chaos.hub import Hub
from tests.chaos.processes import EFFORT
from tests.events.log.memory_log import MemoryLog

NewHub = Callable[..., Hub]
Outcome = dict[str, Any]
STEPS = (
    "before_inbox", "after_inbox", "before_mark", "before_bots_record", "before_bots_commit", "after_bots_commit",
    "after_bots_record",
)  # fmt: skip
ONCE = ("before_inbox", "after_inbox", "before_mark")
"""Steps that a process passes once in this scene, as everything has fired when it begins."""
START, END = datetime(2024, 8, 4, tzinfo=UTC), datetime(2024, 8, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def bots(tmp_path_factory: pytest.TempPathFactory, sample: pl.DataFrame) -> Path:
    """A store with a bot of each kind, before any of them has acted, and what fired in three days around the crash."""
    folder = tmp_path_factory.mktemp("bots")
    candles = sample.filter((pl.col("symbol") == "BTCUSDT") & pl.col("open_time").is_between(START, END, closed="left"))
    clock = ReplayClock(to_ms(START))
    with FileStore(folder / "store", clock=clock) as store:
        lab = Lab(store, MemoryLog(), clock, folder)  # type: ignore[arg-type]
        store.candles.upsert(candles.head(2))
        for kind, bot_config in OF_KIND.items():
            lab.create(bot_config, kind, bot_id=kind)
        lab.arrive(candles, "1h")
    return folder / "store"


@pytest.fixture(scope="module")
def calm(bots: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What bots do whose process never dies."""
    import random

    hub = Hub(tmp_path_factory.mktemp("calm"), bots, random.Random(1))
    try:
        hub.start(roles.run_bots, store=hub.store, url=hub.server.url, folder=hub.store.parent).finish()
    finally:
        hub.close()
    return outcome(hub.store)


def outcome(folder: Path) -> Outcome:
    """Everything that bots did, and how they stand."""
    with FileStore(folder) as store:
        numbers = [bot.number for bot in store.bots.bots_of("ann")]
        states = store.bots.states(numbers).drop("revision", "candle_at", "price")
        rows = {
            (number, kind): store.bots.history(number, kind, 100_000).drop("entry").rows()
            for number in numbers
            for kind in HISTORY_SCHEMAS
        }
    # What is recorded of the last candles depends on when it was, the rest of it does not.
    return {"done": rows, "stand": states.drop("state", "account").rows()}


@pytest.mark.parametrize("step", STEPS)
def test_bots_whose_process_dies_do_the_same(step: str, new_hub: NewHub, bots: Path, calm: Outcome) -> None:
    """F24: the process that runs bots dies at one step again and again; the outcome is that of one that never dies."""
    hub = new_hub(template=bots)
    arguments = {"store": hub.store, "url": hub.server.url, "folder": hub.store.parent}
    # Of a delivery on which a process has died five times, the sixth gives up: docs/events.md.
    for _ in range(min(4, 2 * EFFORT) if step in ONCE else 2 * min(EFFORT, 7)):
        nth = 1 if step in ONCE else hub.dice.randint(1, 3)
        if hub.crash_or_finish(step, hub.start(roles.run_bots, **arguments, failpoint=f"{step}:{nth}")):
            break
    assert hub.crashes[step] >= 1
    hub.start(roles.run_bots, **arguments).finish()
    assert outcome(hub.store) == calm


def test_there_is_something_to_lose(calm: Outcome) -> None:
    """Each kind of bot has placed orders, so that the cases above can fail."""
    counts = {key: len(rows) for key, rows in calm["done"].items()}
    assert all(counts[number, "actions"] and counts[number, "orders"] for number, _ in counts)
    assert sum(count for (_, kind), count in counts.items() if kind == "fills") > 10
