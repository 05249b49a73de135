"""Commodity channel index (Lambert, 1980).

Formula: (t - mean) / (0.015 * deviation), with t = (high + low + close) / 3, its mean over the last ``period`` candles,
and the mean absolute distance of those from that mean.
Seed: none; the first value is at candle period - 1.
Range: unbounded, around 0; mostly within -100..100.
Flat: NaN without deviation (0 / 0); one within the rounding of t, 1e-14 of it, is none.
Source: TA-Lib's CCI, which gives 0 there; Lambert, Commodities, October 1980.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.candle import typical_price


def average(typical: float, distance: float, period: float) -> float:
    """The newest typical price plus the mean distance of the window from it."""
    return typical + distance * (1.0 / period)


def index(typical: float, average: float, deviations: float, period: float) -> float:
    """The distance from the mean in units of 0.015 mean deviations."""
    deviation = deviations * (1.0 / period)
    value = (typical - average) / (0.015 * deviation)
    return math.nan if deviation <= 1e-14 * abs(typical) else value


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="cci",
    title="Commodity channel index",
    aliases=("commodity_channel_index",),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value", centre=0),),
    stages=(
        Step(typical_price, gives=("typical",)),
        Window("distance", "sum", over="typical", length="period", about="typical"),
        Step(average, gives=("average",)),
        Window("deviations", "deviations", over="typical", length="period", about="average"),
        Step(index, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="no movement in the window",
    version=2,
)
