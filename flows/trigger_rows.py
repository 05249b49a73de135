"""Triggers as rows of the store, from the conditions that fired."""

from collections.abc import Sequence

import polars as pl

from engine.calendars import Calendars
from engine.evaluate import FiredCondition

_SCHEMA = {
    "trigger_id": pl.String,
    "condition_id": pl.String,
    "exchange": pl.String,
    "symbol": pl.String,
    "timeframe": pl.String,
    "price": pl.Float64,
    "values": pl.String,
    "settled": pl.Boolean,
    "definition_versions": pl.String,
    "open_time": pl.Int64,
}


def trigger_rows(fired: Sequence[FiredCondition], close_ms: int, calendars: Calendars, *, late: bool) -> pl.DataFrame:
    """One row for each condition that fired on the candle closing at ``close_ms``, in the order of ``fired``."""
    import msgspec

    rows = [
        (
            f"{trigger.condition.id}:{close_ms}",
            trigger.condition.id,
            trigger.condition.series.instrument.exchange,
            trigger.condition.series.instrument.symbol,
            trigger.condition.timeframe,
            trigger.price,
            # msgspec writes null for a value that is not finite, which JSON cannot represent.
            msgspec.json.encode(trigger.values).decode(),
            trigger.settled,
            trigger.condition.definition_versions,
            calendars.of(trigger.condition.series).last_open(close_ms),
        )
        for trigger in fired
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row").with_columns(
        pl.lit(late).alias("late"),
        pl.from_epoch("open_time", "ms").cast(pl.Datetime("ms", "UTC")),
        pl.from_epoch(pl.lit(close_ms), "ms").dt.replace_time_zone("UTC").alias("close_time"),
    )
