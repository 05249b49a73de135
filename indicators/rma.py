"""Wilder's moving average (Wilder, 1978), which charting platforms also call the smoothed moving average.

Formula: a += (x - a) / period.
Seed: the simple mean of the first ``period`` values, which is the first value, at candle period - 1.
Range: that of the source.
Flat: exactly the source.
Source: TA-Lib's RMA; Wilder, New Concepts in Technical Trading Systems. RSI, ATR and ADX smooth with it.

Settling: what is left of the seed n candles later is (1 - 1 / period)^n.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import faded
from indicators.steps.smoothing import fading, follow, smooth


def step(source: float, seen: float, level: float, period: float) -> tuple[float, float, float]:
    """One candle: (value, seen, level)."""
    average, seen, level = smooth(source, seen, level, period, 1.0 / period)
    return faded(average), seen, level


def steady(source: float, seen: float, level: float, period: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    level = follow(source, level, 1.0 / period)
    return faded(level), seen, level


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"])


INDICATOR = Indicator(
    name="rma",
    title="Wilder's moving average",
    aliases=("wilder", "wilders_moving_average", "smma", "smoothed_moving_average"),
    inputs=("source",),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value"),),
    stages=(Step(step, gives=("value",), state={"seen": 0.0, "level": 0.0}, steady=steady),),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
