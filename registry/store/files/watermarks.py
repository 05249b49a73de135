"""How far each group has been judged; the owner keeps it in memory."""

from collections.abc import Iterator, Sequence

import polars as pl

from registry.groups import Group
from registry.store.parts.ticks import WatermarkMove
from registry.store.sql import Database, last_rows, naive_time

_AT_A_TIME = 50_000
"""Rows that one transaction of :meth:`Watermarks.trim` looks at, so that a tick waits for a moment only."""


class Watermarks:
    """Group -> close time up to which it has been judged. The moves of a tick are adopted after its commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        if not database.read_only:
            _compact(database)
        self._by_timeframe: dict[str, dict[Group, int]] = {}
        self._newest: int | None = None
        self.follow(None)

    def follow(self, count: int | None) -> None:
        """Take up the last ``count`` rows, or all of them."""
        for group, timeframe, watermark in self._database.rows(
            "SELECT group_key, timeframe, epoch_ms(max(watermark)) FROM "
            f"{last_rows('registry.group_watermarks', count)} AS fresh GROUP BY group_key, timeframe"
        ):
            self._put(str(timeframe), Group.parse(str(group)), int(str(watermark)))

    def of(self, group: Group) -> int | None:
        """Close time up to which a group has been judged, ``None`` before its first tick."""
        return self._by_timeframe.get(group.base.timeframe, {}).get(group)

    def of_timeframe(self, timeframe: str) -> dict[Group, int]:
        """The watermarks of all groups of a timeframe."""
        return dict(self._by_timeframe.get(timeframe, {}))

    @property
    def newest(self) -> int | None:
        """Close time up to which the group has been judged that has come furthest; ``None`` before the first tick."""
        return self._newest

    def __iter__(self) -> Iterator[tuple[Group, int]]:
        """(group, watermark) of all groups."""
        return ((group, mark) for marks in list(self._by_timeframe.values()) for group, mark in list(marks.items()))

    def adopt(self, timeframe: str, moves: Sequence[WatermarkMove]) -> None:
        """Take over moves that have been committed."""
        for move in moves:
            self._put(timeframe, move.group, move.to_ms)

    def _put(self, timeframe: str, group: Group, mark: int) -> None:
        self._by_timeframe.setdefault(timeframe, {})[group] = mark
        self._newest = mark if self._newest is None else max(self._newest, mark)

    def trim(self) -> int:
        """Keep only the newest row of each group, in short transactions. Returns how many rows were removed."""
        with self._database.alone():
            marks = list(self)
        newest = pl.DataFrame(
            [(group, naive_time(mark)) for group, mark in marks],
            schema={"group_key": pl.String, "watermark": pl.Datetime("ms")},
            orient="row",
        )
        per_tick = self._database.frame(
            "SELECT tick_id, count(*) AS rows FROM registry.group_watermarks GROUP BY tick_id ORDER BY tick_id"
        )
        turns = per_tick.group_by(pl.col("rows").cum_sum() // _AT_A_TIME, maintain_order=True).agg(
            pl.col("tick_id").first().alias("first"), pl.col("tick_id").last().alias("last")
        )
        removed = 0
        for first, last in turns.select("first", "last").iter_rows():
            with self._database.transaction() as transaction:
                removed += transaction.delete(
                    """
                    DELETE FROM registry.group_watermarks w USING newest n
                    WHERE w.tick_id BETWEEN ? AND ? AND n.group_key = w.group_key AND w.watermark < n.watermark
                    """,
                    [first, last],
                    newest=newest,
                )
        return removed


def _compact(database: Database) -> None:
    """Keep only the newest row of each group: the table grows by a row per group and tick."""
    with database.transaction() as transaction:
        transaction.execute(
            """
            DELETE FROM registry.group_watermarks w WHERE EXISTS (
                SELECT 1 FROM registry.group_watermarks n
                WHERE n.group_key = w.group_key AND n.watermark > w.watermark
            )
            """
        )
