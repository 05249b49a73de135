"""How far prices went against and in favour of the triggers before a horizon was over: MAE and MFE (Sweeney, 1996).

Measured from the open of the candle after the trigger, over the lows and highs of the candles that follow, as shares;
``adverse`` is at most 0 and ``favourable`` at least 0.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.backtesting.judging import BaseCandles
from indicators.compute import Array

EXCURSION_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "close_time": pl.Datetime("ms", "UTC"),
    "adverse": pl.Float64,
    "favourable": pl.Float64,
}


def excursions(base: BaseCandles, rows: NDArray[np.int64], horizon: int, sign: int) -> pl.DataFrame:
    """One row a trigger that has ``horizon`` candles after it in the range: ``EXCURSION_SCHEMA``."""
    at = rows[rows + horizon < base.stop]
    low, high = _extremes(base, horizon)
    adverse, favourable = _shares(base.prices[0, at + 1], low[at - base.first], high[at - base.first], sign)
    return pl.DataFrame(
        {
            "close_time": pl.Series(base.closes_ms[at]).cast(pl.Datetime("ms", "UTC")),
            "adverse": adverse,
            "favourable": favourable,
        },
        schema=EXCURSION_SCHEMA,
    )


def edge_ratio(adverse: Array, favourable: Array) -> float | None:
    """Mean favourable over mean adverse excursion, ``None`` where nothing went against."""
    against = -float(adverse.mean()) if adverse.size else 0.0
    return float(favourable.mean()) / against if against > 0 else None


def reaches(base: BaseCandles, horizon: int, sign: int) -> tuple[Array, Array]:
    """The worst and the best excursion after each candle of the range; NaN where the range ends before."""
    low, high = _extremes(base, horizon)
    adverse, favourable = np.full((2, base.candles), np.nan)
    opens = base.prices[0, base.first + 1 : base.first + 1 + low.size]
    adverse[: low.size], favourable[: low.size] = _shares(opens, low, high, sign)
    return adverse, favourable


def _extremes(base: BaseCandles, horizon: int) -> tuple[Array, Array]:
    """The lowest and the highest price of the ``horizon`` candles after each candle that has so many in the range."""
    low, high = np.empty((2, max(0, base.candles - horizon)))
    if low.size:
        from analysis.backtesting.extreme_kernels import over_windows

        after = slice(base.first + 1, base.stop)
        over_windows(base.prices[2, after], base.prices[1, after], horizon, low, high)
    return low, high


def _shares(entries: Array, low: Array, high: Array, sign: int) -> tuple[Array, Array]:
    """Prices as excursions from those of entries, adverse and favourable."""
    down, up = np.minimum(low / entries - 1, 0.0), np.maximum(high / entries - 1, 0.0)
    return (down, up) if sign > 0 else (-up, -down)
