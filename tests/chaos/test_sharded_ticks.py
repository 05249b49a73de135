"""Two workers on one Postgres: killed, with clocks that differ, while shards are moved and made."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pytest

from flows.sharding import lay_out
from registry.shards import ShardLayout, bucket_of
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.protocol import SharedStore, Store
from tests.chaos import scene
from tests.chaos.checks import Rest
from tests.chaos.processes import EFFORT, Process
from tests.chaos.roles import judge
from tests.chaos.servers import LogServer
from tests.chaos.shard_worker import FasterClock, judge_shards
from tests.events.log.memory_log import MemoryLog
from tests.postgres_server import PostgresServer, postgres_server
from tests.waiting import wait_for

TICKS = 50 if EFFORT == 1 else 288
KILLED_EVERY, AWAY = 20, 8
"""Ticks from one kill to the next, and how long there is one worker less."""
SPEED = 600.0
"""A tick of five minutes takes half a second."""
DIFFERENCE_MS = 2_000
PATIENCE_S = 150.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


class Feeding(threading.Thread):
    """Stores the candles of each tick a little after its close, each at a time of its own."""

    def __init__(self, store: Store, clock: FasterClock, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self._store, self._clock, self._dice = store, clock, dice
        self.tick = 0

    def run(self) -> None:
        candles = scene.candles()
        opens = pl.col("open_time").dt.epoch("ms")
        for tick in range(1, TICKS + 1):
            rows = candles.filter(opens == scene.close_of(tick - 1))
            for row in rows.sample(fraction=1.0, shuffle=True, seed=tick).iter_slices(1):
                due_ms = scene.close_of(tick) + self._dice.randrange(30_000)
                while self._clock.now_ms() < due_ms:
                    time.sleep(0.005)
                self._store.candles.upsert(row)
            self.tick = tick


def test_shards_on_two_workers_fire_what_one_machine_fires(
    postgres: PostgresServer, tmp_path: Path, dice: random.Random
) -> None:
    """F24: a worker is killed every 20 ticks, clocks differ by two seconds, and a shard is moved in between."""
    url, server = postgres.url_of(tmp_path), LogServer(tmp_path / "server")
    with ExitStack() as stack:
        stack.callback(server.stop)
        store = stack.enter_context(open_store(url))
        assert isinstance(store, SharedStore)
        store.candles.upsert(scene.candles().filter(pl.col("open_time").dt.epoch("ms") < scene.START_MS))
        scene.register(store)
        assert lay_out(store, 2, scene.START_MS) is not None
        clock = FasterClock(time.monotonic_ns(), scene.START_MS - 10 * scene.STEP_MS, SPEED)
        clocks = [FasterClock(clock.began_ns, clock.start_ms, SPEED, ahead_ms) for ahead_ms in (0, DIFFERENCE_MS)]

        def work(number: int) -> Process:
            where = {"store": url, "url": server.url, "folder": tmp_path / f"worker{number}"}
            return Process(judge_shards, {**where, "clock": clocks[number], "ticks": TICKS})

        workers = [work(0), work(1)]
        stack.callback(lambda: [worker.kill() for worker in workers])
        feeding = Feeding(store, clock, dice)
        feeding.start()
        kills = 0
        for killed_at in range(8, TICKS - AWAY, KILLED_EVERY):
            wait_for(lambda at=killed_at: feeding.tick >= at, f"tick {killed_at}", PATIENCE_S)  # type: ignore[misc]
            number = dice.randrange(2)
            kills += workers[number].kill()
            if killed_at == 8:
                _move_bitcoin(store, killed_at + 3)
            else:
                lay_out(store, 2 + kills % 3, scene.close_of(killed_at))
            wait_for(lambda at=killed_at: _judged(store) > at, "the other one to judge everything", PATIENCE_S)  # type: ignore[misc]
            wait_for(lambda at=killed_at: feeding.tick >= at + AWAY, "time to pass", PATIENCE_S)  # type: ignore[misc]
            workers[number] = work(number)
        for worker in workers:
            worker.finish()
        feeding.join()
        assert kills == len(range(8, TICKS - AWAY, KILLED_EVERY))
        rest = Rest.read(store, server.log())
        rest.check(TICKS, apart=True)
        assert _comparable(rest.triggers).equals(_comparable(_of_one_machine(tmp_path / "alone")))
        newest = store.shards.newest_layout()
        assert newest is not None
        assert newest.number > 1


def _move_bitcoin(store: SharedStore, tick: int) -> None:
    """Give the instrument with the most to do to the other shard."""
    before = store.shards.newest_layout()
    assert before is not None
    bucket = bucket_of(scene.conditions()[0].series)
    shard_of = list(before.shard_of)
    shard_of[bucket] = 1 - shard_of[bucket]
    store.shards.lay_out(ShardLayout(before.number + 1, scene.close_of(tick), 2, tuple(shard_of)))


def _judged(store: Store) -> int:
    """The tick up to which every group is judged."""
    return scene.tick_of(min(store.ticks.watermarks("5m").values(), default=scene.START_MS))


def _of_one_machine(folder: Path) -> pl.DataFrame:
    scene.make_store(folder)
    with FileStore(folder) as store:
        judge(store, MemoryLog(store.identity()), TICKS)
        return store.triggers.after(0, 1_000_000)


def _comparable(triggers: pl.DataFrame) -> pl.DataFrame:
    """Everything that follows from the candles: all but its number, and when it was recorded."""
    return triggers.drop("seq", "emitted_at", "late").sort("close_time", "condition_id")
