"""When the ticks of a timeframe are due: at every close time of every grid in use.

A schedule of fixed intervals begins a little early, because Prefect starts runs up to half a second late; the flow
sleeps until the close. Where closes follow the clock on the wall of a zone, schedules are crons of that zone.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from prefect.schedules import Cron, Interval, Schedule

from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS
from common.zones import zone

LEAD = timedelta(seconds=3)
"""How long before a close a run with a fixed interval is scheduled."""

_HOUR, _DAY = DURATION_MS["1h"], DURATION_MS["1d"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Every weekday, month and summer time occurs in a year.
_YEAR = datetime(2023, 12, 31, tzinfo=UTC), datetime(2025, 1, 10, tzinfo=UTC)


def due_at(scheduled: datetime) -> datetime:
    """The moment up to which a run judges that was scheduled for a time: the whole minute that it was meant for."""
    return (scheduled + LEAD).replace(second=0, microsecond=0)


def schedules_of(timeframe: str, grids: Iterable[Grid]) -> list[Schedule]:
    """Schedules that together have a run for every close time of a timeframe on UTC's grid and on others in use.

    Runs without a close are harmless, and few: slots of several days are scheduled daily.
    """
    phases: set[int] = set()
    crons: set[tuple[str, str]] = set()
    step = min(DURATION_MS.get(timeframe, _DAY), _DAY)
    for grid in {UTC_GRID, *grids}:
        slots = slots_of(timeframe, grid)
        first, last = (slots.number(int(moment.timestamp() * 1000)) for moment in _YEAR)
        closes = slots.close(np.arange(first, last, dtype=np.int64))
        for phase in np.unique(closes % step).tolist():
            often = float((closes % step == phase).mean())
            if grid.zone == "UTC" or (step <= _HOUR and often > 0.5):
                phases.add(phase)
            else:
                crons |= _crons(closes[closes % step == phase], grid.zone)
    fixed = [
        Interval(timedelta(milliseconds=step), anchor_date=_EPOCH + timedelta(milliseconds=phase) - LEAD)
        for phase in sorted(phases)
    ]
    return [*fixed, *(Cron(text, timezone=name) for text, name in sorted(crons))]


def _crons(closes: NDArray[np.int64], zone_name: str) -> set[tuple[str, str]]:
    """(cron, zone) for every time of day at which there is a close."""
    place = zone(zone_name)
    clocks = {(at.hour, at.minute) for at in (datetime.fromtimestamp(each / 1000, place) for each in closes.tolist())}
    by_minute: dict[int, list[int]] = {}
    for hour, minute in sorted(clocks):
        by_minute.setdefault(minute, []).append(hour)
    return {(f"{minute} {','.join(map(str, hours))} * * *", zone_name) for minute, hours in by_minute.items()}
