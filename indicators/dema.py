"""Double exponential moving average (Mulloy, 1994).

Formula: 2 * e1 - e2, with e1 = EMA(period) of the source and e2 = EMA(period) of e1.
Seed: each average by the mean of the first ``period`` values it gets; the first value is at candle 2 * period - 2.
Range: unbounded; it overshoots the source's turns.
Flat: exactly the source.
Source: TA-Lib's DEMA; Mulloy, Smoothing Data with Faster Moving Averages.

Settling: the seed has to fade from both averages.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import faded
from indicators.steps.repeated import ONCE, TWICE, fading_repeated


def double(once: float, twice: float) -> float:
    """The average plus its lead over its own average."""
    return faded(2.0 * once - twice)


def _lookback(parameters: Parameters) -> int:
    return 2 * (int(parameters["period"]) - 1)


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading_repeated(2.0 / (parameters["period"] + 1.0), 2)


INDICATOR = Indicator(
    name="dema",
    title="Double exponential moving average",
    aliases=("double_exponential_moving_average",),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(ONCE, TWICE, Step(double, gives=("value",))),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
