"""Proposes the grid that a file's candles are on, where they contradict the one that their instrument has.

A proposal fits every candle. Of several that do, the plainest is taken, in this order: the grid's own day with other
weeks; a session of an exchange, for candles within a day that begin off the hour or keep to one; midnight of a fixed
zone, so that weeks and months follow; midnight of a zone with summer time; another time of day, in UTC or on the wall
of a zone in which there are markets. The other zones of the database come last: a grid in one of them is not usual.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from common.grids import Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS
from common.zones import zone, zone_names

CandleTimes = NDArray[np.int64]

_PLAIN_MINUTES = 15
"""Days and sessions begin at multiples of it."""
_ENOUGH_OFF = 0.25
"""The share of candles that must be off the instrument's grid; fewer are faults of their own."""
_LOOKED_AT = 64

# Fixed zones by how far they are ahead of UTC, as exchanges and brokers use them, first those whose days are used most.
_FIXED = (
    "Etc/GMT-8", "Etc/GMT-9", "Asia/Kolkata", "Etc/GMT-2", "Etc/GMT-3", "Etc/GMT-1", "Etc/GMT+5", "Etc/GMT+4",
    "Etc/GMT-7", "Etc/GMT-4", "Etc/GMT-10", "Etc/GMT-5", "Etc/GMT-6", "Etc/GMT+3", "Etc/GMT+6", "Etc/GMT+7",
    "Etc/GMT+8", "Etc/GMT-11", "Etc/GMT+2", "Etc/GMT+1", "Etc/GMT+9", "Etc/GMT+10", "Etc/GMT+11",
    "Asia/Kathmandu", "Asia/Yangon", "Asia/Kabul", "Asia/Tehran", "Australia/Darwin",
)  # fmt: skip
# The days of foreign exchange begin at 17:00 in New York.
_WITH_SUMMER_TIME = (
    "EET", "Europe/London", "Europe/Berlin", "America/New_York", "America/New_York, day 17:00", "America/Chicago",
    "America/Los_Angeles", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip
# Other markets whose clocks change, or did.
_OTHER_MARKETS = (
    "Europe/Istanbul", "Europe/Moscow", "Asia/Jerusalem", "Africa/Cairo", "America/Sao_Paulo", "America/Mexico_City",
    "America/Santiago", "America/Argentina/Buenos_Aires", "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Tokyo", "Asia/Seoul",
    "Asia/Singapore",
)  # fmt: skip
_MOST_OTHERS = 3
_SESSIONS = (
    "America/New_York, session 09:30-16:00", "Europe/London, session 08:00-16:30",
    "Europe/Berlin, session 09:00-17:30", "Asia/Kolkata, session 09:15-15:30", "Asia/Hong_Kong, session 09:30-16:00",
    "Asia/Shanghai, session 09:30-15:00", "Asia/Tokyo, session 09:00-15:30", "Asia/Seoul, session 09:00-15:30",
    "Asia/Singapore, session 09:00-17:00", "Australia/Sydney, session 10:00-16:00",
)  # fmt: skip


def propose_grid(timeframe: str, times_ms: CandleTimes, grid: Grid, *, of_closes: bool = False) -> Grid | None:
    """The grid on which all candles are, ``None`` if they are on ``grid`` or nothing fits plainly.

    ``times_ms`` are when candles of one series open, at least one, in any order; with ``of_closes`` when they close.
    """
    return next(iter(_fitting(timeframe, times_ms, grid, of_closes=of_closes)), None)


def other_grids(
    timeframe: str, times_ms: CandleTimes, grid: Grid, proposed: Grid, *, of_closes: bool = False
) -> tuple[Grid, ...]:
    """The next plainest grids of the same sort beside a proposed one on which all candles are, three at most. Beside a
    usual one, those with another time of day are left out."""
    fitting = _fitting(timeframe, times_ms, grid, of_closes=of_closes, plain=is_usual(proposed))
    sort = proposed.session_end is None
    others = (one for one in fitting if one != proposed and (one.session_end is None) == sort)
    return tuple(islice(dict.fromkeys(others), _MOST_OTHERS))


def is_usual(grid: Grid) -> bool:
    """Whether a grid is in UTC, or in a zone in which there are markets."""
    return grid.zone in _usual_zones()


@lru_cache(maxsize=1)
def _usual_zones() -> dict[str, None]:
    """In the order in which they are tried."""
    texts = (*_FIXED, *_WITH_SUMMER_TIME, *_SESSIONS)
    return dict.fromkeys(["UTC", *(Grid.parse(text).zone for text in texts), *_OTHER_MARKETS])


def _fitting(
    timeframe: str, times_ms: CandleTimes, grid: Grid, *, of_closes: bool, plain: bool = False
) -> Iterator[Grid]:
    """The other grids on which all candles are, the plainest first, if they are not on the one that is given."""
    opens = np.unique(times_ms)
    off = ~_on(timeframe, opens, grid, of_closes=of_closes)
    if off.mean() < _ENOUGH_OFF or DURATION_MS.get(timeframe, DURATION_MS["1d"]) < DURATION_MS["30m"]:
        return
    some = opens[np.unique(np.linspace(0, opens.size - 1, _LOOKED_AT).astype(np.int64))]
    for candidate in _candidates(timeframe, some, grid, of_closes=of_closes, plain=plain):
        if candidate != grid and all(fits(timeframe, part, candidate, of_closes=of_closes) for part in (some, opens)):
            yield candidate


def fits(timeframe: str, times_ms: CandleTimes, grid: Grid, *, of_closes: bool = False) -> bool:
    """Whether a slot begins on the grid at all of these times; with ``of_closes``, whether one ends."""
    return bool(np.all(_on(timeframe, times_ms, grid, of_closes=of_closes)))


def _on(timeframe: str, times_ms: CandleTimes, grid: Grid, *, of_closes: bool) -> NDArray[np.bool_]:
    slots = slots_of(timeframe, grid)
    return np.asarray(slots.close(slots.number(times_ms - 1)) == times_ms if of_closes else slots.is_open(times_ms))


def _candidates(timeframe: str, opens: CandleTimes, grid: Grid, *, of_closes: bool, plain: bool) -> Iterator[Grid]:
    """Where there are no pauses, slots end where others begin, so that only sessions ask which of both is meant."""
    within_a_day = DURATION_MS.get(timeframe, DURATION_MS["1d"]) < DURATION_MS["1d"]
    yield from _with_weeks(timeframe, opens, [grid])
    if within_a_day and not _on_weekends(opens):
        yield from _sessions(opens, of_closes=of_closes)
    days = [Grid.parse(text) for text in (*_FIXED, *_WITH_SUMMER_TIME)]
    yield from _with_weeks(timeframe, opens, (day for day in days if _begin_with(timeframe, opens, day)))
    if not within_a_day and not _on_weekends(opens):
        yield from _sessions(opens, of_closes=of_closes)
    if plain:
        return
    names = dict.fromkeys([*_usual_zones(), *sorted(zone_names() - {"Factory"})])
    yield from _with_weeks(timeframe, opens, _times_of_day(timeframe, opens, names))


def _with_weeks(timeframe: str, opens: CandleTimes, grids: Iterable[Grid]) -> Iterator[Grid]:
    """Grids with the first weekday and the phase of the candles, as far as their timeframe tells."""
    for grid in grids:
        first = _day(int(opens[0]), grid)
        if timeframe == "1w":
            yield replace(grid, week_start=first.weekday())
        elif timeframe == "3d":
            yield replace(grid, three_day_phase=(first - date(1970, 1, 1)).days % 3)
        else:
            yield grid


def _sessions(opens: CandleTimes, *, of_closes: bool) -> Iterator[Grid]:
    """Sessions of exchanges, one of whose openings is the time of a candle, or one of whose ends that of a close."""
    for text in _SESSIONS:
        grid = Grid.parse(text)
        edge = grid.session_end if of_closes else grid.day_start
        if any(_minutes(time_ms, grid.zone) == edge for time_ms in opens.tolist()):
            yield grid


def _begin_with(timeframe: str, opens: CandleTimes, grid: Grid) -> bool:
    """Whether candles begin with the days of a grid, or a whole number of their lengths later."""
    remainders = _remainders(timeframe, opens, grid.zone)
    return remainders == {grid.day_start % _minutes_of(timeframe)}


def _times_of_day(timeframe: str, opens: CandleTimes, names: Iterable[str]) -> Iterator[Grid]:
    """Zones in which the candles begin at the same times of day."""
    for name in names:
        remainders = _remainders(timeframe, opens, name)
        if len(remainders) == 1 and (start := min(remainders)) % _PLAIN_MINUTES == 0:
            yield Grid(name, start)


def _remainders(timeframe: str, opens: CandleTimes, name: str) -> set[int]:
    """Minutes past midnight in a zone, modulo the length of the candles."""
    length, remainders = _minutes_of(timeframe), set[int]()
    for time_ms in opens.tolist():
        remainders.add(_minutes(time_ms, name) % length)
        if len(remainders) > 1:
            break
    return remainders


def _minutes_of(timeframe: str) -> int:
    """The length of candles in minutes, at most a day."""
    return min(DURATION_MS.get(timeframe, DURATION_MS["1d"]), DURATION_MS["1d"]) // 60_000


def _on_weekends(opens: CandleTimes) -> bool:
    """Whether there are candles in the hours in which it is a weekend everywhere."""
    return any(
        (moment.weekday() == 5 and moment.hour >= 12) or (moment.weekday() == 6 and moment.hour < 10)
        for moment in (datetime.fromtimestamp(time_ms / 1000, UTC) for time_ms in opens.tolist())
    )


def _day(time_ms: int, grid: Grid) -> date:
    """The date of the grid's day that a time is in."""
    return (_local(time_ms, grid.zone) - timedelta(minutes=grid.day_start)).date()


def _minutes(time_ms: int, name: str) -> int:
    local = _local(time_ms, name)
    # Local mean times of the past are some seconds off the minute: no exchange keeps them.
    return local.hour * 60 + local.minute if not local.second else -1


def _local(time_ms: int, name: str) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone(zone(name)).replace(tzinfo=None)
