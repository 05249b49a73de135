"""Which candles changed, and in what order; the owner keeps it in memory."""

from collections import deque
from collections.abc import Collection, Mapping
from secrets import randbits

from registry.groups import Series

_KEPT = 256
"""Changes remembered of a series, each at later candles than the one before: more than a tick takes by far."""


class CandleChanges:
    """Changes to candles, numbered in the order of their commits.

    A tick was judged from the candles as they are if, since the number that was current before it read any, no candle
    of its series has changed up to its slot.
    """

    def __init__(self) -> None:
        # A number that somebody got from an earlier owner must not be taken for one of this owner.
        self._first: int = randbits(40)
        self.number = self._first
        """The number of the last change."""
        self._versions: dict[Series, int] = {}
        self._lowest: dict[Series, deque[tuple[int, int]]] = {}
        """Series -> (number of a change, open time of its first candle), both ascending: a change takes the place of
        those before it that began at the same candle or a later one."""
        self._forgotten: dict[Series, int] = {}
        """Series -> the last change that is not remembered any more."""

    def note(self, changed: Mapping[Series, int]) -> None:
        """Note a commit: the series whose candles it changed, and the open time of the first of them."""
        self.number += 1
        for series, open_ms in changed.items():
            self._versions[series] = self._versions.get(series, 0) + 1
            lowest = self._lowest.setdefault(series, deque())
            while lowest and lowest[-1][1] >= open_ms:
                lowest.pop()
            lowest.append((self.number, open_ms))
            if len(lowest) > _KEPT:
                self._forgotten[series] = lowest.popleft()[0]

    def version(self, series: Collection[Series]) -> int:
        """Grows with every change to candles of some series."""
        return self._first + sum(self._versions.get(each, 0) for each in series)

    def reached(self, series: Series, number: int, before_ms: int) -> bool:
        """Whether a change after ``number`` reached a candle that opens before a time; also if that is not known."""
        if not max(self._first, self._forgotten.get(series, 0)) <= number <= self.number:
            return True
        return any(open_ms < before_ms for change, open_ms in self._lowest.get(series, ()) if change > number)
