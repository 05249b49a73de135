"""Slots: every time is in one, they follow one another, and a day is as long as it is in its zone."""

from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.grids import Grid
from common.slots import Slots, slots_of
from common.timeframes import DURATION_MS, to_ms
from common.zones import zone

HOUR, DAY = DURATION_MS["1h"], DURATION_MS["1d"]
TEXTS = (
    "UTC",
    "UTC, day 16:00",
    "UTC, week thu, 3d 1",
    "EET",
    "Asia/Kolkata",
    "Etc/GMT-8",
    "Australia/Lord_Howe",
    "America/New_York, session 09:30-16:00",
    "America/Chicago, session 17:00-16:00",
)
TIMEFRAMES = tuple(DURATION_MS)
ALL = [(text, timeframe) for text in TEXTS for timeframe in TIMEFRAMES]


def at(text: str, zone_name: str = "UTC") -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=zone(zone_name)))


def slots(text: str, timeframe: str) -> Slots:
    return slots_of(timeframe, Grid.parse(text))


@pytest.mark.parametrize(("text", "timeframe"), ALL)
@settings(max_examples=30, deadline=None)
@given(time_ms=st.integers(0, at("2090-01-01")))
def test_a_time_is_in_the_slot_that_began_last(text: str, timeframe: str, time_ms: int) -> None:
    of = slots(text, timeframe)
    number = of.number(time_ms)
    begin = of.open(number)
    assert begin <= time_ms < of.open(number + 1)
    assert begin < of.close(number) <= of.open(number + 1)
    assert of.number(begin) == number
    assert of.is_open(begin)
    last = of.last_closed(time_ms)
    assert of.close(last) <= time_ms < of.close(last + 1)
    times = np.array([time_ms, begin])
    assert of.number(times).tolist() == [number, number]
    assert of.close(of.number(times)).tolist() == [of.close(number)] * 2


@pytest.mark.parametrize(("text", "timeframe"), ALL)
def test_between_lists_each_slot_once(text: str, timeframe: str) -> None:
    of = slots(text, timeframe)
    start, stop = at("2024-02-20 03:07"), at("2024-04-09")
    opens = of.between(start, stop).tolist()
    assert opens == sorted(set(opens))
    assert all(start <= each < stop for each in opens)
    assert of.number(opens[-1]) - of.number(opens[0]) == len(opens) - 1
    assert of.between(opens[0], opens[-1] + 1).tolist() == opens


@pytest.mark.parametrize("timeframe", [name for name in DURATION_MS if name != "1mo"])
def test_utc_slots_are_equally_long(timeframe: str) -> None:
    of = slots("UTC", timeframe)
    opens = of.between(at("2024-01-01"), at("2024-02-01"))
    assert (np.diff(opens) == DURATION_MS[timeframe]).all()


def test_days_are_as_long_as_they_are() -> None:
    days = slots("EET", "1d")
    lengths = {}
    for day in ("2024-03-31", "2024-06-01", "2024-10-27"):
        number = days.number(at(day, "EET"))
        assert days.open(number) == at(day, "EET")
        lengths[day] = (days.close(number) - days.open(number)) // HOUR
    assert lengths == {"2024-03-31": 23, "2024-06-01": 24, "2024-10-27": 25}


def test_hours_are_hours_and_longer_slots_follow_the_clock() -> None:
    hourly, of_four = slots("EET", "1h"), slots("EET", "4h")
    start, stop = at("2024-10-26 00:00", "EET"), at("2024-10-29 00:00", "EET")
    assert {after - before for before, after in pairwise(hourly.between(start, stop).tolist())} == {HOUR}
    opens = of_four.between(start, stop).tolist()
    assert [datetime.fromtimestamp(each / 1000, zone("EET")).hour for each in opens] == [0, 4, 8, 12, 16, 20] * 3
    assert max(after - before for before, after in pairwise(opens)) == 5 * HOUR


def test_a_session_ends_before_the_next_begins() -> None:
    hourly = slots("America/New_York, session 09:30-16:00", "1h")
    opens = hourly.between(at("2024-03-08"), at("2024-03-09"))
    assert opens.size == 7
    assert opens[0] == at("2024-03-08 09:30", "America/New_York")
    last = hourly.number(int(opens[-1]))
    assert hourly.close(last) == at("2024-03-08 16:00", "America/New_York")
    assert hourly.open(last + 1) == at("2024-03-09 09:30", "America/New_York")
    daily = slots("America/New_York, session 09:30-16:00", "1d")
    assert daily.close(daily.number(int(opens[0]))) == at("2024-03-08 16:00", "America/New_York")


def test_weeks_months_and_phases() -> None:
    assert slots("UTC", "1w").is_open(at("2024-01-01"))
    assert slots("UTC, week thu", "1w").is_open(at("2024-01-04"))
    assert slots("UTC", "3d").is_open(0)
    assert slots("UTC, 3d 1", "3d").is_open(DAY)
    months = slots("Asia/Hong_Kong", "1mo")
    assert months.is_open(at("2024-03-01", "Asia/Hong_Kong"))
    assert not months.is_open(at("2024-03-01"))
    assert months.close(months.number(at("2024-02-10"))) == at("2024-03-01", "Asia/Hong_Kong")
