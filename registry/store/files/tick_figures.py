"""What the figures of ticks and runs add up to."""

import polars as pl

from registry.store.files.running_totals import RUNS, TICKS
from registry.store.parts.ticks import TotalsBy
from registry.store.sql import zoned

SIZES = ("conditions", "subscribed", "subscriptions", "users", "bots")
"""What is noted of the registry with the first tick of each hour."""

_SUMS = (*TICKS.sums, *RUNS.sums)


def add_up(ticks: pl.DataFrame, runs: pl.DataFrame, by: TotalsBy) -> pl.DataFrame:
    """The totals of ticks and of runs, a row for each timeframe and each hour or day: :meth:`TickStore.totals`."""
    start = {
        "timeframe": pl.lit(None, pl.Datetime("ms")),
        "hour": pl.col("hour"),
        "day": pl.col("hour").dt.truncate("1d"),
        "candle_day": pl.col("candle_day"),
    }[by]
    return zoned(
        pl.concat([ticks, runs], how="diagonal")
        .group_by(start.alias("start"), "timeframe")
        .agg(pl.col(_SUMS).sum())
        .sort("start", "timeframe")
        .select("start", "timeframe", *_SUMS)
    )
