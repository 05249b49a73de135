"""Real candles of the shipped sample, as columns."""

from pathlib import Path

import polars as pl

from tests.indicators.reference import Columns

ROOT = Path(__file__).resolve().parents[2]
HOURLY = ROOT / "candles" / "sample" / "binance_spot_1h_2024.parquet"
PRICES = ("open", "high", "low", "close", "volume")


def hourly_markets() -> dict[str, Columns]:
    """Symbol -> columns: 3,000 hourly candles of each of six markets of the shipped sample."""
    frame = pl.read_parquet(HOURLY).sort("symbol", "open_time")
    markets = {}
    for symbol in frame["symbol"].unique().sort().head(6):
        rows = frame.filter(pl.col("symbol") == symbol).head(3000)
        markets[symbol] = columns_of(rows)
    return markets


def columns_of(rows: pl.DataFrame) -> Columns:
    """Prices and the number of the UTC day, a float column that may have holes like any other."""
    days = rows["open_time"].dt.epoch("d").cast(pl.Float64)
    return {column: rows[column].to_numpy().copy() for column in PRICES} | {"day": days.to_numpy().copy()}
