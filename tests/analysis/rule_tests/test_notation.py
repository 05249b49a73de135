"""The short notation of values is promtool's."""

import math

import pytest

from analysis.rule_tests.notation import read_truths, read_values
from common.errors import RuleTestError
from engine.program import FALSE, TRUE, UNKNOWN


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-2+4x3", [-2, 2, 6, 10]),
        (" 1-2x4", [1, -1, -3, -5, -7]),
        ("1x4", [1, 1, 1, 1, 1]),
        ("4 _x3 5", [4, None, None, None, 5]),
        ("100-1x20", list(range(100, 79, -1))),
        ("1e3 .5 -0.25 +7", [1000, 0.5, -0.25, 7]),
        ("1e-2+1e-2x1", [0.01, 0.02]),
        ("", []),
    ],
)
def test_values(text: str, values: list[float | None]) -> None:
    assert read_values(text) == values


def test_a_value_that_is_not_known_is_on_a_candle_that_exists() -> None:
    first, second, missing = read_values("Ux2 _")
    assert missing is None
    assert first is not None
    assert second is not None
    assert math.isnan(first)
    assert math.isnan(second)


def test_truths() -> None:
    assert read_truths("Ux2 T F _ Tx3") == [UNKNOWN, UNKNOWN, TRUE, FALSE, None, TRUE, TRUE, TRUE]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1+2", "'1\\+2' is neither a value nor a run"),
        ("nan", "'nan' is neither"),
        ("T", "'T' is neither"),
        ("1,2", "'1,2' is neither"),
        ("1x0", "from 1 to"),
        ("_x99999999999", "from 1 to"),
        ("1x900000 1x900000", "more than 1,000,000"),
    ],
)
def test_what_is_no_value(text: str, says: str) -> None:
    with pytest.raises(RuleTestError, match=says):
        read_values(text)


def test_what_is_no_truth() -> None:
    with pytest.raises(RuleTestError, match="'1' is no truth; write T, F or U"):
        read_truths("T 1")
