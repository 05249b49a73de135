"""Candles to measure with: real ones in a different order, so that a series can have any length.

Days are drawn from the sample's 5m candles of a pair and chained: every candle keeps its relation to the previous close
(rises and falls, shadows, runs, the crash of 2024-08-05) and its volume. Prices start where the pair's do, follow these
steps, and lie on a tick grid, with the ties that result.
"""

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.sample import SAMPLE_FILES
from common.timeframes import DURATION_MS

Columns = dict[str, NDArray[np.float64]]

PRICES = ("open", "high", "low", "close")
_DAY = 288
_START_MS = 1_704_067_200_000


def series(count: int, seed: int = 1, timeframe: str = "5m") -> Columns:
    """One series: the candle columns with ``open_time`` in milliseconds and its ``day``."""
    steps, volume, price, decimals = _pair(seed % 8)
    dice = np.random.default_rng(seed)
    days = count // _DAY + 1
    first = dice.integers(0, volume.size - _DAY, days)
    rows = (first[:, None] + np.arange(_DAY)).ravel()[:count]
    # Prices fell in the sample's month; a long series would fall to zero.
    chosen = steps[:, rows] - steps[3, rows].mean()
    before = np.concatenate([[0.0], np.cumsum(chosen[3])[:-1]])
    prices = np.maximum(np.round(np.exp(before + chosen) * price, decimals), 10.0**-decimals)
    columns = dict(zip(PRICES, prices, strict=True))
    columns["high"] = np.max(prices, axis=0)
    columns["low"] = np.min(prices, axis=0)
    columns["volume"] = volume[rows]
    opens = _START_MS + np.arange(count) * DURATION_MS[timeframe]
    columns["day"] = (opens // DURATION_MS["1d"]).astype(np.float64)
    return {name: np.ascontiguousarray(values) for name, values in columns.items()} | {"open_time": opens}


def many(number: int, count: int, seed: int = 5) -> Columns:
    """Several series, one per row."""
    made = [series(count, seed + 1 + i) for i in range(number)]
    return {name: np.array([columns[name] for columns in made]) for name in made[0]}


def frame(columns: Columns, symbol: str, timeframe: str) -> pl.DataFrame:
    """A series as the candle frame that ``analysis.scan`` and a store take."""
    return pl.DataFrame(
        {
            "exchange": "BINANCE",
            "symbol": symbol,
            "timeframe": timeframe,
            "open_time": pl.Series(columns["open_time"]).cast(pl.Datetime("ms", "UTC")),
            **{name: columns[name] for name in (*PRICES, "volume")},
        }
    )


@cache
def _pair(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float, int]:
    """Log steps from the previous close, float64[4, n], volumes, first price, and decimals of a sample pair."""
    candles = pl.read_parquet(SAMPLE_FILES[0])
    symbol = candles["symbol"].unique().sort()[number]
    pair = candles.filter(symbol=symbol).sort("open_time")
    prices = np.array([pair[name].to_numpy() for name in PRICES])
    decimals = next(digits for digits in range(12) if np.array_equal(np.round(prices, digits), prices))
    steps = np.log(prices[:, 1:]) - np.log(prices[3, :-1])
    return steps, pair["volume"].to_numpy()[1:], float(prices[3, 0]), decimals
