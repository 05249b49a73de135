"""Checkpoints of indicators in ``registry.duckdb``: table ``condition_evaluation_cache``."""

from collections.abc import Sequence

import polars as pl

from common.clock import Clock
from registry.groups import Series
from registry.store.sql import Database, naive_time

_KEPT = 2
"""Checkpoints that an owner keeps of a series: the newest may be too young for indicators that look far back."""


class CacheTables:
    """Implements :class:`registry.store.parts.cache.CacheStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def save(self, owner: str, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        now = naive_time(self._clock.now_ms())
        with self._database.transaction() as transaction:
            newest = transaction.frame(
                "SELECT coalesce(max(checkpoint_id), 0) AS id FROM registry.condition_evaluation_cache"
            )
            number = int(newest["id"][0]) + 1
            transaction.append(
                "registry.condition_evaluation_cache",
                rows.with_columns(
                    pl.lit(number, pl.Int64).alias("checkpoint_id"),
                    pl.lit(owner).alias("owner"),
                    pl.lit(now).alias("saved_at"),
                ),
            )
            transaction.execute(
                """
                DELETE FROM registry.condition_evaluation_cache c USING (
                    SELECT series, checkpoint_id,
                        dense_rank() OVER (PARTITION BY owner, series ORDER BY checkpoint_id DESC) AS place
                    FROM (SELECT DISTINCT owner, series, checkpoint_id FROM registry.condition_evaluation_cache) AS each
                ) o
                WHERE o.series = c.series AND o.checkpoint_id = c.checkpoint_id AND o.place > ?
                """,
                [_KEPT],
            )

    def of(self, series: Sequence[Series]) -> pl.DataFrame:
        wanted = pl.DataFrame({"series": list(series)}, schema={"series": pl.String})
        return self._database.frame(
            """
            SELECT c.series, c.indicator, c.anchor_ms, c.rebase, c.open_ms, c.candles, c.state
            FROM registry.condition_evaluation_cache c WHERE c.series IN (SELECT series FROM wanted)
            ORDER BY c.series, c.open_ms, c.indicator
            """,
            wanted=wanted,
        )
