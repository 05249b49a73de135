"""Indicators by their formulae, for the slow oracle: plain Python and numpy, sharing nothing with ``indicators/``.

Conventions are TA-Lib's where it has the function (``test_oracle.py`` holds them to it), the authors' elsewhere. A
formula takes a source (a price, ``close`` if the condition names none), all columns and its parameters, and gives each
output with the **error** that another careful calculation may differ by, candle by candle: 5e-10 of the scale of what
it was computed from, so that two of them make the 1e-9 of the margin rule. What is picked and not computed (a highest
high) has no error.

A new indicator is one function and one line of ``FORMULAE``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]
Value = tuple[Floats, Floats]
"""Values and their errors."""

SHARE = 5e-10
"""Error of a computed value relative to its scale."""


@dataclass(frozen=True)
class Formula:
    """How an indicator is computed, and what of it is worth asking for.

    ``outputs`` tells what an output can be compared with: another ``price``, a ``percent`` or any other ``number``.
    """

    function: Callable[..., dict[str, Value]]
    outputs: Mapping[str, str]
    choices: tuple[tuple[float, ...], ...]
    """Parameters that random conditions use."""
    has_source: bool = True


def values_of(name: str, columns: Columns, source: str | None, parameters: tuple[float, ...]) -> dict[str, Value]:
    """All outputs of an indicator over the candles of a series."""
    whole = [int(number) if number == int(number) else number for number in parameters]
    formula = FORMULAE[name]
    with np.errstate(all="ignore"):
        if formula.has_source:
            return formula.function(price(columns, source or "close"), *whole)
        return formula.function(columns, *whole)


def price(columns: Columns, field: str) -> Floats:
    """A column, or a mean of columns summed from left to right: exact, as it is the same float64 for everybody."""
    begin, high, low, close = (columns[name] for name in ("open", "high", "low", "close"))
    means = {"hl2": (high + low) / 2, "hlc3": (high + low + close) / 3, "ohlc4": (begin + high + low + close) / 4}
    return means[field] if field in means else columns[field]


# Errors.


def like(scale: Floats, values: Floats) -> Value:
    """Computed from values of the size of ``scale``, whose largest so far may still echo in it."""
    return values, SHARE * np.fmax.accumulate(np.abs(scale))


def sized(scale: float, values: Floats) -> Value:
    """On a scale of its own, such as 100 for a percentage."""
    return values, np.full(values.size, SHARE * scale)


def exactly(values: Floats) -> Value:
    """Picked, not computed."""
    return values, np.zeros(values.size)


# Building blocks. A NaN at the beginning of an input is a candle without a value: the block begins behind it.


def blank(values: Floats) -> Floats:
    return np.full(values.size, np.nan)


def first(values: Floats) -> int:
    """Row of the first value."""
    there = np.flatnonzero(np.isfinite(values))
    return int(there[0]) if there.size else values.size


def over(values: Floats, length: int, reduce: Callable[[Floats], float]) -> Floats:
    """``reduce`` of the last ``length`` values."""
    found = blank(values)
    for row in range(length - 1, values.size):
        window = values[row - length + 1 : row + 1]
        found[row] = reduce(window) if np.isfinite(window).all() else np.nan
    return found


def mean_of(window: Floats) -> float:
    # Equal values have themselves as their mean, whatever rounding says.
    return float(window[0]) if (window == window[0]).all() else math.fsum(window) / window.size


def deviation_of(window: Floats) -> float:
    middle = mean_of(window)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in window) / window.size)


def mean(values: Floats, length: int) -> Floats:
    return over(values, length, mean_of)


def highest_of(values: Floats, length: int) -> Floats:
    return over(values, length, max)


def lowest_of(values: Floats, length: int) -> Floats:
    return over(values, length, min)


def smoothed(values: Floats, length: int, weight: float) -> Floats:
    """Exponential average that begins with the mean of the first ``length`` values."""
    found = blank(values)
    begin = first(values)
    level = math.nan
    for row in range(begin + length - 1, values.size):
        if row == begin + length - 1:
            level = mean_of(values[begin : row + 1])
        else:
            level = level * (1 - weight) + values[row] * weight
        found[row] = level
    return found


def exponential(values: Floats, length: int) -> Floats:
    return smoothed(values, length, 2 / (length + 1))


def wilders(values: Floats, length: int) -> Floats:
    return smoothed(values, length, 1 / length)


def changes(values: Floats, steps: int = 1) -> Floats:
    found = blank(values)
    found[steps:] = values[steps:] - values[:-steps]
    return found


def true_range(columns: Columns) -> Floats:
    high, low, close = (columns[name] for name in ("high", "low", "close"))
    found = blank(close)
    found[1:] = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    return found


# Averages.


def sma(x: Floats, period: int) -> dict[str, Value]:
    return {"value": like(x, mean(x, period))}


def ema(x: Floats, period: int) -> dict[str, Value]:
    return {"value": like(x, exponential(x, period))}


# Oscillators.


def rsi_of(x: Floats, period: int) -> Floats:
    change = changes(x)
    up = wilders(np.where(np.isnan(change), np.nan, np.maximum(change, 0)), period)
    down = wilders(np.where(np.isnan(change), np.nan, np.maximum(-change, 0)), period)
    # 0 on flat input.
    return np.where(up + down == 0, 0.0, 100 * up / (up + down))


def rsi(x: Floats, period: int) -> dict[str, Value]:
    return {"value": sized(100, rsi_of(x, period))}


def fast_line(high: Floats, low: Floats, close: Floats, length: int) -> Floats:
    top, bottom = highest_of(high, length), lowest_of(low, length)
    return np.where(top == bottom, 0.0, 100 * (close - bottom) / (top - bottom))


def stoch(columns: Columns, k: int, smooth: int, d: int) -> dict[str, Value]:
    slow = mean(fast_line(columns["high"], columns["low"], columns["close"], k), smooth)
    average = mean(slow, d)
    # Both lines begin together.
    return {"k": sized(100, np.where(np.isnan(average), np.nan, slow)), "d": sized(100, average)}


def distance_lines(x: Floats, fast: int, slow: int, signal: int, *, percent: bool) -> tuple[Floats, Floats]:
    """Fast less slow average, and its average; all begin together."""
    # The fast average is seeded by the values that end where the slow one's seed ends.
    late = np.concatenate([np.full(slow - fast, np.nan), x[slow - fast :]])
    short, long = exponential(late, fast), exponential(x, slow)
    line = 100 * (short - long) / long if percent else short - long
    average = exponential(line, signal)
    return np.where(np.isnan(average), np.nan, line), average


def macd(x: Floats, fast: int, slow: int, signal: int) -> dict[str, Value]:
    line, average = distance_lines(x, fast, slow, signal, percent=False)
    return {"line": like(x, line), "signal": like(x, average), "histogram": like(x, line - average)}


# Channels and volatility.


def bbands(x: Floats, period: int, stddev: float) -> dict[str, Value]:
    middle = mean(x, period)
    reach = stddev * over(x, period, deviation_of)
    upper, lower = middle + reach, middle - reach
    _, error = like(x, middle)
    width = upper - lower
    return {
        "upper": like(x, upper),
        "middle": like(x, middle),
        "lower": like(x, lower),
        "percent_b": ((x - lower) / width, 2 * error / width * (1 + np.abs((x - lower) / width))),
        "bandwidth": (width / middle, 4 * error / np.abs(middle)),
    }


def atr_of(columns: Columns, period: int) -> Floats:
    return wilders(true_range(columns), period)


def atr(columns: Columns, period: int) -> dict[str, Value]:
    return {"value": like(columns["high"], atr_of(columns, period))}


def highest(x: Floats, period: int) -> dict[str, Value]:
    return {"value": exactly(highest_of(x, period))}


def lowest(x: Floats, period: int) -> dict[str, Value]:
    return {"value": exactly(lowest_of(x, period))}


_VALUE_PRICE = {"value": "price"}
_VALUE_PERCENT = {"value": "percent"}
_VALUE_NUMBER = {"value": "number"}
_PERIODS = ((2,), (3,), (5,), (9,), (14,))

FORMULAE: dict[str, Formula] = {
    "sma": Formula(sma, _VALUE_PRICE, _PERIODS),
    "ema": Formula(ema, _VALUE_PRICE, _PERIODS),
    "rsi": Formula(rsi, _VALUE_PERCENT, _PERIODS),
    "macd": Formula(
        macd,
        {"line": "number", "signal": "number", "histogram": "number"},
        ((3, 7, 4), (5, 9, 3), (2, 12, 2)),
    ),
    "bbands": Formula(
        bbands,
        {"upper": "price", "middle": "price", "lower": "price", "percent_b": "number", "bandwidth": "number"},
        ((4, 1), (8, 2), (5, 1.5)),
    ),
    "atr": Formula(atr, _VALUE_NUMBER, _PERIODS, has_source=False),
    "stoch": Formula(stoch, {"k": "percent", "d": "percent"}, ((5, 3, 3), (3, 1, 2), (8, 2, 1)), has_source=False),
    "highest": Formula(highest, _VALUE_PRICE, _PERIODS),
    "lowest": Formula(lowest, _VALUE_PRICE, _PERIODS),
}
