"""Keltner channels.

Formula: middle = EMA(period) of the source, by default the typical price (high + low + close) / 3; upper/lower = middle
+- multiplier * ATR(atr_period).
Seed: all outputs begin together, at candle period - 1 or atr_period, whichever is later. Both averages are seeded by
the mean of their first values up to that candle, so the shorter one leaves out earlier candles.
Range: lower <= middle <= upper.
Flat: exactly the price for all three.
Source: TA-Lib's KC, which has no other source. Charting platforms mostly take the EMA of the close.

Settling: that of the average or that of the range, whichever is later.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.candle import true_range, typical_source
from indicators.steps.smoothing import fading, follow, smooth


def spans(high: float, low: float, close: float, previous: float) -> tuple[float, float]:
    """One candle: (span, previous), the span being NaN on the first one."""
    if math.isnan(high) or math.isnan(low) or math.isnan(close):
        return math.nan, previous
    return true_range(high, low, previous), close


def spans_on(high: float, low: float, close: float, previous: float) -> tuple[float, float]:
    """One candle after the first."""
    # Non-finite values have to persist in the average.
    return true_range(high, low, previous) + ((high - high) + (low - low) + (close - close)), close


def average_source(
    source: float, early: float, seen: float, level: float, period: float, atr_period: float
) -> tuple[float, float, float, float]:
    """One candle: (centre, early, seen, level); ``early`` counts the candles before the seed."""
    if early <= atr_period - period and not math.isnan(source):
        return math.nan, early + 1.0, seen, level
    average, seen, level = smooth(source, seen, level, period, 2.0 / (period + 1.0))
    return average, early, seen, level


def source_follows(
    source: float,
    early: float,
    seen: float,
    level: float,
    period: float,
    atr_period: float,  # noqa: ARG001 - called like the other
) -> tuple[float, float, float, float]:
    """One candle after the seed."""
    level = follow(source, level, 2.0 / (period + 1.0))
    return level, early, seen, level


def average_range(
    span: float, unused: float, counted: float, width: float, period: float, atr_period: float
) -> tuple[float, float, float, float]:
    """One candle: (average, unused, counted, width); ``unused`` counts the ranges before the seed."""
    if unused < period - 1.0 - atr_period and not math.isnan(span):
        return math.nan, unused + 1.0, counted, width
    average, counted, width = smooth(span, counted, width, atr_period, 1.0 / atr_period)
    return average, unused, counted, width


def range_follows(
    span: float,
    unused: float,
    counted: float,
    width: float,
    period: float,  # noqa: ARG001 - called like the other
    atr_period: float,
) -> tuple[float, float, float, float]:
    """One candle after the seed."""
    width = follow(span, width, 1.0 / atr_period)
    return width, unused, counted, width


def channel(centre: float, average: float, multiplier: float) -> tuple[float, float, float]:
    """One candle: (upper, middle, lower)."""
    reach = multiplier * average
    return centre + reach, math.nan if math.isnan(reach) else centre, centre - reach


def _lookback(parameters: Parameters) -> int:
    return int(max(parameters["period"] - 1, parameters["atr_period"]))


def _settle(parameters: Parameters) -> int:
    period, atr_period = int(parameters["period"]), int(parameters["atr_period"])
    return _lookback(parameters) + max(fading(2.0 / (period + 1.0)), fading(1.0 / atr_period))


INDICATOR = Indicator(
    name="keltner",
    title="Keltner channels",
    aliases=("kc", "keltner_channel", "keltner_channels"),
    inputs=("source", "high", "low", "close"),
    default_source="hlc3",
    source_step=Step(typical_source, gives=("source",)),
    parameters=(
        Parameter("period", 20, 2, 1000),
        Parameter("multiplier", 2, 0.01, 100, whole=False),
        Parameter("atr_period", 10, 2, 1000),
    ),
    outputs=(Output("upper"), Output("middle"), Output("lower")),
    stages=(
        Step(spans, gives=("span",), state={"previous": math.nan}, steady=spans_on),
        Step(
            average_source,
            gives=("centre",),
            state={"early": 0.0, "seen": 0.0, "level": 0.0},
            steady=source_follows,
        ),
        Step(
            average_range,
            gives=("average",),
            state={"unused": 0.0, "counted": 0.0, "width": 0.0},
            steady=range_follows,
        ),
        Step(channel, gives=("upper", "middle", "lower")),
    ),
    lookback=_lookback,
    settle=_settle,
    default_output=None,
    version=2,
)
