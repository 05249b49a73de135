"""Slots worked out day by day from ``zoneinfo``, as the design states them; nothing is shared with ``common.slots``.

A slot is (open time, close time) in milliseconds.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from zoneinfo import ZoneInfo

from common.grids import UTC_GRID, Grid

Slot = tuple[int, int]

_UNIT_MINUTES = {"m": 1, "h": 60}
_HOUR = 60
_DAY = 24 * _HOUR
_DAYS_AROUND = {"3d": 8, "1w": 16, "1mo": 64}


def slot_at(time_ms: int, timeframe: str, grid: Grid = UTC_GRID) -> Slot | None:
    """The slot in which a time is; ``None`` in a pause between sessions."""
    slots = _near(time_ms, timeframe, grid)
    slot = slots[bisect_right(slots, time_ms, key=_open) - 1]
    return slot if time_ms < slot[1] else None


def last_closed(time_ms: int, timeframe: str, grid: Grid = UTC_GRID) -> Slot:
    """The slot with the greatest close time by a time."""
    slots = _near(time_ms, timeframe, grid)
    return slots[bisect_right(slots, time_ms, key=_close) - 1]


def first_after(time_ms: int, timeframe: str, grid: Grid = UTC_GRID) -> Slot:
    """The slot that comes after the last one that has closed by a time."""
    slots = _near(time_ms, timeframe, grid)
    return slots[bisect_right(slots, time_ms, key=_close)]


def slots_after(after_ms: int, until_ms: int, timeframe: str, grid: Grid = UTC_GRID) -> list[Slot]:
    """The slots that close after one time and by another."""
    slots: list[Slot] = []
    slot = first_after(after_ms, timeframe, grid)
    while slot[1] <= until_ms:
        slots.append(slot)
        slot = first_after(slot[1], timeframe, grid)
    return slots


_open, _close = itemgetter(0), itemgetter(1)


def _near(time_ms: int, timeframe: str, grid: Grid) -> list[Slot]:
    return _around(datetime.fromtimestamp(time_ms // 1000, UTC).date(), timeframe, grid)


@lru_cache(maxsize=4096)
def _around(day: date, timeframe: str, grid: Grid) -> list[Slot]:
    """The slots of the days around a date, in order."""
    reach = _DAYS_AROUND.get(timeframe, 3)
    days = [day + timedelta(apart) for apart in range(-reach, reach + 2)]
    begins = [_moment(each, grid.day_start, grid.zone) for each in days]
    ends = begins[1:]
    if grid.session_end is not None:
        overnight = _DAY if grid.session_end <= grid.day_start else 0
        closings = [_moment(each, grid.session_end + overnight, grid.zone) for each in days]
        ends = [min(pair) for pair in zip(ends, closings, strict=False)]
    if timeframe == "1d":
        return list(zip(begins, ends, strict=False))
    if timeframe in _DAYS_AROUND:
        firsts = [begin for each, begin in zip(days, begins, strict=True) if _begins(each, timeframe, grid)]
        return list(pairwise(firsts))
    minutes = int(timeframe[:-1]) * _UNIT_MINUTES[timeframe[-1]]
    if minutes > _HOUR and grid.session_end is None:
        # By the clock on the wall.
        starts = range(grid.day_start, grid.day_start + _DAY, minutes)
        opens = sorted({_moment(each, start, grid.zone) for each in days[:-1] for start in starts})
        return list(pairwise(opens))
    return [
        (opened, min(opened + minutes * 60_000, end))
        for begin, end in zip(begins, ends, strict=False)
        for opened in range(begin, end, minutes * 60_000)
    ]


def _begins(day: date, timeframe: str, grid: Grid) -> bool:
    """Whether a period of several days begins on a date."""
    if timeframe == "3d":
        return (day - date(1970, 1, 1)).days % 3 == grid.three_day_phase
    return day.weekday() == grid.week_start if timeframe == "1w" else day.day == 1


def _moment(day: date, minutes: int, zone: str) -> int:
    """When a clock in a zone shows that many minutes after the midnight with which a date begins."""
    shown = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(minutes=minutes)
    return round(shown.timestamp()) * 1000
