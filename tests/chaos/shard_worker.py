"""A worker of shards, as a process of its own: what Prefect's runs do in a real one is done here at every close."""

import asyncio
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flows.runtime import Runtime
from flows.shard_keeper import ShardKeeper
from flows.sharding import shard_at
from flows.ticking import run_tick
from registry.store import open_store
from tests.chaos import scene
from tests.chaos.roles import open_log

LASTING_MS = 1_500
_RENEWED_S = 0.3


@dataclass(frozen=True)
class FasterClock:
    """A clock that runs faster than the system's from a moment on, and a little before or behind it."""

    began_ns: int
    """When it showed ``start_ms``, by the system's clock that never jumps."""
    start_ms: int
    speed: float
    ahead_ms: int = 0

    def now_ms(self) -> int:
        passed_ns = time.monotonic_ns() - self.began_ns
        return self.start_ms + self.ahead_ms + int(passed_ns * self.speed / 1_000_000)

    async def sleep_until(self, time_ms: int) -> None:
        while (left_ms := time_ms - self.now_ms()) > 0:
            await asyncio.sleep(left_ms / self.speed / 1000)


def judge_shards(*, store: str, url: str, folder: Path, clock: FasterClock, ticks: int) -> None:
    """Judge the shards that this process has, at every close up to a tick, until all are judged up to there."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    with open_store(store, clock=clock) as opened:
        runtime = Runtime(opened, open_log(url), clock, awaits_candles=True)
        with ShardKeeper(runtime, lasting_ms=LASTING_MS) as keeper:
            asyncio.run(_work(runtime, keeper, ticks))
        runtime.close()


async def _work(runtime: Runtime, keeper: ShardKeeper, ticks: int) -> None:
    renewing = asyncio.create_task(_keep_renewed(keeper))
    tick = 0
    while not _all_judged(runtime, ticks):
        tick = min(max(tick + 1, scene.tick_of(runtime.clock.now_ms())), ticks)
        await runtime.clock.sleep_until(scene.close_of(tick))
        runs = [asyncio.to_thread(_run, runtime, shard, scene.close_of(tick)) for shard in keeper.shards]
        await asyncio.gather(*runs, asyncio.sleep(0.05))
    renewing.cancel()


def _run(runtime: Runtime, number: int, close_ms: int) -> None:
    with runtime.turn("5m", number):
        shard = shard_at(runtime.store, number, close_ms)
        asyncio.run(run_tick(runtime, f"{number} {close_ms}", "5m", close_ms, shard=shard))


async def _keep_renewed(keeper: ShardKeeper) -> None:
    while True:
        await asyncio.to_thread(partial(keeper.renew))
        await asyncio.sleep(_RENEWED_S)


def _all_judged(runtime: Runtime, ticks: int) -> bool:
    marks = runtime.store.ticks.watermarks("5m")
    groups = {wanted.group for wanted in runtime.store.registry.wanted_groups()}
    return groups <= marks.keys() and min(marks.values()) >= scene.close_of(ticks)
