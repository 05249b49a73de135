"""Ticks in shards: the same instruments judged whole, and in 1, 2 and 4 shards by as many processes on one Postgres.

``python -m benchmarks.shards postgresql://…`` with an empty database; it is no section of the page of benchmarks, as a
server is not there on every machine. All processes and the server share the cores of this machine. A process does tick
after tick without waiting for a close or for the others.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.peers.process import ROOT
from common.clock import ReplayClock
from common.settings import load_settings
from common.timeframes import DURATION_MS, from_ms
from events.opening import open_log
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.shard_balance import balanced, work_of
from registry.shards import BUCKETS, Shard, ShardLayout
from registry.store import open_store
from registry.store.protocol import Store

_STEP_MS = DURATION_MS["1m"]
_START_MS = 1_722_816_000_000
_HISTORY, _WARM, _AT_ONCE = 60, 2, 100
_ROUNDS = (0, 1, 2, 4)
"""Shards; 0 stands for a worker that judges all instruments without shards."""


@dataclass(frozen=True)
class Size:
    """How much there is to do."""

    symbols: int
    conditions: int
    """For each symbol."""
    ticks: int
    """In each round."""


@dataclass(frozen=True)
class Work:
    """What one process is to do."""

    url: str
    folder: str
    shards: int
    number: int
    from_ms: int
    ticks: int


def main() -> None:
    """Measure all rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--conditions", type=int, default=20)
    parser.add_argument("--ticks", type=int, default=20)
    asked = parser.parse_args()
    size = Size(asked.symbols, asked.conditions, asked.ticks)
    with open_store(asked.url) as store:
        _fill(store, size)
    judged = size.symbols * size.conditions * size.ticks
    print(f"{size.symbols:,} series with {size.conditions} conditions each, {size.ticks} ticks of 1m")
    print("shards | conditions judged/s | wall ms/tick | CPU ms/tick of the workers")
    with tempfile.TemporaryDirectory() as folder:
        for place, shards in enumerate(_ROUNDS):
            from_ms_ = _START_MS + place * (size.ticks + _WARM) * _STEP_MS
            works = [Work(asked.url, folder, shards, number, from_ms_, size.ticks) for number in range(max(1, shards))]
            wall_s, cpu_s = _measure(works)
            print(
                f"{shards or 'none'} | {judged / wall_s:,.0f} | {wall_s / size.ticks * 1000:.0f} | "
                f"{cpu_s / size.ticks * 1000:.0f}",
                flush=True,
            )


def _fill(store: Store, size: Size) -> None:
    minutes = _HISTORY + len(_ROUNDS) * (size.ticks + _WARM)
    dice = np.random.default_rng(1)
    opens = _START_MS + _STEP_MS * (np.arange(minutes) - _HISTORY)
    for first in range(0, size.symbols, _AT_ONCE):
        symbols = range(first, min(first + _AT_ONCE, size.symbols))
        close = 100 * np.exp(np.cumsum(dice.normal(0, 0.002, (len(symbols), minutes)), axis=1)).ravel()
        frame = pl.DataFrame(
            {
                "exchange": "BINANCE",
                "symbol": np.repeat([f"C{number}USDT" for number in symbols], minutes),
                "timeframe": "1m",
                "open_time": np.tile(opens, len(symbols)),
                "open": close,
                "high": close * 1.001,
                "low": close * 0.999,
                "close": close,
                "volume": 1.0,
            }
        )
        store.candles.upsert(frame.with_columns(pl.from_epoch("open_time", time_unit="ms").dt.replace_time_zone("UTC")))
        conditions = [
            Condition.parse(f"C{number}USDT 1m: rsi(14) crosses_below {10 + 40 * each / size.conditions}")
            for number in symbols
            for each in range(size.conditions)
        ]
        store.registry.register(conditions, active_from_ms=_START_MS)


def _measure(works: Sequence[Work]) -> tuple[float, float]:
    """Seconds until the last process has done its work, and of CPU of all of them."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.shards", "--work", json.dumps(asdict(work))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for work in works
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    began = time.perf_counter()
    _tell(processes)
    cpu_s = 0.0
    for process in processes:
        assert process.stdout is not None
        cpu_s += float(process.stdout.readline())
    wall_s = time.perf_counter() - began
    _tell(processes)
    for process in processes:
        assert process.wait() == 0
    return wall_s, cpu_s


def _tell(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def work(task: Work) -> None:
    """Make states warm, wait to be told, and judge."""
    clock = ReplayClock(task.from_ms)
    with open_store(task.url, clock=clock) as store, open_log(load_settings(data_dir=Path(task.folder))) as log:
        runtime, shard = Runtime(store, log, clock), _shard(store, task)
        for tick in range(1, _WARM + 1):
            asyncio.run(advance(runtime, "1m", task.from_ms + tick * _STEP_MS, shard=shard))
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.process_time()
        for tick in range(_WARM + 1, _WARM + task.ticks + 1):
            done = asyncio.run(advance(runtime, "1m", task.from_ms + tick * _STEP_MS, shard=shard))
            assert done.ticks == 1, f"{done.ticks} ticks at {from_ms(done.tick_ms)}"
        print(time.process_time() - began, flush=True)
        # The first one to end stops the event log's server.
        sys.stdin.readline()


def _shard(store: Store, task: Work) -> Shard | None:
    if not task.shards:
        return None
    shard_of = balanced((0,) * BUCKETS, task.shards, work_of(store.registry.wanted_groups()))
    return ShardLayout(1, 0, task.shards, shard_of).shard(task.number)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(Work(**json.loads(sys.argv[2])))
    else:
        main()
