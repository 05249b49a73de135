"""Which slot is one step before another, and which slot of a series closed last.

``24x7``: every slot of the timeframe's grid should have a candle, and one without is a gap. ``sessions`` (stocks,
forex): there are no candles while the market is closed, so one step back is the previous candle, at most a week
earlier.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.timeframes import DURATION_MS, slot_at_or_before
from registry.groups import Series
from registry.instruments import Calendar

LONGEST_CLOSURE_MS = 7 * DURATION_MS["1d"]
"""A longer time without a candle is a gap even for a market with sessions."""

MillisecondArray = NDArray[np.int64]


class SeriesCalendar:
    """The calendar of one series. Times are milliseconds; candles are named by their open times, sorted."""

    def __init__(self, timeframe: str, calendar: Calendar) -> None:
        self.timeframe = timeframe
        self.has_sessions = calendar == "sessions"
        self._length = DURATION_MS[timeframe]

    def is_step(self, open_before_ms: int, open_ms: int) -> bool:
        """Whether a candle is one step after another."""
        apart = open_ms - open_before_ms
        return apart == self._length or (self.has_sessions and 0 < apart <= LONGEST_CLOSURE_MS)

    def adjacent(self, opens: MillisecondArray, before: int | None) -> NDArray[np.bool_]:
        """Whether each candle is one step after the previous one; ``before`` is the candle before the first."""
        apart = np.diff(opens, prepend=opens[:1] if before is None else before)
        steps: NDArray[np.bool_] = apart == self._length
        if self.has_sessions:
            steps = (apart > 0) & (apart <= LONGEST_CLOSURE_MS)
        return steps

    def last_closed(
        self, opens: MillisecondArray, times: MillisecondArray
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At each time: the row of the last closed slot's candle, -1 if it has none, and how many candles had
        closed."""
        count: NDArray[np.int64] = np.searchsorted(opens, times - self._length, side="right")
        rows = count - 1
        if self.has_sessions:
            ago = times - (opens[rows] + self._length)
            return np.where((rows >= 0) & (ago <= LONGEST_CLOSURE_MS), rows, -1), count
        needed = slot_at_or_before(times, self.timeframe) - self._length
        return np.where((rows >= 0) & (opens[rows] == needed), rows, -1), count


def calendar_of(series: Series, calendars: Mapping[str, Calendar]) -> SeriesCalendar:
    """The calendar of a series; an instrument without an entry trades 24x7."""
    return SeriesCalendar(series.timeframe, calendars.get(str(series.instrument), "24x7"))
