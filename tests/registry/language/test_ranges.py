"""Thresholds that an indicator cannot reach are told, and only those."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.catalogue import Output, catalogue
from registry import Condition

BOUNDED = [
    (f"{record.name}.{output.name}" if len(record.outputs) > 1 else record.name, output)
    for record in catalogue().values()
    for output in record.outputs
    if output.low is not None or output.high is not None
]
OPERATORS = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")


def truths(operator: str, output: Output, number: float) -> set[bool]:
    """What a comparison can be, tried with values at, between and around the bounds and the number."""
    low = -math.inf if output.low is None else output.low
    high = math.inf if output.high is None else output.high
    ends = [end for end in (low, high) if math.isfinite(end)]
    tried = [value + step for value in (*ends, number) for step in (-1e6, -0.5, 0, 0.5, 1e6)]
    values = [value for value in tried if low <= value <= high]
    simple = {
        "<": lambda value: value < number,
        "<=": lambda value: value <= number,
        ">": lambda value: value > number,
        ">=": lambda value: value >= number,
    }
    if operator in simple:
        return {simple[operator](value) for value in values}
    if operator == "crosses_above":
        return {now > number and before <= number for now in values for before in values}
    return {now < number and before >= number for now in values for before in values}


@settings(max_examples=300)
@given(
    bounded=st.sampled_from(BOUNDED), operator=st.sampled_from(OPERATORS), from_high=st.booleans(),
    offset=st.sampled_from((-150, -1, 0, 1, 50, 150)), mirrored=st.booleans(),
)  # fmt: skip
def test_exactly_what_is_decided_is_told(
    bounded: tuple[str, Output], operator: str, offset: int, from_high: bool, mirrored: bool
) -> None:
    name, output = bounded
    bound = output.high if from_high and output.high is not None else output.low
    number = (bound or 0) + offset
    text = f"{name} {operator} {number:g}"
    if mirrored:
        mirror = str.maketrans("<>", "><")
        swapped = {"crosses_above": "crosses_below", "crosses_below": "crosses_above"}
        text = f"{number:g} {swapped.get(operator, operator.translate(mirror))} {name}"
    warnings = Condition.parse(f"BTCUSDT 1h: {text}").warnings
    possible = truths(operator, output, number)
    assert len(warnings) == (len(possible) == 1)
    if warnings:
        assert f"is {'always' if possible == {True} else 'never'} TRUE: " in warnings[0]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("rsi < 300", ("rsi(14) < 300 is always TRUE: rsi goes from 0 to 100",)),
        ("rsi crosses_above 150", ("rsi(14) crosses_above 150 is never TRUE: rsi goes from 0 to 100",)),
        ("not rsi < 300", ("rsi(14) >= 300 is never TRUE: rsi goes from 0 to 100",)),
        ("rsi between 40 and 160", ("rsi(14) <= 160 is always TRUE: rsi goes from 0 to 100",)),
        ("atr@4h < -1 or rsi[2] > 100", (
            "atr(14)@4h < -1 is never TRUE: atr is never below 0",
            "rsi(14)[2] > 100 is never TRUE: rsi goes from 0 to 100",
        )),
        ("stoch.k > 101 and stoch.k > 101", ("stoch(14, 3, 3).k > 101 is never TRUE: stoch.k goes from 0 to 100",)),
        ("rsi(14, macd.histogram) < 300 and bbands(20, 2, macd.histogram).bandwidth < -1", (
            "rsi(14, macd(12, 26, 9).histogram) < 300 is always TRUE: rsi goes from 0 to 100",
        )),
        ("rsi < 30 and close > 0 and macd.histogram > 1000 and rsi - 7 < 300 and cci > 500", ()),
    ],
)  # fmt: skip
def test_what_is_told(text: str, warnings: tuple[str, ...]) -> None:
    assert set(Condition.parse(f"BTCUSDT 1h: {text}").warnings) == set(warnings)
