"""Conditions that are registered and not judged, in ``registry.duckdb``; the owner keeps them in memory."""

from collections.abc import Mapping
from typing import cast

import polars as pl

from registry.store.parts.registry import Unjudged, UnjudgedState
from registry.store.sql import Database, Transaction, last_rows, newest_rows

_JUDGED = "judged"


class UnjudgedTables:
    """Why conditions are not judged. Changes are written in the transaction of their cause, and adopted after it."""

    def __init__(self, database: Database) -> None:
        self._unjudged: dict[str, Unjudged] = {}
        self._database = database
        self.adopt(self.written(None))

    def written(self, count: int | None) -> dict[str, Unjudged | None]:
        """What the last ``count`` rows of the table say, or all of them."""
        rows = self._database.rows(
            f"""
            SELECT condition_id, state, reason, epoch_ms(since)
            FROM {newest_rows(last_rows("registry.unjudged_conditions", count), "condition_id")} AS newest
            ORDER BY condition_id
            """
        )
        return {
            str(condition_id): None
            if state == _JUDGED
            else Unjudged(cast(UnjudgedState, str(state)), str(reason), int(str(since_ms)))
            for condition_id, state, reason, since_ms in rows
        }

    def all(self) -> Mapping[str, Unjudged]:
        """Condition id -> why it is not judged."""
        return dict(self._unjudged)

    def of(self, condition_id: str) -> Unjudged | None:
        """Why a condition is not judged; ``None`` if it is."""
        return self._unjudged.get(condition_id)

    def write(self, transaction: Transaction, changes: Mapping[str, Unjudged | None], now_ms: int) -> None:
        """Append changes to the table; ``None`` for a condition that is judged again."""
        rows = [
            (condition_id, _JUDGED, "", now_ms) if why is None else (condition_id, why.state, why.reason, why.since_ms)
            for condition_id, why in changes.items()
        ]
        schema = {"condition_id": pl.String, "state": pl.String, "reason": pl.String, "since": pl.Int64}
        frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit(now_ms).alias("created_at"))
        transaction.append(
            "registry.unjudged_conditions", frame.with_columns(pl.col("since", "created_at").cast(pl.Datetime("ms")))
        )

    def adopt(self, changes: Mapping[str, Unjudged | None]) -> None:
        """Take over changes that have been committed."""
        # Replaced as a whole: readers in other threads copy it.
        changed = {**self._unjudged, **changes}
        self._unjudged = {condition_id: why for condition_id, why in changed.items() if why is not None}
