"""What arrived as candles but is not used, in ``candles.duckdb``: rejected rows, later versions, replaced candles."""

import polars as pl

from common.candle_columns import VALUES
from common.clock import Clock
from registry.groups import Series
from registry.store.files.database import Database, naive, naive_time

IS_NEWEST_REVISION = (
    "row_number() OVER (PARTITION BY r.series_id, r.open_time ORDER BY r.created_at DESC, r.rowid DESC) = 1"
)
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
            SELECT s.series, r.open_time, r.created_at, {IS_NEWEST_REVISION} AND {DIFFERS} AS pending,
                {", ".join(f"c.{name} AS judged_{name}" for name in VALUES)},
                {", ".join(f"r.{name}" for name in VALUES)}
            FROM candles.candle_revisions r JOIN candles.series s USING (series_id)
            LEFT JOIN candles.candles c USING (series_id, open_time)
            WHERE s.series = coalesce(?, s.series) ORDER BY s.series, r.open_time, r.created_at, r.rowid
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
            SELECT i.* FROM incoming i ANTI JOIN candles.candle_quarantine q
                ON q.source = i.source AND q.line = i.line AND q.reason = i.reason
                AND q.open_time IS NOT DISTINCT FROM i.open_time AND q.close IS NOT DISTINCT FROM i.close
            """,
            incoming=incoming,
        )
        with self._database.transaction() as transaction:
            transaction.append("candles.candle_quarantine", naive(fresh))
        return fresh.height

    def quarantined(self) -> pl.DataFrame:
        return self._database.frame("SELECT * FROM candles.candle_quarantine ORDER BY created_at, source, line")
