"""Conditions that are valid and probably not meant: whoever registers one is told."""

import re

import pytest

from registry import Condition


def told(text: str) -> tuple[str, ...]:
    return Condition.parse(f"BTCUSDT 1h: {text}").warnings


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("volume > 2 * sma(20)", "sma(20, volume)"),
        ("volume crosses_above ema(9)[1]", "ema(9, volume)"),
        ("sma(20, volume) < sma(50) and rsi < 30", "sma(50, sma(20, volume))"),
        ("rsi crosses_above sma(9)", "sma(9, rsi(14))"),
        ("ema(9) < stochrsi.k", "ema(9, stochrsi(14, 14, 3, 3).k)"),
    ],
)
def test_something_is_compared_with_the_average_of_something_else(text: str, instead: str) -> None:
    (warning,) = told(text)
    assert "with an average of the close" in warning
    assert warning.endswith(f"; its own average is {instead}")
    assert Condition.parse(f"BTCUSDT 1h: {instead} > 1")


def test_what_cannot_be_a_source_is_not_offered_as_one() -> None:
    assert told("obv > sma(20)") == ("obv > sma(20) compares obv with an average of the close",)


@pytest.mark.parametrize(
    "text",
    ["close > supertrend(3, 10)", "keltner(2, 20).upper < close", "close > bbands(2, 20).lower",
     "stochrsi(3, 3, 14, 14) < 20",
     "sma(5, bbands(2, 20).upper) > close", "abs(supertrend(3, 10) - close) > 5"],
)  # fmt: skip
def test_parameters_in_another_platforms_order(text: str) -> None:
    (warning,) = told(text)
    assert "; the order is " in warning


@pytest.mark.parametrize(
    ("text", "instead"), [("max(high, 20)", "highest(20, high)"), ("min(low, 50)", "lowest(50, low)")]
)
def test_the_extreme_of_a_price_and_a_number_of_candles(text: str, instead: str) -> None:
    (warning,) = told(f"close > {text}")
    assert warning.endswith(f" candles is {instead}")
    assert Condition.parse(f"BTCUSDT 1h: {re.split(' is ', warning)[-1]} > 1")


@pytest.mark.parametrize(
    "text",
    ["volume > 2 * sma(20, volume)", "close > sma(20)", "rsi > sma(9, rsi)", "close > supertrend(10, 3)", "rsi < 30",
     "bbands(20, 2).lower > close", "max(high, close) > 5", "max(close - open, 20) > 5", "close * volume > 1e6",
     "stochrsi < 20", "close / sma(20) > rsi", "obv rising 3 bars", "volume > 1000", "max(high, 2000) > close"],
)  # fmt: skip
def test_nothing_is_said_of_what_is_probably_meant(text: str) -> None:
    assert told(text) == ()
