"""Schedules of ticks: whatever the grid, there is a run for every close time, and not many more."""

from datetime import UTC, datetime, timedelta

import pytest
from prefect.server.schemas.schedules import CronSchedule, IntervalSchedule

from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS, from_ms, to_ms
from flows.schedules import due_at, schedules_of

GRIDS = tuple(
    map(
        Grid.parse,
        (
            "UTC, day 16:00",
            "UTC, week thu, 3d 1",
            "EET",
            "Asia/Kolkata",
            "America/New_York, session 09:30-16:00",
            "America/Chicago, session 17:00-16:00",
        ),
    )
)
# Across the end of summer time in Europe and in America.
START, STOP = datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC)


async def due(timeframe: str, grids: tuple[Grid, ...], start: datetime, stop: datetime) -> list[datetime]:
    """The minutes for which runs are scheduled, in order."""
    moments: set[datetime] = set()
    for schedule in schedules_of(timeframe, grids):
        read = (
            CronSchedule(cron=schedule.cron, timezone=schedule.timezone)
            if schedule.cron
            else IntervalSchedule(interval=schedule.interval, anchor_date=schedule.anchor_date)
        )
        # Prefect looks a thousand dates ahead at most.
        for day in range((stop - start).days):
            begin = start + timedelta(days=day, seconds=-10)
            dates = await read.get_dates(n=500, start=begin, end=begin + timedelta(days=1, seconds=10))
            moments |= {due_at(date).astimezone(UTC) for date in dates}
    return sorted(moments)


@pytest.mark.parametrize("timeframe", ["15m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w"])
@pytest.mark.parametrize("grid", [UTC_GRID, *GRIDS], ids=str)
async def test_every_close_has_a_run(timeframe: str, grid: Grid) -> None:
    slots = slots_of(timeframe, grid)
    numbers = range(slots.last_closed(to_ms(START)) + 1, slots.last_closed(to_ms(STOP) - 1) + 1)
    closes = {from_ms(slots.close(number)) for number in numbers}
    assert closes <= set(await due(timeframe, (grid,), START, STOP))


async def test_utc_alone_has_one_run_a_close() -> None:
    for timeframe in ("1h", "4h", "1d"):
        moments = await due(timeframe, (), START, STOP)
        assert len(moments) == (STOP - START) // timedelta(milliseconds=DURATION_MS[timeframe]) + 1


def test_a_run_that_is_scheduled_early_is_for_the_minute_to_come() -> None:
    assert due_at(datetime(2026, 1, 1, 0, 59, 57, tzinfo=UTC)) == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert due_at(datetime(2026, 1, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 1, tzinfo=UTC)
