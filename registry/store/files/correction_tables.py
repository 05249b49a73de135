"""What arrived as candles but is not used, in ``candles.duckdb``: rejected rows, later versions, replaced candles."""

import polars as pl

from common.candle_columns import VALUES
from common.clock import Clock
from registry.groups import Series
from registry.store.sql import Database, naive, naive_time, newest_rows

NEWEST_REVISIONS = newest_rows("candles.candle_revisions", "series_id, open_time", "created_at, rowid")
DIFFERS = "(c.series_id IS NULL OR " + " OR ".join(f"c.{name} <> r.{name}" for name in VALUES) + ")"
"""Whether revision ``r`` differs from candle ``c``."""


class CorrectionTables:
    """The quarantine, revisions and superseded candles of :class:`registry.store.parts.candles.CandleStore`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def revisions(self, series: Series | None = None) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT s.series, r.open_time, r.created_at, r.place = 1 AND {DIFFERS} AS pending,
                {", ".join(f"c.{name} AS judged_{name}" for name in VALUES)},
                {", ".join(f"r.{name}" for name in VALUES)}
            FROM (
                SELECT t.*, row_number() OVER (
                    PARTITION BY series_id, open_time ORDER BY created_at DESC, rowid DESC
                ) AS place
                FROM candles.candle_revisions AS t
            ) AS r JOIN candles.series s USING (series_id)
            LEFT JOIN candles.candles c USING (series_id, open_time)
            WHERE s.series = coalesce(?, s.series) ORDER BY s.series, r.open_time, r.created_at, r.place DESC
            """,
            [series],
        )

    def superseded(self, series: Series) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT o.rebase, o.open_time, {", ".join(f"o.{name}" for name in VALUES)}
            FROM candles.candle_superseded o JOIN candles.series s USING (series_id)
            WHERE s.series = ? ORDER BY o.rebase, o.open_time
            """,
            [series],
        )

    def quarantine(self, rows: pl.DataFrame) -> int:
        if rows.is_empty():
            return 0
        incoming = naive(rows).with_columns(
            pl.lit(naive_time(self._clock.now_ms())).cast(pl.Datetime("ms")).alias("created_at")
        )
        # Importing a file again brings the same rows; they are stored once.
        fresh = self._database.frame(
            """
            SELECT i.* FROM incoming i WHERE NOT EXISTS (
                SELECT 1 FROM candles.candle_quarantine q
                WHERE q.source = i.source AND q.line = i.line AND q.reason = i.reason
                    AND q.open_time IS NOT DISTINCT FROM i.open_time AND q.close IS NOT DISTINCT FROM i.close
            )
            """,
            incoming=incoming,
        )
        with self._database.transaction() as transaction:
            transaction.append("candles.candle_quarantine", naive(fresh))
        return fresh.height

    def quarantined(self) -> pl.DataFrame:
        return self._database.frame(
            "SELECT exchange, symbol, timeframe, open_time, open, high, low, close, volume, reason, source, line, "
            "created_at FROM candles.candle_quarantine ORDER BY created_at, source, line"
        )
