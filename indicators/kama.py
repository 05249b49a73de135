"""Kaufman's adaptive moving average (Kaufman, 1995).

Formula: a += (x - a) * w, with w = (efficiency * (2/3 - 2/31) + 2/31)^2, between the weights of a slow EMA(30) and a
fast EMA(2), squared; efficiency = |x - x[period]| / sum of the last ``period`` |x - x[1]|.
Seed: the source one candle before the first value, which is at candle ``period``.
Range: that of the source.
Flat: exactly the source; a window without movement counts as efficient, 1.
Source: TA-Lib's KAMA, with its default period; Kaufman, Smarter Trading, prefers a period of 10. TA-Lib keeps running
sums; here the window is summed afresh on every candle.

Settling: the weight depends on how the source moves. A random walk has an efficiency of about 1 / sqrt(period); the
formula assumes two thirds of that.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.lengths import pair, period_and_one
from indicators.steps.smoothing import fading


def move(source: float, previous: float) -> float:
    """The size of the last move."""
    return abs(source - previous)


def weight(source: float, before: float, path: float) -> float:
    """The weight of the newest value, from the share of the path that was net progress."""
    efficiency = abs(source - before) / path
    # The sum of the moves can fall short of the distance by a rounding.
    efficiency = 1.0 if path == 0.0 or efficiency > 1.0 else efficiency
    root = efficiency * (2.0 / 3.0 - 2.0 / 31.0) + 2.0 / 31.0
    return root * root


def adapt(source: float, previous: float, weight: float, level: float) -> tuple[float, float]:
    """One candle: (value, level). The level is NaN before the first weight."""
    base = previous if math.isnan(level) else level
    value = base + (source - base) * weight
    return value, level if math.isnan(value) else value


def adapt_on(source: float, previous: float, weight: float, level: float) -> tuple[float, float]:  # noqa: ARG001 - called like the other
    """One candle after the first weight."""
    level = level + (source - level) * weight
    return level, level


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    efficiency = 2.0 / 3.0 / math.sqrt(parameters["period"])
    return _lookback(parameters) + fading((efficiency * (2.0 / 3.0 - 2.0 / 31.0) + 2.0 / 31.0) ** 2)


INDICATOR = Indicator(
    name="kama",
    title="Kaufman's adaptive moving average",
    aliases=("kaufman", "kaufman_adaptive_moving_average", "adaptive_moving_average"),
    inputs=("source",),
    parameters=(Parameter("period", 30, 2, 1000),),
    outputs=(Output("value"),),
    stages=(
        Window("previous", "oldest", over="source", length=pair),
        Step(move, gives=("move",)),
        Window("path", "sum", over="move", length="period"),
        Window("before", "oldest", over="source", length=period_and_one),
        Step(weight, gives=("weight",)),
        Step(adapt, gives=("value",), state={"level": math.nan}, steady=adapt_on),
    ),
    lookback=_lookback,
    settle=_settle,
)
