"""What users have registered today, for their quotas. Used by whoever may write."""

from collections.abc import Mapping

from registry.quotas import begin_of, day_of
from registry.store.sql import Database, last_rows, naive_time

Registered = tuple[int, int]
"""New conditions, and the bytes of their canonical texts."""


class RegisteredToday:
    """Counted in memory; read from the table once a day, when somebody asks first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._day: int | None = None
        self._users: dict[str, Registered] = {}

    def of(self, user_id: str, now_ms: int) -> Registered:
        """What a user has registered on the day of a moment."""
        day = day_of(now_ms)
        if day != self._day:
            self._day, self._users = day, {}
            self.add(self._written("registry.condition_registry", day))
        return self._users.get(user_id, (0, 0))

    def add(self, registered: Mapping[str, Registered]) -> None:
        """Count what was committed."""
        if self._day is not None:
            for user_id, (count, size) in registered.items():
                before = self._users.get(user_id, (0, 0))
                self._users[user_id] = before[0] + count, before[1] + size

    def follow(self, conditions: int) -> None:
        """Count what others committed: so many rows more."""
        if self._day is not None:
            self.add(self._written(last_rows("registry.condition_registry", conditions), self._day))

    def _written(self, table: str, day: int) -> dict[str, Registered]:
        rows = self._database.rows(
            f"""
            SELECT registered_by, count(*), sum(strlen(canonical)) FROM {table} AS registered
            WHERE registered_by IS NOT NULL AND created_at >= ? GROUP BY registered_by
            """,
            [naive_time(begin_of(day))],
        )
        return {str(user): (int(str(count)), int(str(size))) for user, count, size in rows}
