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
    adverse, favourable = reaches(base, horizon, sign)
    is_over = rows + horizon < base.stop
    at = rows[is_over]
    return pl.DataFrame(
        {
            "close_time": pl.Series(base.closes_ms[at]).cast(pl.Datetime("ms", "UTC")),
            "adverse": adverse[at - base.first],
            "favourable": favourable[at - base.first],
        },
        schema=EXCURSION_SCHEMA,
    )


def edge_ratio(adverse: Array, favourable: Array) -> float | None:
    """Mean favourable over mean adverse excursion, ``None`` where nothing went against."""
    against = -float(adverse.mean()) if adverse.size else 0.0
    return float(favourable.mean()) / against if against > 0 else None


def reaches(base: BaseCandles, horizon: int, sign: int) -> tuple[Array, Array]:
    """The worst and the best excursion after each candle of the range; NaN where the range ends before."""
    opens, highs, lows = (base.prices[row, base.first : base.stop] for row in (0, 1, 2))
    count = opens.size
    adverse, favourable = np.full(count, np.nan), np.full(count, np.nan)
    if horizon < count:
        # The extreme of the horizon's candles stands on its last one.
        low = pl.Series(lows).rolling_min(horizon).to_numpy()[horizon:]
        high = pl.Series(highs).rolling_max(horizon).to_numpy()[horizon:]
        entries = opens[1 : count - horizon + 1]
        down, up = np.minimum(low / entries - 1, 0.0), np.maximum(high / entries - 1, 0.0)
        adverse[: count - horizon], favourable[: count - horizon] = (down, up) if sign > 0 else (-up, -down)
    return adverse, favourable
