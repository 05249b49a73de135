"""Which slots lack a candle: nights, weekends, pauses and long days are none of them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.grids import Grid
from common.missing_slots import missing_between, missing_in_sessions
from common.slots import slots_of
from common.timeframes import DURATION_MS, to_ms

Opens = NDArray[np.int64]

DAY = DURATION_MS["1d"]
FROM, TO = to_ms(datetime(2024, 2, 26, tzinfo=UTC)), to_ms(datetime(2024, 4, 22, tzinfo=UTC))
"""Eight weeks, from a Monday on; clocks change in America and in Europe."""
NEW_YORK = Grid.parse("America/New_York, session 09:30-16:00")
FOREX = Grid.parse("America/New_York, day 17:00")


def candles(timeframe: str, grid: Grid) -> Opens:
    """When the candles of eight weeks open whose days begin on a weekday."""
    opens, days = slots_of(timeframe, grid).between(FROM, TO), slots_of("1d", grid)
    # Days of foreign exchange begin on the evening before: from Sunday to Thursday.
    weekday = (days.open(days.number(opens)) // DAY + 3 + (grid.day_start > 12 * 60)) % 7
    return opens[weekday < 5]


def runs(opens: Opens, timeframe: str, grid: Grid) -> list[tuple[int, int]]:
    """The first open time of each run without a candle, and its slots."""
    slots = slots_of(timeframe, grid)
    first, last = missing_in_sessions(opens, slots, slots_of("1d", grid))
    return [(slots.open(int(begin)), int(end - begin + 1)) for begin, end in zip(first, last, strict=True)]


@pytest.mark.parametrize("timeframe", ["5m", "30m", "1h", "4h", "1d", "1w"])
@pytest.mark.parametrize("grid", [NEW_YORK, FOREX, Grid.parse("UTC"), Grid.parse("Asia/Kolkata, session 09:15-15:30")])
def test_what_is_closed_is_not_missing(timeframe: str, grid: Grid) -> None:
    opens = slots_of("1w", grid).between(FROM, TO) if timeframe == "1w" else candles(timeframe, grid)
    assert runs(opens, timeframe, grid) == []


def test_pauses_holidays_and_short_days_are_not_missing() -> None:
    grid = Grid.parse("Asia/Hong_Kong, session 09:30-16:00")
    opens = candles("30m", grid)
    time_of_day = opens % DAY
    with_pauses = opens[(time_of_day < 4 * 3_600_000) | (time_of_day >= 5 * 3_600_000)]
    assert opens.size > with_pauses.size
    assert runs(with_pauses, "30m", grid) == []
    holiday, short = FROM + 10 * DAY, FROM + 16 * DAY
    kept = (with_pauses // DAY != holiday // DAY) & ~(
        (with_pauses // DAY == short // DAY) & (with_pauses % DAY > DAY // 6)
    )
    assert runs(with_pauses[kept], "30m", grid) == []


@pytest.mark.parametrize(("timeframe", "grid"), [("1h", NEW_YORK), ("30m", FOREX), ("5m", NEW_YORK)])
@settings(max_examples=25)
@given(st.data())
def test_slots_of_an_open_market_are_missing(timeframe: str, grid: Grid, data: st.DataObject) -> None:
    opens, days = candles(timeframe, grid), slots_of("1d", grid)
    day = days.number(opens)
    inner = np.flatnonzero((day[1:-1] == day[:-2]) & (day[1:-1] == day[2:])) + 1
    lacking = data.draw(st.lists(st.sampled_from(inner.tolist()), min_size=1, max_size=5, unique=True))
    # Without neighbours among them, each is a run of its own between two candles of its day.
    lacking = [one for one in lacking if one - 1 not in lacking and one + 1 not in lacking]
    assert runs(np.delete(opens, lacking), timeframe, grid) == [(int(opens[one]), 1) for one in sorted(lacking)]


def test_no_market_is_closed_for_more_than_a_week() -> None:
    opens = candles("1d", NEW_YORK)
    week = opens[~((opens >= FROM + 7 * DAY) & (opens < FROM + 11 * DAY))]
    assert runs(week, "1d", NEW_YORK) == [], "Monday to Thursday may be holidays"
    fortnight = opens[~((opens >= FROM + 7 * DAY) & (opens < FROM + 19 * DAY))]
    assert [slots for _, slots in runs(fortnight, "1d", NEW_YORK)] == [5, 5], "of which weekends are no part"


def test_a_candle_now_and_then_does_not_open_a_market() -> None:
    """A trade at noon, or on a Saturday, which some exchanges open once a year."""
    grid = Grid.parse("Asia/Hong_Kong, session 09:30-16:00")
    opens = candles("30m", grid)
    noon = opens % DAY == 4 * 3_600_000
    pauses = opens[~noon & (opens % DAY != 4 * 3_600_000 + 1_800_000)]
    assert runs(np.sort(np.append(pauses, opens[noon][:1])), "30m", grid) == []
    usual = np.sort(np.append(pauses, opens[noon][::2]))
    assert len(runs(usual, "30m", grid)) == 20, "at noon on every other day, it is missing on the others"
    saturday = slots_of("1h", NEW_YORK).between(FROM + 5 * DAY, FROM + 6 * DAY)
    lacking = [one for one in candles("1h", NEW_YORK) if not FROM + 14 * DAY <= one < FROM + 26 * DAY]
    assert [slots for _, slots in runs(np.sort(np.append(lacking, saturday)), "1h", NEW_YORK)] == [35, 35]


@given(st.sampled_from(["1h", "4h", "1d"]), st.sampled_from(["EET", "Australia/Lord_Howe", "America/Santiago"]))
def test_days_of_other_lengths_lack_nothing_where_a_market_never_closes(timeframe: str, zone: str) -> None:
    slots = slots_of(timeframe, Grid(zone))
    opens = slots.between(FROM, FROM + 400 * DAY)
    first, _ = missing_between(opens[:-1], opens[1:], slots)
    assert not first.size
    lacking = np.delete(opens, [7, 8, 20])
    first, last = missing_between(lacking[:-1], lacking[1:], slots)
    assert slots.open(first).tolist() == [opens[7], opens[20]]
    assert (last - first + 1).tolist() == [2, 1]
