"""The average path of prices around the triggers, beside that around any candle.

Each path is the close ``offset`` candles from the trigger's, as a return from the close of the trigger's candle: the
past shows what the condition reacts to, the future what came of it.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.backtesting.judging import BaseCandles, moves

EVENT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "offset": pl.Int64,
    "triggers": pl.Int64,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "baseline_mean": pl.Float64,
}
"""``low`` and ``high`` are two standard errors from the mean, for triggers that do not overlap."""


def event_study(base: BaseCandles, rows: NDArray[np.int64], before: int, after: int) -> pl.DataFrame:
    """One row an offset, from ``-before`` to ``after`` candles: ``EVENT_SCHEMA``."""
    closes = base.prices[3]
    told = []
    for offset in range(-before, after + 1):
        there = rows[(rows + offset >= 0) & (rows + offset < base.stop)]
        mine = moves(closes[there + offset], closes[there])
        row: dict[str, object] = {"offset": offset, "triggers": there.size}
        if there.size:
            error = float(mine.std(ddof=1)) / np.sqrt(there.size) if there.size > 1 else 0.0
            mean = float(mine.mean())
            row |= {"mean": mean, "low": mean - 2 * error, "high": mean + 2 * error}
        first, stop = max(base.first, -offset), min(base.stop, base.stop - offset)
        if stop > first:
            usual = moves(closes[first + offset : stop + offset], closes[first:stop])
            row["baseline_mean"] = float(usual.mean())
        told.append(row)
    return pl.DataFrame(told, schema=EVENT_SCHEMA)
