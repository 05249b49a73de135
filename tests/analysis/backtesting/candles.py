"""Candles for tests of backtests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.sample import SAMPLE_FILES

HOUR_MS = 3_600_000
START_MS = 1_704_067_200_000


def frame(
    rows: Sequence[tuple[float, float, float, float]] | NDArray[np.float64],
    *,
    volume: float = 10.0,
    symbol: str = "BTCUSDT",
) -> pl.DataFrame:
    """Hourly candles from (open, high, low, close)."""
    prices = np.asarray(rows, np.float64)
    opens = START_MS + HOUR_MS * np.arange(len(prices))
    return pl.DataFrame(
        {
            "symbol": symbol,
            "timeframe": "1h",
            "open_time": pl.Series(opens).cast(pl.Datetime("ms", "UTC")),
            **{name: prices[:, column] for column, name in enumerate(("open", "high", "low", "close"))},
            "volume": volume,
        }
    )


def walk(count: int, seed: int, *, drift: float = 0.0, spread: float = 0.01) -> NDArray[np.float64]:
    """float64[count, 4]: a random walk; each candle opens at the close before."""
    dice = np.random.default_rng(seed)
    closes = 100 * np.exp(np.cumsum(dice.normal(drift, spread, count)))
    opens = np.concatenate([[100.0], closes[:-1]])
    reach = np.abs(dice.normal(0, spread / 2, (2, count)))
    highs, lows = np.maximum(opens, closes) * (1 + reach[0]), np.minimum(opens, closes) * (1 - reach[1])
    return np.stack([opens, highs, lows, closes], axis=1)


def sample(symbol: str = "BTCUSDT", path: Path = SAMPLE_FILES[1]) -> pl.DataFrame:
    """Real candles of one pair, hourly by default."""
    return pl.read_parquet(path).filter(symbol=symbol)
