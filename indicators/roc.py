"""Rate of change.

Formula: 100 * (x / x[period] - 1), the change over the last ``period`` candles in percent.
Seed: none; the first value is at candle ``period``.
Range: from -100 for prices, around 0.
Flat: 0; NaN where x[period] is 0.
Source: TA-Lib's ROC, which gives 0 where x[period] is 0.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.lengths import period_and_one
from indicators.steps.limits import is_nothing


def change(source: float, before: float) -> float:
    """The change since the older value, as a percentage of it."""
    ratio = source / before
    return math.nan if is_nothing(before) else 100.0 * (ratio - 1.0)


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


INDICATOR = Indicator(
    name="roc",
    title="Rate of change",
    aliases=("rate_of_change",),
    inputs=("source",),
    parameters=(Parameter("period", 10, 1, 1000),),
    outputs=(Output("value", centre=0),),
    stages=(
        Window("before", "oldest", over="source", length=period_and_one),
        Step(change, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="an earlier value of 0",
    version=2,
)
