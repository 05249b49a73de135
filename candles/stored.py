"""What a file's candles meet in the store: neighbours, fuller versions of themselves, another market's prices."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS, by_series
from common.candle_columns import OHLC
from common.timeframes import DURATION_MS
from registry.groups import Series, series_of
from registry.store.parts.candles import CandleStore

_BLOCK = 100_000
"""Slots that are read at once: some megabytes of candles."""
_SHIFTED = 0.2
"""The share of candles that two markets do not have within each other's ranges, at least."""
_KEY = (*SERIES_COLUMNS, "open_time")


@dataclass(frozen=True)
class Encounter:
    """A file's candles, and those of the store around them.

    ``neighbours`` are the stored candles from the last one before the file's to the first one after them, sorted by
    series and open time.
    """

    candles: pl.DataFrame
    neighbours: pl.DataFrame

    @classmethod
    def of(cls, candles: pl.DataFrame, store: CandleStore) -> "Encounter":
        """Read what is around candles that are sorted by series and open time."""
        parts = [pl.DataFrame(schema=CANDLE_SCHEMA)]
        for part in by_series(candles):
            series = series_of(*part.select(SERIES_COLUMNS).row(0))
            opens = part["open_time"].dt.epoch("ms")
            first, last = int(opens[0]), int(opens[-1])
            after = store.first_open_from(series, last + 1)
            parts.append(store.last(series, first, 1))
            parts.append(store.between(series, first, (last if after is None else after) + 1))
        return cls(candles, pl.concat(parts).sort(_KEY))

    def together(self) -> pl.DataFrame:
        """The file's candles with the stored ones around and between them, sorted by series and open time."""
        columns = [pl.col(name) for name in CANDLE_SCHEMA]
        others = self.neighbours.join(self.candles, on=_KEY, how="anti")
        if others.is_empty():
            return self.candles.select(columns)
        return pl.concat([self.candles.select(columns), others.select(columns)]).sort(_KEY)

    def fragments(self, store: CandleStore) -> pl.DataFrame:
        """The file's candles that have less volume than the stored ones, as far as these were not judged yet."""
        stored = self.neighbours.select(*_KEY, pl.col("volume").alias("stored_volume"))
        less = self.candles.join(stored, on=_KEY).filter(pl.col("volume") < pl.col("stored_volume"))
        if less.is_empty():
            return less
        open_ms = pl.col("open_time").dt.epoch("ms")
        unjudged = [less.clear()]
        for part in less.partition_by(SERIES_COLUMNS, maintain_order=True):
            judged = pl.lit(False)
            for first_ms, until_ms in store.judged(series_of(*part.select(SERIES_COLUMNS).row(0))):
                judged |= (open_ms >= first_ms) & (open_ms < until_ms)
            unjudged.append(part.filter(~judged))
        return pl.concat(unjudged)

    def other_prices(self) -> tuple[Series, int, int] | None:
        """The series whose stored candles are of another market than the file's: how many differ, of how many.

        Of one market, an earlier state of a candle lies within the later one, so that its range does.
        """
        stored = self.neighbours.select(*_KEY, *(pl.col(name).alias(f"stored_{name}") for name in OHLC))
        both = self.candles.join(stored, on=_KEY)
        differs = pl.any_horizontal(pl.col(name) != pl.col(f"stored_{name}") for name in OHLC)
        higher, lower = pl.col("high") > pl.col("stored_high"), pl.col("low") < pl.col("stored_low")
        apart = (higher & (pl.col("low") > pl.col("stored_low"))) | (lower & (pl.col("high") < pl.col("stored_high")))
        counts = both.group_by(SERIES_COLUMNS, maintain_order=True).agg(
            differs.sum().alias("other"), apart.sum().alias("apart"), pl.len()
        )
        for *names, other, shifted, of in counts.iter_rows():
            if shifted > 1 and 2 * other > of and shifted > _SHIFTED * of:
                return series_of(*names), other, of
        return None


def stored_opens(store: CandleStore, series: Series) -> Iterator[NDArray[np.int64]]:
    """The open times of a stored series, block by block."""
    extent = store.extent(series.timeframe).get(series)
    if extent is None:
        return
    span = _BLOCK * DURATION_MS.get(series.timeframe, DURATION_MS["1w"])
    for start in range(extent[0], extent[1] + 1, span):
        opens = store.between(series, start, min(start + span, extent[1] + 1))["open_time"]
        yield opens.to_physical().to_numpy()
