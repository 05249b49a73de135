"""The slots of one timeframe on one grid: which slot a time is in, where it ends, and which comes next.

Slots are numbered in the order of time, so that walking them is counting: the slot before number ``n`` is ``n - 1``.
Slots of up to an hour are counted from the start of their day, longer ones by the clock on the wall: on the day on
which summer time ends, the 4h slot from 00:00 lasts five hours and the day 25. What does not fit into a day or a
session is cut off at its end.
"""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from common.grids import UTC_GRID, Grid
from common.timeframes import DURATION_MS
from common.zones import zone

Times = TypeVar("Times", int, NDArray[np.int64])
"""A time or slot number, or an array of them."""

FIRST_DAY, LAST_DAY = date(1969, 10, 1), date(2100, 1, 1)
"""The range in which grids that need a zone's rules or months are known; before and after it, its ends are used."""

_MINUTE, _HOUR, _DAY = 60_000, DURATION_MS["1h"], DURATION_MS["1d"]
# 1970-01-01 was a Thursday: the first Monday is four days later.
_MONDAY = 4


class Slots(Protocol):
    """The slots of one timeframe on one grid. Times are milliseconds since 1970-01-01 UTC."""

    def number(self, time_ms: Times, /) -> Times:
        """The number of the slot that began last, at that time or before it."""
        ...

    def open(self, number: Times, /) -> Times:
        """When the slot of that number begins."""
        ...

    def close(self, number: Times, /) -> Times:
        """When the slot of that number ends: where the next one begins, at most where its session ends."""
        ...

    def between(self, start_ms: int, stop_ms: int, /) -> NDArray[np.int64]:
        """When the slots begin that begin from ``start_ms`` on and before ``stop_ms``, oldest first."""
        ...

    def is_open(self, time_ms: Times, /) -> "bool | NDArray[np.bool_]":
        """Whether a slot begins at that time."""
        ...

    def last_closed(self, time_ms: Times, /) -> Times:
        """The number of the last slot that has ended by that time."""
        ...


@lru_cache(maxsize=512)
def slots_of(timeframe: str, grid: Grid = UTC_GRID) -> Slots:
    """The slots of a timeframe (in its normalised spelling) on a grid."""
    if grid.session_end is None and timeframe != "1mo" and _is_even(grid.zone):
        return _EvenSlots(timeframe, grid)
    days = _days(grid)
    if timeframe in ("1d", "3d", "1w", "1mo"):
        firsts = _first_days(timeframe, grid)
        ends = days.ends[firsts] if timeframe == "1d" else np.append(days.opens[firsts[1:]], days.ends[-1])
        return _ListedSlots(days.opens[firsts], ends)
    if grid.session_end is None and DURATION_MS[timeframe] > _HOUR:
        opens = _by_the_clock(timeframe, grid, days)
        return _ListedSlots(opens, np.append(opens[1:], days.ends[-1]))
    return _DailySlots(days, DURATION_MS[timeframe])


class _Numbered:
    """What follows from the numbers of slots and their ends."""

    def between(self: Slots, start_ms: int, stop_ms: int) -> NDArray[np.int64]:
        first, last = self.number(start_ms - 1) + 1, self.number(stop_ms - 1)
        return self.open(np.arange(first, last + 1, dtype=np.int64))

    def is_open(self: Slots, time_ms: Times) -> "bool | NDArray[np.bool_]":
        begins: bool | NDArray[np.bool_] = self.open(self.number(time_ms)) == time_ms
        return begins

    def last_closed(self: Slots, time_ms: Times) -> Times:
        # The slot that began last may end before the next one begins.
        number = self.number(time_ms)
        return number - (self.close(number) > time_ms)


class _EvenSlots(_Numbered):
    """Slots of one length without a pause in between."""

    def __init__(self, timeframe: str, grid: Grid) -> None:
        self._length = DURATION_MS[timeframe]
        midnight = datetime(1970, 1, 1, tzinfo=zone(grid.zone)).timestamp() * 1000
        self._shift = int(midnight) + grid.day_start * _MINUTE
        if timeframe == "1w":
            self._shift += (_MONDAY + grid.week_start) * _DAY
        elif timeframe == "3d":
            self._shift += grid.three_day_phase * _DAY
        self._shift %= self._length

    def number(self, time_ms: Times) -> Times:
        return (time_ms - self._shift) // self._length

    def open(self, number: Times) -> Times:
        return number * self._length + self._shift

    def close(self, number: Times) -> Times:
        return number * self._length + (self._shift + self._length)


class _ListedSlots(_Numbered):
    """Slots of different lengths, all of them listed."""

    def __init__(self, opens: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._opens, self._ends = opens, ends

    def number(self, time_ms: Times) -> Times:
        return _like(time_ms, np.searchsorted(self._opens, time_ms, side="right") - 1)

    def open(self, number: Times) -> Times:
        return _like(number, self._opens[np.clip(number, 0, self._opens.size - 1)])

    def close(self, number: Times) -> Times:
        return _like(number, self._ends[np.clip(number, 0, self._opens.size - 1)])


class _DailySlots(_Numbered):
    """Slots of one length from the start of each day; the last one may be shorter, and a pause may follow it."""

    def __init__(self, days: "_Days", length: int) -> None:
        self._days, self._length = days, length
        counts = -(-(days.ends - days.opens) // length)
        self._before: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        """Day -> slots of earlier days."""

    def number(self, time_ms: Times) -> Times:
        day = np.maximum(np.searchsorted(self._days.opens, time_ms, side="right") - 1, 0)
        within = np.maximum((time_ms - self._days.opens[day]) // self._length, 0)
        return _like(time_ms, np.minimum(self._before[day] + within, self._before[day + 1] - 1))

    def open(self, number: Times) -> Times:
        day = self._day_of(number)
        return _like(number, self._days.opens[day] + (number - self._before[day]) * self._length)

    def close(self, number: Times) -> Times:
        return _like(number, np.minimum(self.open(number) + self._length, self._days.ends[self._day_of(number)]))

    def _day_of(self, number: Times) -> NDArray[np.int64]:
        last = self._days.opens.size - 1
        day: NDArray[np.int64] = np.asarray(np.searchsorted(self._before, number, side="right") - 1, np.int64)
        return day.clip(0, last)


class _Days:
    """The days of a grid: their dates, when each begins, and when it or its session ends."""

    def __init__(self, grid: Grid) -> None:
        self.dates = [FIRST_DAY + timedelta(days) for days in range((LAST_DAY - FIRST_DAY).days + 1)]
        begins = _moments(self.dates, grid.day_start, grid.zone)
        # The last date only tells when the day before it ends.
        self.dates.pop()
        self.opens = begins[:-1]
        self.ends = begins[1:]
        if grid.session_end is not None:
            overnight = timedelta(grid.session_end <= grid.day_start)
            closings = _moments([day + overnight for day in self.dates], grid.session_end, grid.zone)
            self.ends = np.minimum(closings, self.ends)


@lru_cache(maxsize=64)
def _days(grid: Grid) -> _Days:
    return _Days(grid)


def _first_days(timeframe: str, grid: Grid) -> NDArray[np.int64]:
    """The days on which slots of one or more days begin, as positions in the grid's days."""
    dates = _days(grid).dates
    epoch = date(1970, 1, 1)

    def begins(day: date) -> bool:
        match timeframe:
            case "3d":
                return (day - epoch).days % 3 == grid.three_day_phase
            case "1w":
                return day.weekday() == grid.week_start
            case "1mo":
                return day.day == 1
        return True

    return np.array([position for position, day in enumerate(dates) if begins(day)], np.int64)


def _by_the_clock(timeframe: str, grid: Grid, days: _Days) -> NDArray[np.int64]:
    """When the slots of some hours begin: at the same times of day all year round."""
    length = DURATION_MS[timeframe]
    opens = days.opens[:, None] + np.arange(0, _DAY, length)
    for position in np.flatnonzero(days.ends - days.opens != _DAY):
        for column in range(opens.shape[1]):
            minutes = grid.day_start + column * length // _MINUTE
            day = days.dates[position] + timedelta(minutes // (24 * 60))
            opens[position, column] = _moments([day], minutes % (24 * 60), grid.zone)[0]
    return np.unique(opens)


def _moments(dates: list[date], minutes: int, zone_name: str) -> NDArray[np.int64]:
    """When it is that many minutes past midnight in a zone on each date."""
    place, hour, minute = zone(zone_name), minutes // 60, minutes % 60
    return np.array(
        [int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=place).timestamp()) * 1000 for day in dates],
        np.int64,
    )


@lru_cache(maxsize=64)
def _is_even(zone_name: str) -> bool:
    """Whether all days of a zone have been equally long since 1970 and will be, by today's rules."""
    if zone_name == "UTC":
        return True
    days = _days(Grid(zone_name))
    return bool(np.all(days.ends - days.opens == _DAY))


def _like(example: Times, values: "NDArray[np.int64] | np.int64") -> Times:
    """A number for a number, an array for an array."""
    return values if isinstance(example, np.ndarray) else int(values)  # type: ignore[return-value]
