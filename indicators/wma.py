"""Weighted moving average.

Formula: mean of the last ``period`` values with the weights 1 (oldest) to ``period`` (newest).
Seed: none; the first value is at candle period - 1.
Range: that of the source.
Flat: exactly the source.
Source: TA-Lib's WMA. TA-Lib keeps running sums; here the window is summed afresh on every candle, so that the value
does not depend on where the series started.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import or_newest


def weighted_mean(source: float, weighted: float, period: float) -> float:
    """The weighted sum divided by the sum of the weights."""
    return or_newest(weighted / (period * (period + 1.0) / 2.0), source)


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="wma",
    title="Weighted moving average",
    aliases=("weighted_moving_average", "linear_weighted_moving_average", "lwma"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(
        Window("weighted", "weighted", over="source", length="period"),
        Step(weighted_mean, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    version=2,
)
