"""The grid that a file's candles are on is the one that is proposed, whatever the zone, the day, the weeks."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from candles.grid_proposal import fits, is_usual, other_grids, propose_grid
from common.grids import UTC_GRID, Grid
from common.slots import slots_of
from common.timeframes import to_ms

DAY = 86_400_000
YEAR = (to_ms(datetime(2023, 1, 1, tzinfo=UTC)), to_ms(datetime(2024, 3, 1, tzinfo=UTC)))


def opens(timeframe: str, grid: Grid, start_ms: int = YEAR[0], stop_ms: int = YEAR[1]) -> NDArray[np.int64]:
    return slots_of(timeframe, grid).between(start_ms, stop_ms)


def weekdays(times: NDArray[np.int64]) -> NDArray[np.int64]:
    # 1970-01-01 was a Thursday.
    return times[(times // DAY + 3) % 7 < 5]


@pytest.mark.parametrize("timeframe", ["4h", "12h", "1d"])
@pytest.mark.parametrize("text", ["EET", "America/New_York, day 17:00", "Europe/London"])
def test_days_that_follow_summer_time(timeframe: str, text: str) -> None:
    grid = Grid.parse(text)
    times = opens(timeframe, grid)
    proposed = propose_grid(timeframe, times, UTC_GRID)
    if fits(timeframe, times, UTC_GRID):
        assert proposed is None
    else:
        assert proposed == grid


@pytest.mark.parametrize(
    ("opening", "text"),
    [("16:00", "Etc/GMT-8"), ("22:00", "Etc/GMT-2"), ("05:00", "Etc/GMT+5"), ("18:30", "Asia/Kolkata")],
)
def test_a_plausible_midnight_is_the_day_of_a_fixed_zone(opening: str, text: str) -> None:
    times = opens("1d", Grid.parse(f"day {opening}"))
    assert propose_grid("1d", times, UTC_GRID) == Grid.parse(text)


def test_another_time_of_day_stays_one() -> None:
    assert propose_grid("1d", opens("1d", Grid.parse("day 09:15")), UTC_GRID) == Grid.parse("day 09:15")


@pytest.mark.parametrize("timeframe", ["30m", "1h", "2h", "4h"])
@pytest.mark.parametrize(
    "text",
    [
        "America/New_York, session 09:30-16:00",
        "Asia/Kolkata, session 09:15-15:30",
        "Asia/Hong_Kong, session 09:30-16:00",
    ],
)
def test_sessions_of_stocks_across_summer_time(timeframe: str, text: str) -> None:
    grid = Grid.parse(text)
    times = weekdays(opens(timeframe, grid))
    proposed = propose_grid(timeframe, times, UTC_GRID)
    assert proposed == (None if fits(timeframe, times, UTC_GRID) else grid)


zones = st.sampled_from(
    ["UTC", "Etc/GMT-8", "Etc/GMT+5", "EET", "America/New_York", "America/Santiago", "Asia/Tehran", "Asia/Kathmandu"]
)
grids = st.builds(
    Grid, zone=zones, day_start=st.integers(0, 95).map(lambda quarter: 15 * quarter), week_start=st.integers(0, 6),
    three_day_phase=st.integers(0, 2),
)  # fmt: skip


@settings(max_examples=20)
@given(grids, st.sampled_from(["2h", "4h", "8h", "12h", "1d", "3d", "1w"]), st.integers(0, 40), st.integers(3, 200))
def test_a_proposal_fits_all_candles_of_any_grid(grid: Grid, timeframe: str, skipped: int, count: int) -> None:
    times = opens(timeframe, grid)[skipped : skipped + count]
    proposed = propose_grid(timeframe, times[::-1], UTC_GRID)
    off = ~np.asarray(slots_of(timeframe, UTC_GRID).is_open(times))
    if off.mean() >= 0.25:
        assert proposed is not None
        assert fits(timeframe, times, proposed)
    else:
        assert proposed is None


@settings(max_examples=12)
@given(grids, st.integers(0, 6), st.integers(0, 2))
def test_weeks_and_periods_of_three_days_keep_the_day_of_their_instrument(grid: Grid, week: int, phase: int) -> None:
    for timeframe, other in (
        ("1w", Grid(grid.zone, grid.day_start, week, grid.three_day_phase)),
        ("3d", Grid(grid.zone, grid.day_start, grid.week_start, phase)),
    ):
        assert propose_grid(timeframe, opens(timeframe, other), grid) == (None if other == grid else other)


def test_some_odd_rows_are_no_grid() -> None:
    times = opens("1h", UTC_GRID)[:100]
    assert propose_grid("1h", np.append(times, times[-1] + DAY // 48), UTC_GRID) is None
    assert propose_grid("4h", times, UTC_GRID) is None, "hours are no 4h candles on any grid"
    assert propose_grid("1d", np.array([YEAR[0] + 61_000, YEAR[0] + DAY + 61_000]), UTC_GRID) is None


@pytest.mark.parametrize("timeframe", ["30m", "1h", "4h"])
@pytest.mark.parametrize("text", ["America/New_York, session 09:30-16:00", "Asia/Kolkata, session 09:15-15:30"])
def test_closes_tell_a_session_by_its_last_bar(timeframe: str, text: str) -> None:
    """It is shorter than the others, so that no length leads from its end to its beginning."""
    grid = Grid.parse(text)
    slots = slots_of(timeframe, grid)
    closes = slots.close(slots.number(weekdays(opens(timeframe, grid))))
    plain = fits(timeframe, closes, UTC_GRID, of_closes=True)
    assert propose_grid(timeframe, closes, UTC_GRID, of_closes=True) == (None if plain else grid)
    assert fits(timeframe, closes, grid, of_closes=True)
    assert not fits(timeframe, closes, grid)


@settings(max_examples=10)
@given(grids, st.sampled_from(["4h", "1d", "1w", "3d"]))
def test_without_pauses_closes_are_on_the_grid_of_opens(grid: Grid, timeframe: str) -> None:
    times = opens(timeframe, grid)
    closes = slots_of(timeframe, grid).close(slots_of(timeframe, grid).number(times))
    if (~np.asarray(slots_of(timeframe, UTC_GRID).is_open(times))).mean() >= 0.25:
        proposed = propose_grid(timeframe, closes, UTC_GRID, of_closes=True)
        assert proposed is not None
        assert fits(timeframe, times, proposed)


def test_a_season_leaves_zones_open_and_the_others_are_named() -> None:
    winter = opens("1d", Grid.parse("EET"), to_ms(datetime(2023, 11, 5, tzinfo=UTC)), YEAR[1])
    proposed = propose_grid("1d", winter, UTC_GRID)
    assert proposed == Grid.parse("Etc/GMT-2")
    assert Grid.parse("EET") in other_grids("1d", winter, UTC_GRID, proposed)
    year = opens("1d", Grid.parse("EET"))
    assert other_grids("1d", year, UTC_GRID, Grid.parse("EET")) == ()


def test_zones_of_markets_come_before_the_rest_of_the_database() -> None:

    for text in ("Africa/Cairo", "Asia/Jerusalem", "America/Santiago", "Europe/Istanbul"):
        grid = Grid.parse(text)
        proposed = propose_grid("1d", opens("1d", grid), UTC_GRID)
        assert proposed is not None
        assert is_usual(proposed), text
    assert not is_usual(Grid("Africa/Casablanca", 60))
