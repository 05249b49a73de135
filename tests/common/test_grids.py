"""Grids: their text, their bounds, and zones that come from the pinned package."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GridError, ZoneError
from common.grids import UTC_GRID, Grid
from common.zones import ZONES_VERSION, zone, zone_names

GRIDS = st.builds(
    Grid,
    zone=st.sampled_from(["UTC", "EET", "America/New_York", "Asia/Hong_Kong", "Australia/Lord_Howe", "Etc/GMT-8"]),
    day_start=st.integers(0, 1439),
    week_start=st.integers(0, 6),
    three_day_phase=st.integers(0, 2),
)


@given(GRIDS)
def test_the_text_of_a_grid_reads_back(grid: Grid) -> None:
    assert Grid.parse(str(grid)) == grid


def test_parts_come_in_any_order_and_what_is_left_out_is_utc() -> None:
    assert Grid.parse("session 09:30-16:00, america/new_york") == Grid("America/New_York", 570, session_end=960)
    assert Grid.parse("day 16:00") == Grid(day_start=960)
    assert str(Grid.parse("3d 1, week thu")) == "UTC, week thu, 3d 1"
    assert Grid.parse("UTC") == UTC_GRID == Grid()


@pytest.mark.parametrize(
    "text", ["day 24:00", "week xyz", "3d 3", "", "day 16:00, day 17:00", "session 09:30-09:30", "UTC, EET", "day 9"]
)
def test_what_is_no_grid_is_refused(text: str) -> None:
    with pytest.raises(GridError):
        Grid.parse(text)


def test_a_misspelled_zone_gets_a_hint() -> None:
    with pytest.raises(ZoneError, match="did you mean America/New_York"):
        Grid.parse("America/New_Yrok")


def test_zones_come_from_the_package() -> None:
    assert zone("eet").key == "EET"
    assert "Europe/Berlin" in zone_names()
    assert ZONES_VERSION[:2] == "20"
