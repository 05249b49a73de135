"""Where the slots of a series begin and end, which one is a step before another, and which one closed last.

A series has a grid, which says where its slots are, and a calendar. ``24x7``: every slot of the grid should have a
candle, and one without is a gap. ``sessions`` (stocks, forex): there are no candles while the market is closed, so one
step back is the previous candle, at most a week earlier.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from common.errors import GridError
from common.grids import UTC_GRID, Grid
from common.missing_slots import LONGEST_CLOSURE_MS, missing_between, missing_in_sessions
from common.slots import Times, slots_of
from common.timeframes import show_time
from registry.groups import Series
from registry.instruments import Calendar

MillisecondArray = NDArray[np.int64]


class SeriesCalendar:
    """The calendar and the grid of a series. Times are milliseconds; candles are named by their open times, sorted."""

    def __init__(self, timeframe: str, calendar: Calendar = "24x7", grid: Grid = UTC_GRID) -> None:
        self.timeframe = timeframe
        self.grid = grid
        self.has_sessions = calendar == "sessions"
        self.slots = slots_of(timeframe, grid)

    def close(self, open_ms: Times) -> Times:
        """When the candles close that open at these times."""
        return self.slots.close(self.slots.number(open_ms))

    def last_open(self, time_ms: Times) -> Times:
        """Open time of the last slot that has ended by a time."""
        return self.slots.open(self.slots.last_closed(time_ms))

    def open_from(self, time_ms: int) -> int:
        """Open time of the first slot that begins at or after a time."""
        return self.slots.open(self.slots.number(time_ms - 1) + 1)

    def next_close(self, time_ms: int) -> int:
        """When the slot ends that comes after the last one that has ended by a time."""
        return _next_close(self, time_ms)

    def closing(self, after_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """(open time, close time) of the slots that end after one time and by another."""
        for number in _closing(self, after_ms, until_ms):
            yield self.slots.open(number), self.slots.close(number)

    def back(self, time_ms: int, steps: int) -> int:
        """The earliest open time of the candle ``steps`` steps before one that opens at a time."""
        earliest = self.slots.open(self.slots.number(time_ms) - steps)
        return min(earliest, time_ms - steps * LONGEST_CLOSURE_MS) if self.has_sessions else earliest

    def is_step(self, open_before_ms: int, open_ms: int) -> bool:
        """Whether a candle is one step after another."""
        if self.slots.number(open_ms) - self.slots.number(open_before_ms) == 1:
            return True
        return self.has_sessions and 0 < open_ms - open_before_ms <= LONGEST_CLOSURE_MS

    def adjacent(self, opens: MillisecondArray, before: int | None) -> NDArray[np.bool_]:
        """Whether each candle is one step after the previous one; ``before`` is the candle before the first."""
        earlier = np.concatenate([opens[:1] if before is None else [before], opens])
        steps: NDArray[np.bool_] = np.diff(self.slots.number(earlier)) == 1
        if self.has_sessions:
            apart = np.diff(earlier)
            steps |= (apart > 0) & (apart <= LONGEST_CLOSURE_MS)
        return steps

    def missing(self, opens: MillisecondArray) -> list[tuple[int, int]]:
        """The open time of the first slot of each run without a candle, and how many slots it has, oldest first."""
        if self.has_sessions:
            first, last = missing_in_sessions(opens, self.slots, slots_of("1d", self.grid))
        else:
            first, last = missing_between(opens[:-1], opens[1:], self.slots)
        return list(zip(self.slots.open(first).tolist(), (last - first + 1).tolist(), strict=True))

    def last_closed(
        self, opens: MillisecondArray, times: MillisecondArray
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At each time: the row of the last closed slot's candle, -1 if it has none, and how many candles had
        closed."""
        needed = self.last_open(times)
        count: NDArray[np.int64] = np.searchsorted(opens, needed, side="right")
        rows = count - 1
        is_there = opens[rows] == needed
        if self.has_sessions:
            is_there |= times - self.close(opens[rows]) <= LONGEST_CLOSURE_MS
        return np.where((rows >= 0) & is_there, rows, -1), count

    def is_current(self, open_ms: int, time_ms: int) -> bool:
        """Whether a series' newest candle that has closed by a time is what is seen of it then."""
        if self.last_open(time_ms) == open_ms:
            return True
        return self.has_sessions and time_ms - self.close(open_ms) <= LONGEST_CLOSURE_MS

    def require_slots(self, series: Series, opens: MillisecondArray) -> None:
        """Raises :class:`common.errors.GridError` for a candle that opens where no slot does."""
        aside = opens[~np.asarray(self.slots.is_open(opens))]
        if aside.size:
            raise GridError(
                f"{series} has a candle that opens at {show_time(int(aside[0]))}, where no slot of {self.timeframe}"
                f" begins on the grid {str(self.grid)!r}; say where the instrument's slots begin, such as 'day 16:00',"
                " '3d 1' or 'America/New_York, session 09:30-16:00', or name the candles' real timeframe"
            )


# Thousands of series ask the same of a few calendars at each tick.
@lru_cache(maxsize=4096)
def _next_close(calendar: SeriesCalendar, time_ms: int) -> int:
    slots = calendar.slots
    return slots.close(slots.last_closed(time_ms) + 1)


@lru_cache(maxsize=4096)
def _closing(calendar: SeriesCalendar, after_ms: int, until_ms: int) -> range:
    """The numbers of the slots that end after one time and by another."""
    return range(calendar.slots.last_closed(after_ms) + 1, calendar.slots.last_closed(until_ms) + 1)


@dataclass(frozen=True)
class Calendars:
    """The calendars and grids of all series. What is not named trades ``24x7`` on the grid of UTC."""

    by_instrument: Mapping[str, Calendar] = field(default_factory=dict)
    """Instrument (``NASDAQ:AAPL``) -> its calendar."""
    grids: Mapping[str, Grid] = field(default_factory=dict)
    """Instrument -> its grid, for series without an anchor."""
    fixed: Mapping[Series, Grid] = field(default_factory=dict)
    """Series with an anchor -> the grid that was fixed with it."""

    def of(self, series: Series) -> SeriesCalendar:
        """The calendar and grid of a series."""
        calendar = self.by_instrument.get(str(series.instrument), "24x7")
        return _series_calendar(series.timeframe, calendar, self.grid(series))

    def grid(self, series: Series) -> Grid:
        """The grid of a series."""
        return self.fixed.get(series) or self.grids.get(str(series.instrument), UTC_GRID)

    def with_fixed(self, fixed: Mapping[Series, Grid]) -> "Calendars":
        """The same with other grids for some series."""
        return replace(self, fixed={**self.fixed, **fixed})


AnyCalendars = Calendars | Mapping[str, Calendar]
"""Calendars with grids, or instrument -> calendar where all grids are UTC's."""


def as_calendars(calendars: AnyCalendars | None) -> Calendars:
    """Calendars and grids from what a caller has of them."""
    return calendars if isinstance(calendars, Calendars) else Calendars(calendars or {})


@lru_cache(maxsize=1024)
def _series_calendar(timeframe: str, calendar: Calendar, grid: Grid) -> SeriesCalendar:
    return SeriesCalendar(timeframe, calendar, grid)
