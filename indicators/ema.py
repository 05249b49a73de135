"""Exponential moving average.

Formula: e += (x - e) * 2 / (period + 1).
Seed: the simple mean of the first ``period`` values, which is the first value, at candle period - 1.
Range: that of the source.
Flat: exactly the source.
Source: TA-Lib's EMA in its default compatibility. Other definitions start at the first value (pandas
``ewm(adjust=False)``, TA-Lib's Metastock mode) and differ until both have settled.

Settling: what is left of the seed n candles later is (1 - 2 / (period + 1))^n.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import faded
from indicators.steps.smoothing import fading, follow, smooth


def step(source: float, seen: float, level: float, period: float) -> tuple[float, float, float]:
    """One candle: (value, seen, level)."""
    average, seen, level = smooth(source, seen, level, period, 2.0 / (period + 1.0))
    return faded(average), seen, level


def steady(source: float, seen: float, level: float, period: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    level = follow(source, level, 2.0 / (period + 1.0))
    return faded(level), seen, level


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(2.0 / (parameters["period"] + 1.0))


INDICATOR = Indicator(
    name="ema",
    title="Exponential moving average",
    aliases=("exponential_moving_average",),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(Step(step, gives=("value",), state={"seen": 0.0, "level": 0.0}, steady=steady),),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
