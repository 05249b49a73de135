"""What was tried on each series, in ``registry.duckdb`` and in the owner's memory: a few digests, never conditions."""

from collections.abc import Sequence

import polars as pl

from registry.groups import Series
from registry.store.sql import Database
from registry.tried import MOST, count_of, smallest


class TrialTables:
    """Implements :class:`registry.store.parts.trials.TrialStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._digests: dict[str, list[int]] = {}
        self.follow()

    def follow(self) -> None:
        """Take up what others committed."""
        by_series: dict[str, list[int]] = {}
        for series, digest in self._database.rows("SELECT series, digest FROM registry.tried_conditions"):
            by_series.setdefault(str(series), []).append(int(str(digest)))
        self._digests = {series: smallest(digests) for series, digests in by_series.items()}

    def record(self, series: Series, digests: Sequence[int]) -> int:
        name = str(series)
        if not self._fresh(name, digests):
            # Somebody who changes a threshold back and forth writes nothing.
            return count_of(self._digests.get(name, []))
        with self._database.alone():
            fresh = self._fresh(name, digests)
            with self._database.transaction() as transaction:
                rows = pl.DataFrame({"series": [name] * len(fresh), "digest": fresh})
                transaction.append("registry.tried_conditions", rows)
            self._digests[name] = smallest([*self._digests.get(name, []), *fresh])
            return count_of(self._digests[name])

    def count(self, series: Series, digests: Sequence[int]) -> int:
        return count_of(smallest([*self._digests.get(str(series), []), *digests]))

    def trim(self) -> int:
        """Remove digests that smaller ones have replaced; returns how many."""
        with self._database.alone():
            full = [(series, digests[-1]) for series, digests in self._digests.items() if len(digests) == MOST]
            if not full:
                return 0
            largest = pl.DataFrame(full, schema={"series": pl.String, "digest": pl.Int64}, orient="row")
            with self._database.transaction() as transaction:
                return transaction.delete(
                    """
                    DELETE FROM registry.tried_conditions t USING largest l
                    WHERE t.series = l.series AND t.digest > l.digest
                    """,
                    largest=largest,
                )

    def _fresh(self, name: str, digests: Sequence[int]) -> list[int]:
        """Those of some digests that would be kept and are not."""
        before = self._digests.get(name, [])
        return sorted(set(smallest([*before, *digests])) - set(before))
