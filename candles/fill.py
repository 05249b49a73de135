"""Fills the gaps of thinly traded pairs, whose source leaves a candle out when nothing was traded.

A filled candle is flat at the previous close, has volume 0 and is marked. Filling is only for sources known to work
this way: where candles are missing for another reason, a gap must stay a gap.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS
from candles.placing import GridOf, on_utc
from candles.quality import Gap
from common.candle_columns import OHLC
from common.slots import slots_of


def fill_gaps(candles: pl.DataFrame, gaps: Sequence[Gap], grid_of: GridOf = on_utc) -> pl.DataFrame:
    """The flat candles in the gaps between candles, by series and open time.

    ``candles`` has the columns of ``CANDLE_SCHEMA``; ``gaps`` are the ones between them.
    """
    if not gaps:
        return candles.select(*CANDLE_SCHEMA).clear()
    opens: list[np.ndarray] = []
    for gap in gaps:
        slots = slots_of(gap.series.timeframe, grid_of(gap.series.instrument))
        first = slots.number(gap.first_missing_ms)
        # The candle before the gap comes first: its close is the price of the flat ones.
        opens.append(slots.open(np.arange(first - 1, first + gap.missing, dtype=np.int64)))
    missing = pl.DataFrame(
        {
            "exchange": [gap.series.instrument.exchange for gap in gaps],
            "symbol": [gap.series.instrument.symbol for gap in gaps],
            "timeframe": [gap.series.timeframe for gap in gaps],
            "before": [int(times[0]) for times in opens],
            "open_time": [times[1:].tolist() for times in opens],
        },
        schema_overrides={"open_time": pl.List(pl.Int64)},
    ).explode("open_time")
    moments = missing.with_columns(pl.col("before", "open_time").cast(CANDLE_SCHEMA["open_time"]))
    before = candles.select(*SERIES_COLUMNS, "close", before="open_time")
    return moments.join(before, on=[*SERIES_COLUMNS, "before"]).select(
        *SERIES_COLUMNS,
        "open_time",
        *(pl.col("close").alias(price) for price in OHLC),
        pl.lit(0.0).alias("volume"),
    )
