"""Real candles of the shipped sample, as columns."""

from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[2]
HOURLY = ROOT / "candles" / "sample" / "binance_spot_1h_2024.parquet"
PRICES = ("open", "high", "low", "close", "volume")


def hourly_markets() -> dict[str, dict[str, np.ndarray]]:
    """Symbol -> columns: 3,000 hourly candles of each of six markets of the shipped sample."""
    frame = pl.read_parquet(HOURLY).sort("symbol", "open_time")
    found = {}
    for symbol in frame["symbol"].unique().sort().head(6):
        rows = frame.filter(pl.col("symbol") == symbol).head(3000)
        found[symbol] = columns_of(rows)
    return found


def columns_of(rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Prices and the number of the UTC day, which may be torn like any other column; a time could not."""
    days = rows["open_time"].dt.epoch("d").cast(pl.Float64)
    return {column: rows[column].to_numpy().copy() for column in PRICES} | {"day": days.to_numpy().copy()}
