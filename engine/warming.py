"""Makes a process ready to judge: all kernels compiled, or loaded from numba's cache.

``python -m engine.warming`` fills the cache. That takes four minutes of processor time once, spread over the available
processors; with a filled cache a process is ready in about two seconds.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import numpy as np
import polars as pl
from rich.console import Console

from common.candle_columns import VALUES
from common.console import ConsoleProgress
from engine.evaluate import Evaluator
from engine.plan import make_plan
from engine.scanning import scan
from indicators.catalogue import NAMES
from indicators.kernels import warming
from indicators.kernels.compiling import compiling
from indicators.kernels.tick_program import CANDLE_ROWS
from registry.conditions import Condition

_JUDGING = "judging"

WARMING_STEPS = (*NAMES, warming.LIVE, _JUDGING)
"""What :func:`warm` prepares, in this order."""

_MOST_PROCESSES = 4
"""Each needs half a gigabyte, and the tick program, which one of them compiles, takes a third of the time."""


def warm(step: Callable[[int], object]) -> None:
    """Compile or load all kernels; ``step`` is called with how many of ``WARMING_STEPS`` are done."""
    warming.warm(progress=lambda name: step(WARMING_STEPS.index(name)))
    step(WARMING_STEPS.index(_JUDGING))
    _warm_judging()
    step(len(WARMING_STEPS))


def _warm_judging() -> None:
    with compiling(_JUDGING):
        _judge_something()


def _judge_something() -> None:
    condition = Condition.parse("WARMUP 1m: close[1] + 1 > sma(2) for 2 bars")
    plan = make_plan([condition])
    evaluator, one = Evaluator(plan), np.ones(1, np.bool_)
    evaluator.step("1m", np.ones((len(CANDLE_ROWS), 1)), one, one)
    evaluator.judge(one, np.zeros(1, np.int64))
    evaluator.interrupt(0)
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(2)]
    candles = pl.DataFrame({"symbol": "WARMUP", "timeframe": "1m", "open_time": times} | dict.fromkeys(VALUES, 1.0))
    scan([condition], candles.with_columns(pl.col("open_time").dt.cast_time_unit("ms")))


def warm_shown() -> None:
    """:func:`warm`, showing the progress."""
    with ConsoleProgress(Console(stderr=True)) as progress:
        progress.begin("Prepare kernels", len(WARMING_STEPS))
        warm(progress.step)
        progress.end()


def main() -> None:
    """Fill the cache with several processes, showing the progress."""
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES)
    with (
        ConsoleProgress(Console(stderr=True)) as progress,
        ProcessPoolExecutor(processes, get_context("spawn")) as pool,
    ):
        progress.begin("Prepare kernels", len(WARMING_STEPS))
        # The longest job first.
        jobs = [pool.submit(_warm_live), *(pool.submit(_warm_history, name) for name in NAMES)]
        done = 0
        for job in as_completed(jobs):
            done += job.result()
            progress.step(done)
        progress.end()


def _warm_live() -> int:
    """Prepare the tick program and what builds on it; returns how many of ``WARMING_STEPS`` that is."""
    warming.warm_live()
    _warm_judging()
    return 2


def _warm_history(name: str) -> int:
    warming.warm_history(name)
    return 1


if __name__ == "__main__":
    main()
