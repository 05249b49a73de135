"""Revisions of candles, as a table for people."""

import polars as pl

from common.candle_columns import VALUES


def revisions_table(revisions: pl.DataFrame) -> pl.DataFrame:
    """A row per revision: ``series open_time changes came state``, the changes in words."""
    changes = [
        pl.when(pl.col(f"judged_{name}").is_null() | (pl.col(f"judged_{name}") != pl.col(name))).then(
            pl.format("{} {} → {}", pl.lit(name), pl.col(f"judged_{name}").cast(pl.String).fill_null("-"), pl.col(name))
        )
        for name in VALUES
    ]
    return revisions.select(
        "series",
        "open_time",
        pl.concat_str(changes, separator=", ", ignore_nulls=True).replace("", "as judged").alias("changes"),
        pl.col("created_at").alias("came"),
        pl.when("pending").then(pl.lit("pending")).otherwise(pl.lit("")).alias("state"),
    )
