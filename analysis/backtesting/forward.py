"""What followed the triggers, against what follows any candle of the same range.

The return over ``h`` candles after a candle ``t`` goes from the open of ``t + 1`` to the close of ``t + h``: what
somebody could have had who acted on the close of ``t``. Before costs; for ``short`` with the sign turned.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.backtesting.bootstrap import mean_interval, overlap_of
from analysis.backtesting.judging import BaseCandles, moves
from indicators.compute import Array

FORWARD_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "horizon": pl.Int64,
    "triggers": pl.Int64,
    "mean": pl.Float64,
    "mean_low": pl.Float64,
    "mean_high": pl.Float64,
    "median": pl.Float64,
    "hit_rate": pl.Float64,
    "hit_low": pl.Float64,
    "hit_high": pl.Float64,
    "baseline_mean": pl.Float64,
    "baseline_hit_rate": pl.Float64,
    "edge": pl.Float64,
    "edge_low": pl.Float64,
    "edge_high": pl.Float64,
}
"""``horizon`` in candles; ``triggers`` are those with so many candles after them; returns and rates are shares.
``_low`` and ``_high`` are 95 % intervals. ``hit_rate`` is the share of returns above 0, ``baseline_`` is any candle's,
``edge`` is ``mean`` less ``baseline_mean``. Without triggers what is said of them is null."""


def returns_after(base: BaseCandles, horizon: int, sign: int) -> Array:
    """float64[candles]: the return after each candle of the range, NaN where the range ends before."""
    returns = np.full(base.candles, np.nan)
    ended = _ended(base, horizon, sign)
    returns[: ended.size] = ended
    return returns


def _ended(base: BaseCandles, horizon: int, sign: int) -> Array:
    """The same of those candles alone that have ``horizon`` candles after them: the first ones of the range."""
    closes = base.prices[3, base.first + horizon : base.stop]
    returns = moves(closes, base.prices[0, base.first + 1 : base.first + 1 + closes.size])
    if sign < 0:
        np.negative(returns, out=returns)
    return returns


def forward_returns(
    base: BaseCandles, rows: NDArray[np.int64], horizons: Sequence[int], sign: int, seed: int
) -> pl.DataFrame:
    """One row a horizon: ``FORWARD_SCHEMA``. ``rows`` are those of the triggers in the range."""
    told = []
    for number, horizon in enumerate(horizons):
        baseline = _ended(base, horizon, sign)
        over = rows[rows - base.first < baseline.size]
        mine, block = baseline[over - base.first], overlap_of(over, horizon)
        row: dict[str, object] = {"horizon": horizon, "triggers": mine.size}
        usual = float(baseline.mean()) if baseline.size else None
        if usual is not None:
            row |= {"baseline_mean": usual, "baseline_hit_rate": np.count_nonzero(baseline > 0) / baseline.size}
        if mine.size and usual is not None:
            mean = mean_interval(mine, block, seed + 2 * number)
            hits = (mine > 0).astype(np.float64)
            hit = mean_interval(hits, block, seed + 2 * number + 1)
            row |= {
                "mean": float(mine.mean()),
                "mean_low": mean.low,
                "mean_high": mean.high,
                "median": float(np.median(mine)),
                "hit_rate": float(hits.mean()),
                "hit_low": hit.low,
                "hit_high": hit.high,
                "edge": float(mine.mean()) - usual,
                "edge_low": mean.low - usual,
                "edge_high": mean.high - usual,
            }
        told.append(row)
    return pl.DataFrame(told, schema=FORWARD_SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None))
