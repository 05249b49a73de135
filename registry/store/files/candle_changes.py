"""Which candles changed, and in what order; kept in memory, and as rows where several processes write candles."""

from collections import deque
from collections.abc import Collection, Mapping
from secrets import randbits

import polars as pl

from registry.groups import Series
from registry.store.sql import Transaction

_KEPT = 256
"""Changes remembered of a series, each at later candles than the one before: more than a tick takes by far."""


class CandleChanges:
    """Changes to candles, numbered in the order of their commits.

    A tick was judged from the candles as they are if, since the number that was current before it read any, no candle
    of its series has changed up to its slot.
    """

    def __init__(self, first: int | None = None, table: str | None = None) -> None:
        """``first`` is the number of the last change before this process; by default one that no other owner had.
        ``table`` is where other processes read of changes, if there are any."""
        self._table = table
        # A number that somebody got from an earlier owner must not be taken for one of this owner.
        self._first: int = randbits(40) if first is None else first
        self.number = self._first
        """The number of the last change."""
        self._versions: dict[Series, int] = {}
        self._lowest: dict[Series, deque[tuple[int, int]]] = {}
        """Series -> (number of a change, open time of its first candle), both ascending: a change takes the place of
        those before it that began at the same candle or a later one."""
        self._forgotten: dict[Series, int] = {}
        """Series -> the last change that is not remembered any more."""

    def note(self, changed: Mapping[Series, int], rows: int | None = None) -> None:
        """Note a commit: the series whose candles it changed, and the open time of the first of them; or several of
        other processes, which took a number of rows."""
        number = self.number + (len(changed) if rows is None else rows)
        for series, open_ms in changed.items():
            self._versions[series] = self._versions.get(series, 0) + 1
            lowest = self._lowest.setdefault(series, deque())
            while lowest and lowest[-1][1] >= open_ms:
                lowest.pop()
            lowest.append((number, open_ms))
            if len(lowest) > _KEPT:
                self._forgotten[series] = lowest.popleft()[0]
        self.number = number

    def write(self, transaction: Transaction, changed: Mapping[Series, tuple[int, int | None]]) -> None:
        """Tell other processes, in the transaction of the change: the open times of the first and the last candle that
        a series got, or no last one where candles were removed or replaced. Nothing to do if there are none."""
        if self._table is not None and changed:
            rows = [(series, *span) for series, span in changed.items()]
            schema = {"series": pl.String, "first_ms": pl.Int64, "last_ms": pl.Int64}
            transaction.append(self._table, pl.DataFrame(rows, schema=schema, orient="row"))

    def version(self, series: Collection[Series]) -> int:
        """Grows with every change to candles of some series."""
        return self._first + sum(self._versions.get(each, 0) for each in series)

    def reached(self, series: Series, number: int, before_ms: int) -> bool:
        """Whether a change after ``number`` reached a candle that opens before a time; also if that is not known."""
        if not max(self._first, self._forgotten.get(series, 0)) <= number <= self.number:
            return True
        return any(open_ms < before_ms for change, open_ms in self._lowest.get(series, ()) if change > number)
