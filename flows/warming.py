"""Makes a process ready to judge: all kernels compiled, or loaded from numba's cache.

``python -m flows.warming`` fills the cache, which takes a minute or two once; a process that finds it filled is ready
in about two seconds.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from rich.console import Console

from flows.evaluate import VALUES, Evaluator
from flows.history import scan
from flows.plan import make_plan
from flows.progress import ConsoleProgress
from indicators import warming
from indicators.catalogue import NAMES
from indicators.moving import CANDLE_ROWS
from registry.conditions import Condition

_JUDGING = "judging"

STEPS = (*NAMES, warming.LIVE, _JUDGING)
"""What :func:`warm` makes ready, in this order."""


def warm(step: Callable[[int], object]) -> None:
    """Compile or load; ``step`` is called with how many of ``STEPS`` are done."""
    warming.warm(progress=lambda name: step(STEPS.index(name)))
    step(STEPS.index(_JUDGING))
    condition = Condition.parse("WARMUP 1m: close[1] + 1 > sma(2) for 2 bars")
    plan = make_plan([condition])
    evaluator, one = Evaluator(plan), np.ones(1, np.bool_)
    evaluator.step("1m", np.ones((len(CANDLE_ROWS), 1)), one, one)
    evaluator.judge(one)
    evaluator.interrupt(0)
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(2)]
    candles = pl.DataFrame({"symbol": "WARMUP", "timeframe": "1m", "open_time": times} | dict.fromkeys(VALUES, 1.0))
    scan([condition], candles.with_columns(pl.col("open_time").dt.cast_time_unit("ms")))
    step(len(STEPS))


def main() -> None:
    """Fill the cache, showing how far it is."""
    with ConsoleProgress(Console(stderr=True)) as progress:
        progress.begin("Prepare kernels", len(STEPS))
        warm(progress.step)
        progress.end()


if __name__ == "__main__":
    main()
