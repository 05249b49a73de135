"""Triple exponential moving average (Mulloy, 1994).

Formula: 3 * e1 - 3 * e2 + e3, with e1 = EMA(period) of the source, e2 = EMA(period) of e1, e3 = EMA(period) of e2.
Seed: each average by the mean of the first ``period`` values it gets; the first value is at candle 3 * period - 3.
Range: unbounded; it overshoots the source's turns.
Flat: exactly the source.
Source: TA-Lib's TEMA; Mulloy, Smoothing Data with Faster Moving Averages. It is not the average of an average of an
average, which is what ``trix`` is based on.

Settling: the seed has to fade from all three averages.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import faded
from indicators.steps.repeated import ONCE, THRICE, TWICE, fading_repeated


def triple(once: float, twice: float, thrice: float) -> float:
    """The averages, weighted so that the lags of the first and second cancel."""
    return faded(3.0 * once - 3.0 * twice + thrice)


def _lookback(parameters: Parameters) -> int:
    return 3 * (int(parameters["period"]) - 1)


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading_repeated(2.0 / (parameters["period"] + 1.0), 3)


INDICATOR = Indicator(
    name="tema",
    title="Triple exponential moving average",
    aliases=("triple_exponential_moving_average",),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(ONCE, TWICE, THRICE, Step(triple, gives=("value",))),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
