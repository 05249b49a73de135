"""``during(09:30-16:00, mon-fri, America/New_York)``: the times of day and weekdays at which a candle may open.

A window begins on its weekdays at its start and may cross midnight: ``during(22:00-02:00, fri)`` ends on Saturday. It
goes by the clock on the wall of its zone: on the day on which summer time ends, an hour that comes twice is inside
twice.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from common.errors import ConditionError, ZoneError
from common.grids import WEEKDAYS
from common.spelling import did_you_mean
from common.timeframes import DURATION_MS
from common.zones import KNOWN_YEARS_MS, offset_changes, zone, zone_names

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Times = TypeVar("_Times", int, "NDArray[np.int64]")

_DAY_MINUTES = 24 * 60
_MINUTE_MS, _DAY_MS = 60_000, DURATION_MS["1d"]
_ALL_DAYS = tuple(range(len(WEEKDAYS)))
# 1970-01-01 was a Thursday: the first Monday is four days later.
_FIRST_WEEKDAY, _FIRST_MONDAY_MS = 3, 4 * _DAY_MS
_LONG_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_OF = {name: day for names in (WEEKDAYS, _LONG_NAMES) for day, name in enumerate(names)}
_CLOCK = r"([0-9]{1,2}):([0-9]{2})"
_TIMES = re.compile(rf"{_CLOCK}\s*-\s*{_CLOCK}")
_DAYS = re.compile(rf"({'|'.join(_DAY_OF)})(?:\s*-\s*({'|'.join(_DAY_OF)}))?")


@dataclass(frozen=True, slots=True)
class During:
    """TRUE iff the candle of the condition's own series opens at ``start`` or later and before ``end``, in minutes of
    the day, in a window that began on one of ``days`` (0 is Monday), by the clock of ``zone``.

    A window whose end is not later than its start ends on the next day; one from 0 to 1440 is a whole day. Never
    UNKNOWN on a candle that exists. Raises :class:`ConditionError` for a window that is empty or always TRUE, and
    :class:`common.errors.ZoneError` for an unknown zone.
    """

    start: int = 0
    end: int = _DAY_MINUTES
    days: tuple[int, ...] = _ALL_DAYS
    zone: str = "UTC"

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone", zone(self.zone).key)
        object.__setattr__(self, "end", self.end or _DAY_MINUTES)
        object.__setattr__(self, "days", tuple(sorted(set(self.days))))
        if not (0 <= self.start < _DAY_MINUTES and 0 < self.end <= _DAY_MINUTES):
            raise ConditionError(f"{self!r} is no window; times are minutes from 0 to 1440")
        if not self.days or not set(self.days) <= set(_ALL_DAYS):
            raise ConditionError(f"{self!r} is no window; weekdays are numbers from 0 to 6")
        if self.start == self.end % _DAY_MINUTES and self.start:
            shown = _clock(self.start)
            raise ConditionError(f"{shown}-{shown} has no length; for whole days leave the times out")
        if self.is_whole_day and self.days == _ALL_DAYS:
            raise ConditionError("the window is all of the week, so it is always true; leave it out")

    def __str__(self) -> str:
        return f"during({', '.join(self.parts)})"

    @property
    def parts(self) -> list[str]:
        """What is not left out, in order: times, weekdays, zone."""
        times = [] if self.is_whole_day else [f"{_clock(self.start)}-{_clock(self.end)}"]
        zones = [] if self.zone == "UTC" else [self.zone]
        return [*times, *self.day_ranges, *zones]

    @property
    def day_ranges(self) -> list[str]:
        """The weekdays as ``mon-fri`` or ``sun``; none if they are all of them."""
        if self.days == _ALL_DAYS:
            return []
        runs: list[list[int]] = []
        for day in self.days:
            if runs and runs[-1][-1] == day - 1:
                runs[-1].append(day)
            else:
                runs.append([day])
        return ["-".join(dict.fromkeys((WEEKDAYS[run[0]], WEEKDAYS[run[-1]]))) for run in runs]

    @property
    def times(self) -> tuple[str, str]:
        """Start and end as ``08:00`` and ``24:00``."""
        return _clock(self.start), _clock(self.end)

    @property
    def is_whole_day(self) -> bool:
        """Whether it asks only for weekdays."""
        return (self.start, self.end) == (0, _DAY_MINUTES)

    @classmethod
    def of(cls, parts: Sequence[str]) -> "During":
        """The window that parts such as ``09:30-16:00``, ``mon-fri`` and ``America/New_York`` describe, in any order.

        Raises :class:`ConditionError`.
        """
        times: list[tuple[int, int]] = []
        days: set[int] = set()
        zones: list[str] = []
        for part in map(read_part, parts):
            match part:
                case str():
                    zones.append(part)
                case (start, end):
                    times.append((start, end))
                case frozenset():
                    days |= part
        if len(times) > 1:
            raise ConditionError("two time ranges in one window; write any(during(...), during(...))")
        if len(zones) > 1:
            raise ConditionError(f"two time zones in one window, {zones[0]} and {zones[1]}; write one")
        start, end = times[0] if times else (0, _DAY_MINUTES)
        return cls(start, end, tuple(days) or _ALL_DAYS, zones[0] if zones else "UTC")

    def opposite(self) -> "During | None":
        """The window that is TRUE where this one is FALSE; ``None`` if that takes more than one."""
        if self.is_whole_day:
            return During(days=tuple(set(_ALL_DAYS) - set(self.days)), zone=self.zone)
        if self.days == _ALL_DAYS:
            return During(self.end % _DAY_MINUTES, self.start, self.days, self.zone)
        return None

    def covers(self, local_ms: _Times) -> "bool | NDArray[np.bool_]":
        """Whether it is open at times, or an array of them: milliseconds since 1970-01-01 by the clock of its zone."""
        weekday, within = (local_ms // _DAY_MS + _FIRST_WEEKDAY) % 7, local_ms % _DAY_MS
        days = sum(1 << day for day in self.days)
        has_begun, has_not_ended = within >= self.start * _MINUTE_MS, within < self.end * _MINUTE_MS
        begins_today, began_yesterday = (days >> weekday) & 1 == 1, (days >> (weekday - 1) % 7) & 1 == 1
        covered: bool | NDArray[np.bool_]
        if self.start < self.end:
            covered = begins_today & has_begun & has_not_ended
        else:
            covered = (begins_today & has_begun) | (began_yesterday & has_not_ended)
        return covered


def check_timeframe(window: During, timeframe: str) -> None:
    """Raises :class:`ConditionError` if no candle of a timeframe ever opens in a window.

    Candles open as on the UTC grid: what a text means must not depend on which instruments a store lists.
    """
    if not _can_open(window, timeframe):
        raise ConditionError(
            f"{window} would never be true: no candle of {timeframe} opens then; widen it, or use a shorter timeframe"
        )


@lru_cache(maxsize=1024)
def _can_open(window: During, timeframe: str) -> bool:
    # Slots begin at the same times on all weekdays, those of several days and of months sooner or later; but weeks on
    # Mondays.
    length, start = min(DURATION_MS[timeframe], _DAY_MS), window.start * _MINUTE_MS
    lasts = (window.end - window.start) * _MINUTE_MS % _DAY_MS or _DAY_MS
    if lasts >= length and timeframe != "1w":
        return True
    offsets = {offset for _, offset in offset_changes(window.zone, *KNOWN_YEARS_MS)}
    if timeframe == "1w":
        return any(window.covers(_FIRST_MONDAY_MS + offset) for offset in offsets)
    return any((offset - start) % length < lasts for offset in offsets)


def read_part(text: str) -> tuple[int, int] | frozenset[int] | str:
    """A part of a window: start and end in minutes, weekdays, or the name of a zone. Raises :class:`ConditionError`."""
    folded = text.strip().lower()
    if match := _DAYS.fullmatch(folded):
        first, last = _DAY_OF[match[1]], _DAY_OF[match[2] or match[1]]
        return frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))
    if match := _TIMES.fullmatch(folded):
        start, end = _minutes(match[1], match[2]), _minutes(match[3], match[4])
        if start == end:
            raise ConditionError(f"{folded} has no length; for whole days leave the times out")
        if start == _DAY_MINUTES:
            raise ConditionError("a window begins before 24:00; write 00:00")
        return start, end
    try:
        return zone(text).key
    except ZoneError:
        name = text.strip()[:40]
        raise ConditionError(
            f"{name!r} is no time range such as 08:00-16:00, no weekdays such as mon-fri, and no time zone such as"
            f" America/New_York{did_you_mean(name, zone_names())}"
        ) from None


def _minutes(hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _DAY_MINUTES:
        raise ConditionError(f"{hours}:{minutes} is no time of day; write 00:00 to 24:00")
    return total


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
