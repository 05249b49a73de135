"""Fills the gaps of thinly traded pairs, whose source leaves a candle out when nothing was traded.

A filled candle is flat at the previous close, has volume 0 and is marked. Filling is only for sources known to work
this way: where candles are missing for another reason, a gap must stay a gap.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import polars as pl

from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS
from candles.quality import Gap
from common.candle_columns import OHLC
from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from registry.instruments import Instrument


def fill_gaps(
    candles: pl.DataFrame, gaps: Sequence[Gap], grids: Mapping[Instrument, Grid] = MappingProxyType({})
) -> pl.DataFrame:
    """Candles with their gaps filled and a column ``filled``, sorted by series and open time.

    ``candles`` has the columns of ``CANDLE_SCHEMA``; ``gaps`` are the ones between them. ``grids`` has the instruments
    that are not on UTC's grid.
    """
    marked = candles.with_columns(pl.lit(False).alias("filled"))
    if not gaps:
        return marked
    slots = [slots_of(gap.series.timeframe, grids.get(gap.series.instrument, UTC_GRID)) for gap in gaps]
    firsts = [each.number(gap.first_missing_ms) for each, gap in zip(slots, gaps, strict=True)]
    missing = pl.DataFrame(
        {
            "series": [gap.series for gap in gaps],
            "before_ms": [each.open(first - 1) for each, first in zip(slots, firsts, strict=True)],
            "open_ms": [
                each.open(np.arange(first, first + gap.missing))
                for each, first, gap in zip(slots, firsts, gaps, strict=True)
            ],
        },
        schema_overrides={"open_ms": pl.List(pl.Int64)},
    ).explode("open_ms")
    name = pl.col("exchange") + ":" + pl.col("symbol") + " " + pl.col("timeframe")
    before = candles.select(*SERIES_COLUMNS, "close", series=name, before_ms=pl.col("open_time").dt.epoch("ms"))
    flat = missing.join(before, on=["series", "before_ms"]).select(
        *SERIES_COLUMNS,
        pl.from_epoch("open_ms", "ms").cast(CANDLE_SCHEMA["open_time"]).alias("open_time"),
        *(pl.col("close").alias(price) for price in OHLC),
        pl.lit(0.0).alias("volume"),
        pl.lit(True).alias("filled"),
    )
    return pl.concat([marked, flat]).sort(*SERIES_COLUMNS, "open_time")
