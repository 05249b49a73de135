"""Tables of ``candles.duckdb``: candles, series, instruments, revisions, quarantine."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from common.candle_columns import VALUES
from common.clock import Clock
from common.grids import Grid
from common.timeframes import DURATION_MS
from registry.directory import Directory
from registry.groups import Series
from registry.instruments import Calendar, Instrument, Listing
from registry.store.files.candle_changes import CandleChanges
from registry.store.files.candle_deletion import delete_candles
from registry.store.files.candle_gaps import CandleGaps
from registry.store.files.correction_tables import DIFFERS, NEWEST_REVISIONS, CorrectionTables
from registry.store.files.instrument_tables import InstrumentTables
from registry.store.parts.candles import UpsertCounts
from registry.store.sql import Database, Transaction, last_rows, naive, naive_time

_MARKS = ("filled", "widened")
"""What may be said of a candle beside its values."""
_CANDLE_COLUMNS = f"s.exchange, s.symbol, s.timeframe, c.open_time, {', '.join(f'c.{name}' for name in VALUES)}"


@dataclass(frozen=True)
class JudgedSpan:
    """The judged part of a stored series: the candles that open from one time to another."""

    series: Series
    first_open_ms: int
    last_open_ms: int


class CandleTables:
    """Implements :class:`registry.store.parts.candles.CandleStore`.

    ``judged`` returns what must not be rewritten, ``grids_of_anchors`` the grid of every series with an anchor;
    ``changes`` is told of every commit that changed candles.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        judged: Callable[[], list[JudgedSpan]],
        grids_of_anchors: Callable[[], Mapping[Series, Grid]],
        changes: CandleChanges,
    ) -> None:
        self._database = database
        self._clock = clock
        self._changes = changes
        self._corrections = CorrectionTables(database, clock)
        self._instruments = InstrumentTables(database, clock)
        self._gaps = CandleGaps(database, grids_of_anchors, self.extent)
        self._judged = judged
        self._state = object()
        """Another object after each commit that changed candles: what was read before it is not taken for newer."""
        self._names: tuple[object, set[Series]] = (None, set())
        self._extents: dict[str, tuple[object, dict[Series, tuple[int, int]]]] = {}
        """Timeframe -> the state to which they belong, and its extents. To read them is to read all of its candles."""

    def upsert(self, candles: pl.DataFrame) -> UpsertCounts:
        if candles.is_empty():
            return UpsertCounts()
        # Locked until the memory knows what was committed.
        with self._database.alone():
            return self._upsert(candles)

    def _upsert(self, candles: pl.DataFrame) -> UpsertCounts:
        candles = candles.with_columns(pl.lit(False).alias(mark) for mark in _MARKS if mark not in candles.columns)
        created_at = naive_time(self._clock.now_ms())
        with self._database.transaction() as transaction:
            has_new_series = _add_series(transaction, candles, created_at)
            incoming = self._with_verdict(transaction, candles)
            counts = incoming.group_by("verdict").len()
            count = dict(zip(counts["verdict"], counts["len"], strict=True))
            fresh = incoming.filter(pl.col("verdict").is_in(["inserted", "replaced"]))
            # Known to be there or not, they need no MERGE, which takes several times as long.
            added = fresh.filter(pl.col("verdict") == "inserted").sort("series_id", "open_time")
            transaction.append("candles.candles", added.drop("series", "verdict"))
            _merge(transaction, fresh.filter(pl.col("verdict") == "replaced").drop("series", "verdict"))
            spans = _spans(fresh)
            self._changes.write(transaction, spans)
            revised = incoming.filter(pl.col("verdict") == "revised")
            transaction.append(
                "candles.candle_revisions",
                revised.select("series_id", "open_time", *VALUES, *_MARKS, pl.lit(created_at).alias("created_at")),
            )
        if has_new_series:
            self._instruments.reload()
        self._note_candles(spans, has_new_series)
        return UpsertCounts(**{str(verdict): int(n) for verdict, n in count.items()})

    def judged(self, series: Series) -> list[tuple[int, int]]:
        return sorted((span.first_open_ms, span.last_open_ms + 1) for span in self._judged() if span.series == series)

    def delete(self, series: Series, start_ms: int, stop_ms: int) -> int:
        with self._database.alone():
            deleted = delete_candles(self._database, self._changes, series, start_ms, stop_ms, self.judged(series))
            self._note_changes({series: start_ms})
        return deleted

    def take_revisions(self, series: Series, rebase: int) -> int:
        """Make the newest revisions of a series its candles, and keep the old ones. Returns how many changed."""
        with self._database.transaction() as transaction:
            fresh = transaction.frame(
                f"""
                SELECT r.series_id, r.open_time, {", ".join(f"r.{name}" for name in (*VALUES, *_MARKS))},
                    {", ".join(f"c.{name} AS was_{name}" for name in VALUES)}
                FROM {NEWEST_REVISIONS} AS r JOIN candles.series s USING (series_id)
                LEFT JOIN candles.candles c USING (series_id, open_time)
                WHERE s.series = ? AND {DIFFERS}
                """,
                [series],
            )
            was = {f"was_{name}": name for name in VALUES}
            transaction.append(
                "candles.candle_superseded",
                fresh.select("series_id", "open_time", *was).rename(was).with_columns(pl.lit(rebase).alias("rebase")),
            )
            _merge(transaction, fresh.drop(list(was)))
            changed = {series: int(fresh["open_time"].dt.epoch("ms").sort()[0])} if fresh.height else {}
            self._changes.write(transaction, {name: (first, None) for name, first in changed.items()})
        if changed:
            self._note_changes(changed)
        return fresh.height

    def instruments(self) -> list[Instrument]:
        return [listing.instrument for listing in self._instruments.listings()]

    def listings(self) -> list[Listing]:
        return self._instruments.listings()

    def directory(self) -> Directory:
        return self._instruments.directory

    def list_instruments(self, listings: Sequence[Listing]) -> int:
        return self._instruments.add(listings)

    def set_calendar(self, instrument: Instrument, calendar: Calendar) -> None:
        self._instruments.set_calendar(instrument, calendar)

    def calendars(self) -> dict[str, Calendar]:
        return self._instruments.calendars()

    def grids(self) -> dict[str, Grid]:
        return self._instruments.grids()

    def quarantine(self, rows: pl.DataFrame) -> int:
        return self._corrections.quarantine(rows)

    def quarantined(self) -> pl.DataFrame:
        return self._corrections.quarantined()

    def revisions(self, series: Series | None = None) -> pl.DataFrame:
        return self._corrections.revisions(series)

    def superseded(self, series: Series) -> pl.DataFrame:
        return self._corrections.superseded(series)

    def series(self) -> pl.DataFrame:
        return self._database.frame(
            """
            SELECT s.series, s.exchange, s.symbol, s.timeframe,
                   min(c.open_time) AS first_open_time, max(c.open_time) AS last_open_time,
                   count(c.open_time) AS candles, count(*) FILTER (WHERE c.filled) AS filled,
                   count(*) FILTER (WHERE c.widened) AS widened,
                   (SELECT count(*) FROM candles.candle_revisions r WHERE r.series_id = s.series_id) AS revisions
            FROM candles.series s LEFT JOIN candles.candles c USING (series_id)
            GROUP BY s.series_id, s.series, s.exchange, s.symbol, s.timeframe ORDER BY s.exchange, s.symbol, s.timeframe
            """
        )

    def gaps(self, series: Series | None = None) -> pl.DataFrame:
        return self._gaps.missing(series)

    def at(self, timeframe: str, open_time_ms: int) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT s.series, {", ".join(f"c.{name}" for name in VALUES)}
            FROM candles.candles c JOIN candles.series s USING (series_id)
            WHERE c.open_time = make_timestamp_ms(?) AND s.timeframe = ?
            """,
            [open_time_ms, timeframe],
        )

    def between(self, series: Series, start_ms: int, stop_ms: int) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT {_CANDLE_COLUMNS} FROM candles.candles c JOIN candles.series s USING (series_id)
            WHERE s.series = ? AND c.open_time >= make_timestamp_ms(?) AND c.open_time < make_timestamp_ms(?)
            ORDER BY c.open_time
            """,
            [series, start_ms, stop_ms],
        )

    def within(self, series: Sequence[Series], start_ms: int, stop_ms: int) -> pl.DataFrame:
        return self._database.frame(
            f"""
            SELECT s.series, c.open_time, {", ".join(f"c.{name}" for name in VALUES)}
            FROM candles.candles c JOIN candles.series s USING (series_id)
            WHERE s.series IN (SELECT unnest(?::VARCHAR[])) AND c.open_time >= make_timestamp_ms(?)
                AND c.open_time < make_timestamp_ms(?)
            ORDER BY s.series, c.open_time
            """,
            [list(series), start_ms, stop_ms],
        )

    def last(self, series: Series, stop_ms: int, count: int) -> pl.DataFrame:
        # A gap-free series has them within `count` slots, so the time bound skips most of the table; the unbounded
        # query is for series with gaps.
        timeframe = series.timeframe
        near = self.between(series, stop_ms - count * DURATION_MS[timeframe], stop_ms)
        if near.height >= count:
            return near.tail(count)
        return self._database.frame(
            f"""
            SELECT {_CANDLE_COLUMNS} FROM candles.candles c JOIN candles.series s USING (series_id)
            WHERE s.series = ? AND c.open_time < make_timestamp_ms(?) ORDER BY c.open_time DESC LIMIT ?
            """,
            [series, stop_ms, count],
        ).reverse()

    def first_open_from(self, series: Series, time_ms: int) -> int | None:
        rows = self._database.rows(
            """
            SELECT epoch_ms(min(c.open_time)) FROM candles.candles c JOIN candles.series s USING (series_id)
            WHERE s.series = ? AND c.open_time >= make_timestamp_ms(?)
            """,
            [series, time_ms],
        )
        return None if rows[0][0] is None else int(str(rows[0][0]))

    def extent(self, timeframe: str) -> dict[Series, tuple[int, int]]:
        state, (known, extents) = self._state, self._extents.get(timeframe, (None, {}))
        if known is not state:
            extents = self._read_extents(timeframe)
            self._extents[timeframe] = state, extents
        return dict(extents)

    def _read_extents(self, timeframe: str) -> dict[Series, tuple[int, int]]:
        rows = self._database.rows(
            """
            SELECT s.series, epoch_ms(min(c.open_time)), epoch_ms(max(c.open_time))
            FROM candles.candles c JOIN candles.series s USING (series_id) WHERE s.timeframe = ? GROUP BY s.series
            """,
            [timeframe],
        )
        return {Series.parse(str(series)): (int(str(first)), int(str(last))) for series, first, last in rows}

    def names(self) -> set[Series]:
        state, (known, names) = self._state, self._names
        if known is not state:
            rows = self._database.rows("SELECT series FROM candles.series")
            names = {Series.parse(str(series)) for (series,) in rows}
            self._names = state, names
        return set(names)

    def version(self, series: Collection[Series]) -> int:
        return self._changes.version(series)

    def last_change(self) -> int:
        return self._changes.number

    def follow(self, changes: int, instruments_changed: bool) -> None:
        """Take up what others committed: so many changes to candles, and perhaps instruments."""
        if instruments_changed:
            self._instruments.reload()
        if not changes:
            return
        added: dict[Series, tuple[int, int]] = {}
        lowest: dict[Series, int] = {}
        is_known = True
        for name, first_ms, last_ms in self._database.rows(
            f"SELECT series, first_ms, last_ms FROM {last_rows('candles.candle_changes', changes)} AS fresh"
        ):
            series, first = Series.parse(str(name)), int(str(first_ms))
            lowest[series] = min(first, lowest.get(series, first))
            if last_ms is None:
                is_known = False
            else:
                added[series] = _joined(added.get(series), (first, int(str(last_ms))))
        if is_known:
            self._note_candles(added, True, changes)
        else:
            self._note_changes(lowest, changes)

    def _note_candles(
        self, added: Mapping[Series, tuple[int, int]], has_new_series: bool, changes: int | None = None
    ) -> None:
        """Take over committed candles: what is known of series grows with them, and nothing has to be read again."""
        before, (names_of, names), extents = self._state, self._names, self._extents
        self._note_changes({series: first for series, (first, _) in added.items()}, changes)
        if names_of is before:
            self._names = self._state, names | added.keys() if has_new_series else names
        for timeframe, (extents_of, known) in list(extents.items()):
            if extents_of is before:
                grown = {
                    each: _joined(known.get(each), span) for each, span in added.items() if each.timeframe == timeframe
                }
                extents[timeframe] = self._state, known | grown if grown else known

    def _note_changes(self, changed: Mapping[Series, int], changes: int | None = None) -> None:
        self._state = object()
        self._changes.note(changed, changes)

    def _with_verdict(self, transaction: Transaction, candles: pl.DataFrame) -> pl.DataFrame:
        """What to do with each candle: ``series series_id open_time``, its values, ``filled widened verdict``."""
        judged = pl.DataFrame(
            [(span.series, span.first_open_ms, span.last_open_ms) for span in self._judged()],
            schema={"series": pl.String, "first": pl.Datetime("ms"), "last": pl.Datetime("ms")},
            orient="row",
        )
        same = " AND ".join(f"{{0}}.{name} = i.{name}" for name in (*VALUES, "filled"))
        lowest = naive(candles.select(pl.col("open_time").min()))["open_time"][0]
        return transaction.frame(
            f"""
            SELECT s.series, s.series_id, i.open_time, {", ".join(f"i.{name}" for name in VALUES)}, i.filled, i.widened,
                CASE
                    WHEN r.series_id IS NULL AND {same.format("c")} THEN 'unchanged'
                    WHEN i.filled AND NOT c.filled THEN 'unchanged' -- there is a real candle
                    WHEN EXISTS (
                        SELECT 1 FROM judged j WHERE j.series = s.series AND i.open_time BETWEEN j.first AND j.last
                    )
                        -- The newest version of the source counts, even if it takes a correction back.
                        THEN CASE WHEN {same.format("r")} THEN 'unchanged' ELSE 'revised' END
                    WHEN c.series_id IS NULL THEN 'inserted'
                    WHEN {same.format("c")} THEN 'unchanged'
                    ELSE 'replaced'
                END AS verdict
            FROM incoming i
            JOIN candles.series s USING (exchange, symbol, timeframe)
            LEFT JOIN candles.candles c
                ON c.series_id = s.series_id AND c.open_time = i.open_time AND c.open_time >= ?
            LEFT JOIN (
                SELECT * FROM {NEWEST_REVISIONS} AS newest WHERE open_time >= ?
            ) r
                ON r.series_id = s.series_id AND r.open_time = i.open_time
            """,
            [lowest, lowest],
            incoming=naive(candles),
            judged=judged,
        )


def _spans(candles: pl.DataFrame) -> dict[Series, tuple[int, int]]:
    """Series -> open times of its first and its last candle."""
    opens = pl.col("open_time").dt.epoch("ms")
    spans = candles.group_by("series").agg(opens.min().alias("first"), opens.max().alias("last"))
    return {Series.parse(series): (first, last) for series, first, last in spans.iter_rows()}


def _joined(known: tuple[int, int] | None, span: tuple[int, int]) -> tuple[int, int]:
    return span if known is None else (min(known[0], span[0]), max(known[1], span[1]))


def _merge(transaction: Transaction, candles: pl.DataFrame) -> None:
    if candles.is_empty():
        return
    columns = ("series_id", "open_time", *VALUES, *_MARKS)
    transaction.execute(
        f"""
        MERGE INTO candles.candles t USING incoming b
            ON t.series_id = b.series_id AND t.open_time = b.open_time AND t.open_time >= ?
        WHEN MATCHED THEN UPDATE SET {", ".join(f"{name} = b.{name}" for name in (*VALUES, *_MARKS))}
        WHEN NOT MATCHED THEN INSERT ({", ".join(columns)}) VALUES ({", ".join(f"b.{name}" for name in columns)})
        """,
        # The lower bound lets DuckDB skip row groups: 15 times faster for a correction of old candles.
        [candles["open_time"].min()],
        incoming=candles.sort("series_id", "open_time"),
    )


def _add_series(transaction: Transaction, candles: pl.DataFrame, created_at: datetime) -> bool:
    """Add the series that are not known, and their instruments. Returns whether there were any."""
    name = pl.col("exchange") + ":" + pl.col("symbol") + " " + pl.col("timeframe")
    known = transaction.frame("SELECT series, max(series_id) OVER () + 1 AS next FROM candles.series")
    fresh = (
        candles.select("exchange", "symbol", "timeframe", name.alias("series"))
        .unique()
        .filter(~pl.col("series").is_in(known["series"].implode()))
        .sort("series")
        .with_row_index("series_id", offset=known["next"][0] if known.height else 0)
    )
    transaction.append("candles.series", fresh)
    transaction.execute(
        """
        INSERT INTO candles.instruments (exchange, symbol, calendar, aliases, created_at)
        SELECT DISTINCT exchange, symbol, '24x7', ?::VARCHAR[], ?::TIMESTAMP_MS FROM fresh
        WHERE (exchange, symbol) NOT IN (SELECT exchange, symbol FROM candles.instruments)
        """,
        [[], created_at],
        fresh=fresh,
    )
    return not fresh.is_empty()
