"""What every page has in common."""

import pytest

from dashboard.view import duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3_600, "1 h"),
        (86_399, "23 h 59 min"),
        (73_120_707, "846 d 7 h"),
        (1_000 * 86_400, "1,000 d"),
    ],
)
def test_durations_have_their_two_largest_units(seconds: int, shown: str) -> None:
    assert duration(seconds * 1000 + 999 * (seconds >= 0)) == shown
