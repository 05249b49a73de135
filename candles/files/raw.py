"""The rows of one source, unchecked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

CANDLE_SCHEMA: dict[str, pl.DataType] = {
    "exchange": pl.String(),
    "symbol": pl.String(),
    "timeframe": pl.String(),
    "open_time": pl.Datetime("ms", "UTC"),
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Float64(),
}
"""Column -> type of candle frames everywhere between a source and the store."""

SERIES_COLUMNS = ("exchange", "symbol", "timeframe")
"""The columns that name a candle's series."""


def by_series(candles: pl.DataFrame) -> list[pl.DataFrame]:
    """The candles of each series, in the order in which the series come. Those of one alone are not copied."""
    if candles.is_empty() or candles.select(SERIES_COLUMNS).unique().height == 1:
        return [candles][: candles.height]
    return candles.partition_by(SERIES_COLUMNS, maintain_order=True)


OF_DAYS = ("1d", "3d", "1w", "1mo")
"""Timeframes whose candles are often named by a date."""

RAW_SCHEMA: dict[str, pl.DataType] = {
    **CANDLE_SCHEMA,
    "line": pl.Int64(),
    "problem": pl.String(),
    "dated": pl.Boolean(),
}


@dataclass(frozen=True)
class RawCandles:
    """The rows of a source, all of them, in its order.

    ``rows`` has the columns of ``RAW_SCHEMA``: any candle column may be null; ``line`` is the row's number in the
    source (1-based; in a text file, the line number); ``problem`` is a reason of :mod:`candles.reasons` that only the
    reader can see, such as text in place of a number, else null; ``dated`` marks rows whose time may only name a date.
    ``notes`` say what was assumed.
    """

    source: str
    rows: pl.DataFrame
    notes: tuple[str, ...] = ()
    stamps_the_close: bool = False
    """Whether ``open_time`` is when the candles closed, as their file has it."""
    zone: str | None = None
    """The zone of times without an offset, if somebody said it; they were taken as UTC otherwise."""
    guessed_symbol: bool = False
    """Whether only the file's name or folder says which instrument it is."""
    pairs: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Letters of a symbol -> its base and quote, where something says them plainly."""

    @classmethod
    def from_frame(cls, candles: pl.DataFrame, source: str) -> "RawCandles":
        """From candles that already have the columns of ``CANDLE_SCHEMA``; lines are numbered from 1."""
        numbered = candles.select(
            *(pl.col(name).cast(dtype) for name, dtype in CANDLE_SCHEMA.items()),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"),
            pl.lit(None, dtype=pl.String).alias("problem"),
            pl.lit(False).alias("dated"),
        )
        return cls(source, numbered)
