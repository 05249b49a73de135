"""Fills the gaps of thinly traded pairs, whose source leaves a candle out when nothing was traded.

A filled candle is flat at the previous close, has volume 0 and is marked. Filling is only for sources known to work
this way: where candles are missing for another reason, a gap must stay a gap.
"""

from collections.abc import Sequence

import polars as pl

from candles.files.raw import CANDLE_SCHEMA, SERIES_COLUMNS
from candles.quality import Gap
from common.candle_columns import OHLC
from common.timeframes import DURATION_MS


def fill_gaps(candles: pl.DataFrame, gaps: Sequence[Gap]) -> pl.DataFrame:
    """Candles with their gaps filled and a column ``filled``, sorted by series and open time.

    ``candles`` has the columns of ``CANDLE_SCHEMA``; ``gaps`` are the ones between them.
    """
    marked = candles.with_columns(pl.lit(False).alias("filled"))
    if not gaps:
        return marked
    lengths = [DURATION_MS[gap.series.timeframe] for gap in gaps]
    missing = pl.DataFrame(
        {
            "series": [gap.series for gap in gaps],
            "before_ms": [gap.first_missing_ms - length for gap, length in zip(gaps, lengths, strict=True)],
            "open_ms": [
                list(range(gap.first_missing_ms, gap.first_missing_ms + gap.missing * length, length))
                for gap, length in zip(gaps, lengths, strict=True)
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
