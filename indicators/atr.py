"""Average true range (Wilder, 1978).

Formula: Wilder's average (weight 1 / period) of the true range max(high, c) - min(low, c), c being the previous close.
Seed: the mean of the true ranges of candles 1..period; the first candle has none. First value at candle ``period``.
Range: from 0.
Flat: 0.
Source: TA-Lib's ATR; Wilder, New Concepts in Technical Trading Systems. Other definitions take high - low as the true
range of the first candle and begin one candle earlier.

Settling: what is left of the seed n candles later is (1 - 1 / period)^n of the seed's range, relative to the ranges at
that time. This allows for a hundredfold change in range.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.candle import true_range
from indicators.steps.limits import faded
from indicators.steps.smoothing import fading, follow, smooth


def step(
    high: float, low: float, close: float, previous: float, seen: float, level: float, period: float
) -> tuple[float, float, float, float]:
    """One candle: (value, previous, seen, level)."""
    if math.isnan(high) or math.isnan(low) or math.isnan(close):
        return math.nan, previous, seen, level
    value, seen, level = smooth(true_range(high, low, previous), seen, level, period, 1.0 / period)
    return faded(value), close, seen, level


def steady(
    high: float, low: float, close: float, previous: float, seen: float, level: float, period: float
) -> tuple[float, float, float, float]:
    """One candle after the seed."""
    top = previous if previous > high else high
    bottom = previous if previous < low else low
    # A non-finite close has to persist in the level.
    level = follow(top - bottom + (close - close), level, 1.0 / period)
    return faded(level), close, seen, level


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"], 1e-8)


INDICATOR = Indicator(
    name="atr",
    title="Average true range",
    aliases=("average_true_range",),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=0),),
    stages=(Step(step, gives=("value",), state={"previous": math.nan, "seen": 0.0, "level": 0.0}, steady=steady),),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
