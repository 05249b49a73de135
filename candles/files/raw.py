"""The rows of one source before anybody judged them."""

from dataclasses import dataclass

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
"""Column -> type of candles everywhere between a source and the store."""

SERIES = ("exchange", "symbol", "timeframe")

RAW_SCHEMA: dict[str, pl.DataType] = {**CANDLE_SCHEMA, "line": pl.Int64(), "problem": pl.String()}


@dataclass(frozen=True)
class RawCandles:
    """Rows as a source gave them, in its order, with nothing left out.

    ``rows`` has the columns of ``RAW_SCHEMA``: every candle column may be null, ``line`` is the row's number in the
    source (1-based; the line of a text file), ``problem`` a reason of :mod:`candles.reasons` that only the
    reader could see (text that is no number, say), else null. ``notes`` tell what was assumed.
    """

    source: str
    rows: pl.DataFrame
    notes: tuple[str, ...] = ()

    @classmethod
    def from_frame(cls, candles: pl.DataFrame, source: str) -> "RawCandles":
        """Candles that already have the columns of ``CANDLE_SCHEMA``, numbered from 1."""
        numbered = candles.select(
            *(pl.col(name).cast(dtype) for name, dtype in CANDLE_SCHEMA.items()),
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"),
            pl.lit(None, dtype=pl.String).alias("problem"),
        )
        return cls(source, numbered)
