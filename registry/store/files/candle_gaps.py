"""Which candles the stored series lack, by their grids and calendars."""

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from common.grids import UTC_GRID, Grid
from common.missing_slots import SlotNumbers, missing_between, missing_in_sessions
from common.slots import Slots, slots_of
from common.timeframes import DURATION_MS
from registry.groups import Series
from registry.store.sql import Database

_GAPS = {
    **dict.fromkeys(("series", "calendar"), pl.String),
    **dict.fromkeys(("first_ms", "last_ms", "slots"), pl.Int64),
}
_LENGTHS = pl.DataFrame({"timeframe": list(DURATION_MS), "length": list(DURATION_MS.values())})
_OF_SERIES = "s.series, i.calendar, coalesce(i.grid, 'UTC') AS grid"
_CANDLES = """candles.candles c JOIN candles.series s USING (series_id)
    JOIN candles.instruments i USING (exchange, symbol)"""


class CandleGaps:
    """The gaps of the series in ``candles.duckdb``. ``grids_of_anchors`` has the grid of every series with an anchor;
    others are on the grid of their instrument. ``extent`` has the open times of the first and the last candle of each
    series of a timeframe."""

    def __init__(
        self,
        database: Database,
        grids_of_anchors: Callable[[], Mapping[Series, Grid]],
        extent: Callable[[str], Mapping[Series, tuple[int, int]]],
    ) -> None:
        self._database = database
        self._grids_of_anchors = grids_of_anchors
        self._extent = extent

    def missing(self, series: Series | None) -> pl.DataFrame:
        """See :meth:`registry.store.parts.candles.CandleStore.gaps`."""
        gaps = [pl.DataFrame(schema=_GAPS)]
        for slots, _, mine in self._on_grids(self._apart(series)):
            first, last = missing_between(mine["before_ms"].to_numpy(), mine["open_ms"].to_numpy(), slots)
            gaps.append(_rows(mine, slots, first, last))
        for slots, days, mine in self._on_grids(self._with_sessions(series)):
            first, last = missing_in_sessions(mine["open_ms"].to_numpy(), slots, days)
            gaps.append(_rows(mine, slots, first, last))
        return self._database.frame(
            """
            SELECT g.series, make_timestamp_ms(g.first_ms) AS first_open_time,
                make_timestamp_ms(g.last_ms) AS last_open_time, g.slots,
                (
                    SELECT count(DISTINCT h.open_time) FROM registry.series_holes h
                    WHERE h.series = g.series AND epoch_ms(h.open_time) BETWEEN g.first_ms AND g.last_ms
                ) AS judged,
                g.calendar
            FROM gap g ORDER BY g.series, g.first_ms
            """,
            gap=pl.concat(gaps),
        )

    def _apart(self, series: Series | None) -> pl.DataFrame:
        """The candles of markets that never close, and those before them: ``series calendar grid open_ms
        before_ms``, by series and time.

        Most candles follow one another without a gap, so only the others leave the database: those that are not as far
        apart as their timeframe is long. On which grid they are, and whether it has slots there, comes later.
        """
        return self._database.frame(
            f"""
            SELECT series, calendar, grid, open_ms, before_ms FROM (
                SELECT {_OF_SERIES}, l.length, epoch_ms(c.open_time) AS open_ms,
                    lag(epoch_ms(c.open_time)) OVER (PARTITION BY c.series_id ORDER BY c.open_time) AS before_ms
                FROM {_CANDLES} JOIN lengths l USING (timeframe)
                WHERE s.series IN (SELECT unnest(?::VARCHAR[]))
            ) AS neighbours WHERE open_ms - before_ms <> length ORDER BY series, open_ms
            """,
            [self._with_stretches(series)],
            lengths=_LENGTHS,
        )

    def _with_stretches(self, series: Series | None) -> list[Series]:
        """The series of markets that never close in which candles may be apart: all but those that have as many as fit
        between the first and the last, which is far quicker to know than where they are. Where slots are of different
        lengths, it says nothing."""
        rows = self._database.rows(
            """
            SELECT s.series, coalesce(i.grid, 'UTC'), c.candles FROM (
                SELECT series_id, count(*) AS candles FROM candles.candles GROUP BY series_id
            ) AS c JOIN candles.series s USING (series_id) JOIN candles.instruments i USING (exchange, symbol)
            WHERE i.calendar <> 'sessions' AND s.series = coalesce(?, s.series)
            """,
            [series],
        )
        # The extents last: a candle that has come meanwhile makes them longer than the count, and is looked for.
        anchored, extents = self._grids_of_anchors(), dict[Series, tuple[int, int]]()
        for timeframe in {Series.parse(str(name)).timeframe for name, _, _ in rows}:
            extents |= self._extent(timeframe)
        apart: list[Series] = []
        for text, grid, candles in rows:
            name = Series.parse(str(text))
            first_ms, last_ms = extents.get(name, (0, 0))
            is_even = grid == "UTC" and anchored.get(name, UTC_GRID) == UTC_GRID
            if not is_even or last_ms - first_ms != (int(str(candles)) - 1) * DURATION_MS[name.timeframe]:
                apart.append(name)
        return apart

    def _with_sessions(self, series: Series | None) -> pl.DataFrame:
        """All candles of markets with sessions: ``series calendar grid open_ms``, by series and time."""
        return self._database.frame(
            f"""
            SELECT {_OF_SERIES}, epoch_ms(c.open_time) AS open_ms FROM {_CANDLES}
            WHERE i.calendar = 'sessions' AND s.series = coalesce(?, s.series) ORDER BY s.series, c.open_time
            """,
            [series],
        )

    def _on_grids(self, candles: pl.DataFrame) -> Iterator[tuple[Slots, Slots, pl.DataFrame]]:
        """The slots and the days of each series, and its candles."""
        anchored = self._grids_of_anchors()
        for mine in candles.partition_by("series", maintain_order=True):
            series, grid = Series.parse(str(mine["series"][0])), Grid.parse(str(mine["grid"][0]))
            grid = anchored.get(series, grid)
            yield slots_of(series.timeframe, grid), slots_of("1d", grid), mine


def _rows(candles: pl.DataFrame, slots: Slots, first: SlotNumbers, last: SlotNumbers) -> pl.DataFrame:
    """One row for each run of slots, with the names of its series."""
    runs = pl.DataFrame({"first_ms": slots.open(first), "last_ms": slots.open(last), "slots": last - first + 1})
    return runs.select(*(pl.lit(candles[name][0]).alias(name) for name in ("series", "calendar")), pl.all())
