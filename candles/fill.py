"""Fills the gaps of thinly traded pairs, whose source leaves a candle out when nothing was traded.

A filled candle is flat at the previous close, has volume 0 and is marked. Filling is only for sources known to work
this way: where candles are missing for another reason, a gap must stay a gap.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS, by_series
from candles.quality import Gap
from common.candle_columns import OHLC
from engine.calendars import Calendars
from registry.groups import Series, series_of


def fill_gaps(candles: pl.DataFrame, gaps: Sequence[Gap], calendars: Calendars | None = None) -> pl.DataFrame:
    """The flat candles in the gaps between candles, by series and open time.

    ``candles`` has the columns of ``CANDLE_SCHEMA``, sorted by series and open time; ``gaps`` are the ones between
    them by their calendars.
    """
    calendars = calendars or Calendars()
    gaps_of: dict[Series, list[Gap]] = {}
    for gap in gaps:
        gaps_of.setdefault(gap.series, []).append(gap)
    filled = [candles.select(*CANDLE_SCHEMA).clear()]
    for part in by_series(candles) if gaps else ():
        names = part.select(SERIES_COLUMNS).row(0)
        series = series_of(*names)
        if series not in gaps_of:
            continue
        slots = calendars.of(series).slots
        numbers = [slots.number(gap.first_missing_ms) + np.arange(gap.missing) for gap in gaps_of[series]]
        opens = slots.open(np.concatenate(numbers))
        before = np.searchsorted(part["open_time"].to_physical().to_numpy(), opens) - 1
        close = part["close"].gather(before)
        filled.append(
            pl.select(
                *(pl.lit(name).alias(column) for column, name in zip(SERIES_COLUMNS, names, strict=True)),
                pl.Series(opens).cast(CANDLE_SCHEMA["open_time"]).alias("open_time"),
                *(close.alias(price) for price in OHLC),
                pl.lit(0.0).alias("volume"),
            )
        )
    return pl.concat(filled)
