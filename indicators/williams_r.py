"""Williams %R (Williams, 1973).

Formula: 100 * (close - highest) / (highest - lowest) over the last ``period`` candles.
Seed: none; the first value is at candle period - 1.
Range: -100..0, centre -50.
Flat: NaN for a window without range (0 / 0); one within the rounding of its prices, 1e-14 of them, is none.
Source: TA-Lib's WILLR, which gives 0 there; Williams, How I Made One Million Dollars Last Year Trading Commodities.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import within_rounding


def below_top(close: float, top: float, bottom: float) -> float:
    """How far the close is below the top of the window, as a percentage of its range."""
    extent = top - bottom
    share = (close - top) / extent
    return math.nan if within_rounding(extent, top, bottom) else 100.0 * share


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="williams_r",
    title="Williams %R",
    aliases=("willr", "williams", "williams_percent_r", "wpr"),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=-100, high=0, centre=-50),),
    stages=(
        Window("top", "max", over="high", length="period"),
        Window("bottom", "min", over="low", length="period"),
        Step(below_top, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="no range in the window",
    version=2,
)
