"""Deletes candles that nobody has judged, in ``candles.duckdb``."""

from collections.abc import Sequence

from common.errors import CandlesMissing, StoreError
from common.timeframes import show_time
from registry.groups import Series
from registry.store.files.candle_changes import CandleChanges
from registry.store.sql import Database

_WITHIN = """
    s.series = ? AND s.series_id = c.series_id
    AND c.open_time >= make_timestamp_ms(?) AND c.open_time < make_timestamp_ms(?)
"""


def delete_candles(
    database: Database,
    changes: CandleChanges,
    series: Series,
    start_ms: int,
    stop_ms: int,
    judged: Sequence[tuple[int, int]],
) -> int:
    """:meth:`registry.store.parts.candles.CandleStore.delete`; ``judged`` are the times that were judged."""
    if not database.rows("SELECT 1 FROM candles.series WHERE series = ?", [series]):
        raise CandlesMissing(f"{series} has no candles; `hub candles list` shows what there is")
    for first_ms, until_ms in judged:
        kept = _count(database, series, max(start_ms, first_ms), min(stop_ms, until_ms))
        if kept:
            raise StoreError(
                f"{kept:,} of these candles of {series} were judged, and what was judged stays: the series was judged "
                f"from {show_time(first_ms)} to {show_time(until_ms)}; delete others, or import corrected candles and "
                f'run `hub candles rebase "{series}"`'
            )
    count = _count(database, series, start_ms, stop_ms)
    with database.transaction() as transaction:
        transaction.execute(
            f"DELETE FROM candles.candles c USING candles.series s WHERE {_WITHIN}", [series, start_ms, stop_ms]
        )
        changes.write(transaction, {series: (start_ms, None)})
        # A series is what has candles. One without any was never judged, so nothing else refers to it.
        transaction.execute(
            """
            DELETE FROM candles.series WHERE series = ?
                AND series_id NOT IN (SELECT series_id FROM candles.candles)
            """,
            [series],
        )
    return count


def _count(database: Database, series: Series, start_ms: int, stop_ms: int) -> int:
    rows = database.rows(
        f"SELECT count(*) FROM candles.candles c, candles.series s WHERE {_WITHIN}", [series, start_ms, stop_ms]
    )
    return int(str(rows[0][0]))
