"""Relative strength index (Wilder, 1978).

Formula: 100 * g / (g + l), with g and l Wilder's averages (weight 1 / period) of the rises and of the falls.
Seed: the means of the first ``period`` changes; the first value is at candle ``period``.
Range: 0..100, centre 50.
Flat: NaN without movement, past or present (0 / 0). After movement it stays as it was until g + l has faded below
1e-280, thousands of candles later.
Source: TA-Lib's RSI, which gives 0 on flat input, charting platforms 50 or 100; Wilder, New Concepts in Technical
Trading Systems.

Settling: what is left of the seed n candles later is (1 - 1 / period)^n of the seed's movement, relative to the
movement at that time. This allows for a hundredfold change in movement.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import is_nothing
from indicators.steps.smoothing import fading, follow, smooth


def averages(
    source: float, previous: float, seen: float, gain: float, loss: float, period: float
) -> tuple[float, float, float, float, float, float]:
    """One candle: (average rise, average fall), then the state."""
    change = source - previous
    # A NaN change fails both comparisons and stays NaN, which leaves the averages alone.
    up = 0.0 if change < 0.0 else change
    down = 0.0 if change > 0.0 else -change
    rises, _, gain = smooth(up, seen, gain, period, 1.0 / period)
    falls, seen, loss = smooth(down, seen, loss, period, 1.0 / period)
    return rises, falls, previous if math.isnan(source) else source, seen, gain, loss


def steady(
    source: float, previous: float, seen: float, gain: float, loss: float, period: float
) -> tuple[float, float, float, float, float, float]:
    """One candle after the seed."""
    change = source - previous
    gain = follow(0.0 if change < 0.0 else change, gain, 1.0 / period)
    loss = follow(0.0 if change > 0.0 else -change, loss, 1.0 / period)
    return gain, loss, source, seen, gain, loss


def strength(rises: float, falls: float) -> float:
    """The rises' share of the movement, in percent."""
    both = rises + falls
    share = rises / both
    return math.nan if is_nothing(both) else 100.0 * share


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"], 1e-8)


INDICATOR = Indicator(
    name="rsi",
    title="Relative strength index",
    aliases=("relative_strength_index",),
    inputs=("source",),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=0, high=100, centre=50),),
    stages=(
        Step(
            averages,
            gives=("rises", "falls"),
            state={"previous": math.nan, "seen": 0.0, "gain": 0.0, "loss": 0.0},
            steady=steady,
        ),
        Step(strength, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_settle,
    undefined="no movement that its averages still count",
    version=2,
)
