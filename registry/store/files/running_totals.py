"""Sums over an append-only table of ``registry.duckdb``, kept up to date while it grows: no reader adds it all up.

Rows of the table are numbered from 1. Those up to some number are summed up in a table of totals, a row for each hour,
day and timeframe; of those since, the owner keeps the sums in memory. When an hour ends, the next row of the table
takes these along in its own transaction, so that totals and table always agree, and little has to be added up when the
file is opened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from registry.store.sql import Database, Transaction, last_rows, naive, naive_time

_HOUR_MS, _DAY_MS = 3_600_000, 24 * 3_600_000
_MOST_BUCKETS = 256
"""Sums in memory are written before the hour is over if there are more: whoever catches up judges many days in one."""

_Bucket = tuple[int, int, str]
"""Hour, day, timeframe: what a row of totals is the sum of."""


@dataclass(frozen=True)
class Summed:
    """A table, and how it is summed up."""

    table: str
    number: str
    """The column that numbers its rows."""
    at: str
    """The column with the time when a row was written."""
    candles_until: str
    """The column with the close time that a row is about."""
    totals: str
    sums: tuple[str, ...]
    """Columns of the table of totals."""
    counts: dict[str, str] = field(default_factory=dict)
    """Those that are not sums of the column of their name -> the SQL of what is summed."""

    @property
    def rows_after(self) -> str:
        """SQL: the totals of the rows after a number, as rows of the table of totals."""
        return f"{self._rows(f'{self.number} > ?')} ORDER BY hour, candle_day, timeframe"

    @property
    def differences(self) -> str:
        """SQL: where the table of totals is not what its rows add up to."""
        sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in self.sums)
        written = f"SELECT hour, candle_day, timeframe, {sums} FROM {self.totals} GROUP BY hour, candle_day, timeframe"
        counted = f"""
            SELECT hour, candle_day, timeframe, {", ".join(self.sums)}
            FROM ({self._rows(f"{self.number} <= (SELECT coalesce(max(last_number), 0) FROM {self.totals})")}) AS c
        """
        return f"""
            SELECT DISTINCT '{self.table.split(".")[1]} of ' || timeframe || ', judged from ' || hour::VARCHAR FROM (
                (({written}) EXCEPT ({counted})) UNION ALL (({counted}) EXCEPT ({written}))
            ) AS each
        """

    def _rows(self, where: str) -> str:
        sums = ", ".join(f"sum({self.counts.get(name, name)})::BIGINT AS {name}" for name in self.sums)
        return f"""
            SELECT date_trunc('hour', {self.at})::TIMESTAMP_MS AS hour,
                date_trunc('day', {self.candles_until})::TIMESTAMP_MS AS candle_day, timeframe,
                max({self.number}) AS last_number, {sums}
            FROM {self.table} WHERE {where} GROUP BY 1, 2, 3
        """


TICKS = Summed(
    "registry.ticks",
    "tick_id",
    "judged_at",
    "close_time",
    "registry.tick_totals",
    (
        "ticks",
        "late",
        "groups",
        "holes",
        "triggers",
        "subscriptions",
        "conditions",
        "indicators",
        "series",
        "isolated_indicators",
        "isolated_loads",
        "equal_sharing_indicators",
        "equal_sharing_loads",
        "load_us",
        "indicators_us",
        "judge_us",
    ),
    {"ticks": "1", "late": "late::INTEGER"},
)
RUNS = Summed(
    "registry.tick_runs",
    "number",
    "finished_at",
    "tick",
    "registry.run_totals",
    ("runs", "prepare_us", "record_us", "publish_us"),
    {"runs": "1"},
)


@dataclass(frozen=True)
class _Totals:
    """What a reader in another thread sees together, so that it sees each sum once."""

    rows: pl.DataFrame
    """``hour candle_day timeframe`` and the sums: what the table of totals has, and what was added up since when the
    store was opened."""
    unwritten: pl.DataFrame
    """Those of ``rows`` that the table does not have."""
    buckets: dict[_Bucket, tuple[int, ...]]
    """The sums of what has been recorded since."""


class RunningTotals:
    """Written by the holder of the write lock, read by any thread."""

    def __init__(self, database: Database, summed: Summed) -> None:
        self._summed = summed
        self._schema: dict[str, pl.DataType | type[pl.DataType]] = {
            "hour": pl.Datetime("ms"),
            "candle_day": pl.Datetime("ms"),
            "timeframe": pl.String,
            **dict.fromkeys(summed.sums, pl.Int64),
        }
        self._database = database
        self.load()

    def load(self) -> None:
        """Read the totals, and add up the rows since."""
        written = self._database.frame(f"SELECT * FROM {self._summed.totals}")
        unwritten = self._fitted(self._database.frame(self._summed.rows_after, [_last(written)]))
        self._totals = _Totals(pl.concat([self._fitted(written), unwritten], rechunk=True), unwritten, {})

    def follow(self, count: int) -> None:
        """Take up the last ``count`` rows of the table, which others wrote."""
        summed = self._summed
        sums = ", ".join(summed.counts.get(name, name) for name in summed.sums)
        for at_ms, close_ms, timeframe, *values in self._database.rows(
            f"SELECT epoch_ms({summed.at}), epoch_ms({summed.candles_until}), timeframe, {sums} "
            f"FROM {last_rows(summed.table, count)} AS fresh ORDER BY {summed.number}"
        ):
            numbers = [int(str(value)) for value in values]
            self.adopt(int(str(at_ms)), int(str(close_ms)), str(timeframe), numbers)

    def write_due(self, transaction: Transaction, now_ms: int, last_number: int) -> bool:
        """Write what has been added up to ``last_number``, if its hour is over; whether it was."""
        unwritten, buckets = self._totals.unwritten, self._totals.buckets
        hours = {*unwritten["hour"].dt.epoch("ms").unique().to_list(), *(hour for hour, _, _ in buckets)}
        if hours <= {_hour(now_ms)} and unwritten.height + len(buckets) <= _MOST_BUCKETS:
            return False
        rows = pl.concat([unwritten, self._rows_of(buckets)])
        transaction.append(self._summed.totals, rows.with_columns(pl.lit(last_number).alias("last_number")))
        return True

    def adopt(
        self, now_ms: int, close_ms: int, timeframe: str, values: Sequence[int], *, is_written: bool = False
    ) -> None:
        """Take over a committed row of the table; ``is_written``: what was added up before was written with it."""
        totals = self._totals
        if is_written:
            rows = pl.concat([totals.rows, self._rows_of(totals.buckets)], rechunk=True)
            totals = _Totals(rows, totals.unwritten.clear(), {})
        bucket = (_hour(now_ms), close_ms - close_ms % _DAY_MS, timeframe)
        before = totals.buckets.get(bucket)
        totals.buckets[bucket] = tuple(values) if before is None else tuple(map(int.__add__, before, values))
        self._totals = totals

    def between(self, since_ms: int | None, until_ms: int | None) -> pl.DataFrame:
        """The totals of the hours that begin from one time to another, columns ``hour candle_day timeframe`` and the
        sums; several rows may be of one bucket. Times are naive."""
        rows, buckets = self._totals.rows, self._totals.buckets
        totals = pl.concat([rows, self._rows_of(buckets)]) if buckets else rows
        if since_ms is not None:
            totals = totals.filter(pl.col("hour") >= naive_time(_hour(since_ms)))
        if until_ms is not None:
            totals = totals.filter(pl.col("hour") < naive_time(until_ms))
        return totals

    def _rows_of(self, buckets: dict[_Bucket, tuple[int, ...]]) -> pl.DataFrame:
        # Copied in one go: the writer may add to them meanwhile.
        rows = [(*bucket, *sums) for bucket, sums in list(buckets.items())]
        schema = self._schema | {"hour": pl.Int64, "candle_day": pl.Int64}
        return self._fitted(pl.DataFrame(rows, schema=schema, orient="row"))

    def _fitted(self, rows: pl.DataFrame) -> pl.DataFrame:
        return naive(rows).select(pl.col(name).cast(kind) for name, kind in self._schema.items())


def _last(written: pl.DataFrame) -> int:
    last = written["last_number"].max()
    return last if isinstance(last, int) else 0


def _hour(time_ms: int) -> int:
    return time_ms - time_ms % _HOUR_MS
