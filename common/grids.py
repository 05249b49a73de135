"""Where an instrument's slots begin: the start of its day and zone, its weeks, its periods of three days, its session.

UTC                                             days from 00:00 UTC, weeks from Monday: crypto exchanges
day 16:00                                       days from 16:00 UTC
week thu, 3d 1                                  weeks from Thursday, 3d candles from day 1 modulo 3 since 1970-01-01
EET                                             days from midnight in EET, summer and winter
America/New_York, session 09:30-16:00           from the opening of the exchange to its close
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from common.errors import GridError
from common.zones import zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY_MINUTES = 24 * 60
_PART = re.compile(
    r"(?:day (?P<day>\d\d:\d\d))|(?:week (?P<week>[a-z]{3}))|(?:3d (?P<phase>[012]))"
    r"|(?:session (?P<opening>\d\d:\d\d)-(?P<closing>\d\d:\d\d))|(?P<zone>[A-Za-z][A-Za-z0-9_+/-]*)"
)


@dataclass(frozen=True, slots=True)
class Grid:
    """The slots of all timeframes of one instrument; :func:`common.slots.slots_of` has those of one timeframe.

    ``str(grid)`` and :meth:`parse` are inverse to each other. Raises :class:`common.errors.GridError` for values out
    of range and :class:`common.errors.ZoneError` for an unknown zone.
    """

    zone: str = "UTC"
    day_start: int = 0
    """Minutes from midnight in the zone to the start of a day, which is named after the date on which it begins."""
    week_start: int = 0
    """The weekday on which weeks begin: 0 is Monday."""
    three_day_phase: int = 0
    """Days since 1970-01-01, modulo 3, on which periods of three days begin."""
    session_end: int | None = None
    """Minutes from midnight in the zone to the end of the session that begins at ``day_start``; one that is not later
    is on the next day. ``None`` where trading goes on until the next day begins."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "zone", zone(self.zone).key)
        if not (
            0 <= self.day_start < _DAY_MINUTES
            and (self.session_end is None or 0 <= self.session_end < _DAY_MINUTES)
            and 0 <= self.week_start < len(WEEKDAYS)
            and 0 <= self.three_day_phase < 3
        ):
            raise GridError(
                f"{self!r} is no grid; clock times go from 00:00 to 23:59, weekdays and phases count from 0"
            )
        if self.session_end == self.day_start:
            raise GridError(f"a session from {_clock(self.day_start)} to the same time is a whole day; leave it out")

    def __str__(self) -> str:
        parts = [self.zone]
        if self.session_end is not None:
            parts.append(f"session {_clock(self.day_start)}-{_clock(self.session_end)}")
        elif self.day_start:
            parts.append(f"day {_clock(self.day_start)}")
        if self.week_start:
            parts.append(f"week {WEEKDAYS[self.week_start]}")
        if self.three_day_phase:
            parts.append(f"3d {self.three_day_phase}")
        return ", ".join(parts)

    @classmethod
    @lru_cache(maxsize=256)
    def parse(cls, text: str) -> "Grid":
        """The grid that a text describes: ``str(grid)``, its parts in any order, what is left out as in UTC."""
        values: dict[str, str | int | None] = {}
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise GridError(
                    f"{part.strip()!r} is no part of a grid; write a zone, day 16:00, week thu, 3d 1 or session"
                    " 09:30-16:00, separated by commas"
                )
            fresh: dict[str, str | int | None] = {}
            if match["day"]:
                fresh["day_start"] = _minutes(match["day"])
            elif match["week"]:
                fresh["week_start"] = _weekday(match["week"])
            elif match["phase"]:
                fresh["three_day_phase"] = int(match["phase"])
            elif match["opening"]:
                fresh["day_start"], fresh["session_end"] = _minutes(match["opening"]), _minutes(match["closing"])
            else:
                fresh["zone"] = match["zone"]
            if repeated := values.keys() & fresh.keys():
                raise GridError(f"{text!r} says {' and '.join(sorted(repeated))} twice; write each part once")
            values |= fresh
        return cls(**values)  # type: ignore[arg-type]  # each value has the type of its name


UTC_GRID = Grid()
"""The grid of crypto exchanges, and of every instrument that has no other."""


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _minutes(clock: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    if hours > 23 or minutes > 59:
        raise GridError(f"{clock!r} is no time of day; write 00:00 to 23:59")
    return hours * 60 + minutes


def _weekday(name: str) -> int:
    if name not in WEEKDAYS:
        raise GridError(f"{name!r} is no weekday; write one of {' '.join(WEEKDAYS)}")
    return WEEKDAYS.index(name)
