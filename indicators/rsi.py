"""Relative strength index (Wilder, 1978).

Formula: 100 * g / (g + l), with g and l Wilder's averages (weight 1 / period) of the rises and of the falls. Computed
as 50 + 50 * c / m, with the averages of the change c = g - l and of its size m = g + l, which takes fewer operations.
Seed: the means of the first ``period`` changes; the first value is at candle ``period``.
Range: 0..100, centre 50.
Flat: 0, when neither rises nor falls are left (g + l is 0).
Source: TA-Lib's RSI; Wilder, New Concepts in Technical Trading Systems. TA-Lib already answers 0 when g + l is below
1e-14; charting platforms answer 50 or 100 on flat input.

Settling: what is left of the seed n candles later is (1 - 1 / period)^n of the seed's movement, measured against the
movement of that time. A hundredfold change of movement is allowed for.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.smoothing import fading, follow, smooth


def averages(
    source: float, previous: float, seen: float, change: float, movement: float, period: float
) -> tuple[float, float, float, float, float, float]:
    """One candle: (average change, average movement), then the state."""
    # NaN, which leaves the averages alone, on the first candle and where the source is missing.
    moved = source - previous
    mean, _, change = smooth(moved, seen, change, period, 1.0 / period)
    size, seen, movement = smooth(abs(moved), seen, movement, period, 1.0 / period)
    return mean, size, previous if math.isnan(source) else source, seen, change, movement


def steady(
    source: float, previous: float, seen: float, change: float, movement: float, period: float
) -> tuple[float, float, float, float, float, float]:
    """One candle after the seed."""
    moved = source - previous
    change = follow(moved, change, 1.0 / period)
    movement = follow(abs(moved), movement, 1.0 / period)
    return change, movement, source, seen, change, movement


def strength(mean: float, size: float) -> float:
    """From -1 (only falls) to 1 (only rises), as a value from 0 to 100."""
    share = mean / size
    return 0.0 if size == 0.0 else 50.0 + 50.0 * share


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
            gives=("mean", "size"),
            state={"previous": math.nan, "seen": 0.0, "change": 0.0, "movement": 0.0},
            steady=steady,
        ),
        Step(strength, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_settle,
)
