"""Which slots of a series lack a candle, by its grid and its calendar.

Where a market never closes, that is every slot between two candles. Where it has sessions, nobody lists its holidays
and pauses: it was open between two candles of one day, at the times of day at which the series has candles on other
days (on one of ten at least), and it never stays closed for longer than :data:`LONGEST_CLOSURE_MS`.
"""

import numpy as np
from numpy.typing import NDArray

from common.slots import Slots
from common.timeframes import DURATION_MS

LONGEST_CLOSURE_MS = 7 * DURATION_MS["1d"]
"""A longer time without a candle is a gap even for a market with sessions."""

SlotNumbers = NDArray[np.int64]
_USUAL = 10
"""A time of day is usual if the series has candles at it on one day of so many."""


def missing_between(
    before_ms: NDArray[np.int64], after_ms: NDArray[np.int64], slots: Slots
) -> tuple[SlotNumbers, SlotNumbers]:
    """The first and the last number of each run of slots between two candles that follow each other in a series whose
    market never closes. The times are open times; pairs without a slot between them are left out."""
    first, last = slots.number(before_ms) + 1, slots.number(after_ms) - 1
    return first[first <= last], last[first <= last]


def missing_in_sessions(opens_ms: NDArray[np.int64], slots: Slots, days: Slots) -> tuple[SlotNumbers, SlotNumbers]:
    """The same for a series whose market has sessions. ``opens_ms`` are the open times of all of its candles, sorted;
    ``days`` are the days of its grid."""
    before_ms, after_ms = opens_ms[:-1], opens_ms[1:]
    within = (days.number(before_ms) == days.number(after_ms)) | (after_ms - before_ms > LONGEST_CLOSURE_MS)
    first, last = missing_between(before_ms[within], after_ms[within], slots)
    if not first.size:
        return first, last
    hours = _TradingHours(np.unique(slots.number(opens_ms)), slots, days)
    missing = np.concatenate([np.arange(begin, end + 1) for begin, end in zip(first, last, strict=True)])
    missing = missing[hours.contain(missing)]
    ends = np.flatnonzero(np.diff(missing) > 1)
    return np.append(missing[:1], missing[ends + 1]), np.append(missing[ends], missing[-1:])


class _TradingHours:
    """The weekdays on which a series usually has candles, and the times of day."""

    def __init__(self, numbers: SlotNumbers, slots: Slots, days: Slots) -> None:
        self._slots, self._days = slots, days
        day, time = self._placed(numbers)
        traded = np.unique(day)
        self._weekdays, times_of_weekday = np.unique(traded % 7, return_counts=True)
        self._weekdays = self._weekdays[2 * times_of_weekday >= times_of_weekday.max()]
        self._times, days_of_time = np.unique(time, return_counts=True)
        self._times = self._times[_USUAL * days_of_time >= traded.size]

    def contain(self, numbers: SlotNumbers) -> NDArray[np.bool_]:
        """Which slots are at those times of those days."""
        day, time = self._placed(numbers)
        return np.isin(day % 7, self._weekdays) & np.isin(time, self._times)

    def _placed(self, numbers: SlotNumbers) -> tuple[SlotNumbers, SlotNumbers]:
        """The day of each slot, and which one of its slots it is. Slots of several days are alike."""
        day = self._days.number(self._slots.open(numbers))
        first = self._slots.number(self._days.open(day))
        several = self._slots.number(self._days.open(day + 1)) == first
        return np.where(several, 0, day), np.where(several, 0, numbers - first)
