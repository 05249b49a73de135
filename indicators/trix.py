"""Triple exponential average's rate of change (Hutson, 1983).

Formula: 100 * (e / e[1] - 1), with e = EMA(period) of EMA(period) of EMA(period): the change of the smoothest average
over one candle, in percent.
Seed: each average by the mean of the first ``period`` values it gets; the first value is at candle 3 * period - 2.
Range: unbounded, around 0.
Flat: exactly 0; NaN where e[1] is 0.
Source: TA-Lib's TRIX, with its default period, which gives 0 where e[1] is 0.

Settling: the seed has to fade from all three averages. Their change over one candle is small compared with the prices
they come from, so a thousandth of the usual share is required.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import is_nothing
from indicators.steps.repeated import ONCE, THRICE, TWICE, fading_repeated


def change(thrice: float, previous: float) -> tuple[float, float]:
    """One candle: (value, previous)."""
    ratio = thrice / previous
    value = math.nan if is_nothing(previous) else 100.0 * (ratio - 1.0)
    return value, previous if math.isnan(thrice) else thrice


def change_on(thrice: float, previous: float) -> tuple[float, float]:
    """One candle after the first average."""
    ratio = thrice / previous
    return math.nan if is_nothing(previous) else 100.0 * (ratio - 1.0), thrice


def _lookback(parameters: Parameters) -> int:
    return 3 * (int(parameters["period"]) - 1) + 1


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading_repeated(2.0 / (parameters["period"] + 1.0), 3, 1e-9)


INDICATOR = Indicator(
    name="trix",
    title="Triple exponential average's rate of change",
    aliases=("triple_exponential_average",),
    inputs=("source",),
    parameters=(Parameter("period", 30, 2, 1000),),
    outputs=(Output("value", centre=0),),
    stages=(ONCE, TWICE, THRICE, Step(change, gives=("value",), state={"previous": math.nan}, steady=change_on)),
    lookback=_lookback,
    settle=_settle,
    undefined="an average of 0 before",
    version=2,
)
