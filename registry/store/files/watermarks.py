"""How far each group has been judged; the owner keeps it in memory."""

from collections.abc import Iterator, Sequence

from registry.groups import Group
from registry.store.files.database import Database
from registry.store.parts.ticks import WatermarkMove


class Watermarks:
    """Group -> close time up to which it has been judged. The moves of a tick are adopted after its commit."""

    def __init__(self, database: Database) -> None:
        if not database.read_only:
            _compact(database)
        self._by_group = {
            Group.parse(str(group)): (str(timeframe), int(str(watermark)))
            for group, timeframe, watermark in database.rows(
                "SELECT group_key, timeframe, epoch_ms(max(watermark)) FROM registry.group_watermarks GROUP BY ALL"
            )
        }

    def of(self, group: Group) -> int | None:
        """Close time up to which a group has been judged, ``None`` before its first tick."""
        known = self._by_group.get(group)
        return None if known is None else known[1]

    def of_timeframe(self, timeframe: str) -> dict[Group, int]:
        """The watermarks of all groups of a timeframe."""
        return {group: mark for group, (own, mark) in self._by_group.items() if own == timeframe}

    def __iter__(self) -> Iterator[tuple[Group, int]]:
        """(group, watermark) of all groups."""
        return ((group, mark) for group, (_, mark) in self._by_group.items())

    def adopt(self, timeframe: str, moves: Sequence[WatermarkMove]) -> None:
        """Take over moves that have been committed."""
        self._by_group.update({move.group: (timeframe, move.to_ms) for move in moves})


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
