"""Hull moving average (Hull, 2005).

Formula: WMA(root) of 2 * WMA(half) - WMA(period), with half = period / 2 and root = sqrt(period), both rounded down.
Seed: none; the first value is at candle (period - 1) + (root - 1).
Range: unbounded; it overshoots the source's turns.
Flat: exactly the source.
Source: TA-Lib's HMA; Hull. Some platforms round half or root to the nearest whole number, which gives a different line.
TA-Lib keeps running sums; here the windows are summed afresh on every candle, so that the value does not depend on
where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import or_newest


def ahead(source: float, half_weighted: float, full_weighted: float, period: float) -> float:
    """Twice the faster average minus the slower one."""
    half = math.floor(period / 2.0)
    fast = or_newest(half_weighted / (half * (half + 1.0) / 2.0), source)
    slow = or_newest(full_weighted / (period * (period + 1.0) / 2.0), source)
    return 2.0 * fast - slow


def hull(ahead: float, ahead_weighted: float, period: float) -> float:
    """The weighted mean of the last ``root`` values of :func:`ahead`."""
    root = math.floor(math.sqrt(period))
    return or_newest(ahead_weighted / (root * (root + 1.0) / 2.0), ahead)


def _half(parameters: Parameters) -> int:
    return int(parameters["period"]) // 2


def _root(parameters: Parameters) -> int:
    return math.isqrt(int(parameters["period"]))


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) + _root(parameters) - 2


INDICATOR = Indicator(
    name="hma",
    title="Hull moving average",
    aliases=("hull", "hull_moving_average"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(
        Window("half_weighted", "weighted", over="source", length=_half),
        Window("full_weighted", "weighted", over="source", length="period"),
        Step(ahead, gives=("ahead",)),
        Window("ahead_weighted", "weighted", over="ahead", length=_root),
        Step(hull, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    version=2,
)
