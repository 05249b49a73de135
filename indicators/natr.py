"""Normalised average true range (Forman, 2006).

Formula: 100 * ATR(period) / close.
Seed: ATR's; the first value is at candle ``period``.
Range: from 0.
Flat: 0; NaN for a close of 0.
Source: TA-Lib's NATR, which gives 0 for a close of 0.

Settling: that of the average true range.
"""

import math

from indicators.atr import steady, step
from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import is_nothing
from indicators.steps.smoothing import fading


def percent(close: float, average: float) -> float:
    """The average range as a percentage of the close."""
    share = 100.0 * (average / close)
    return math.nan if is_nothing(close) else share


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"], 1e-8)


INDICATOR = Indicator(
    name="natr",
    title="Normalised average true range",
    aliases=("normalised_average_true_range", "normalized_average_true_range"),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=0),),
    stages=(
        Step(step, gives=("average",), state={"previous": math.nan, "seen": 0.0, "level": 0.0}, steady=steady),
        Step(percent, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_settle,
    undefined="a close of 0",
    version=2,
)
