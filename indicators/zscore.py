"""Standard score.

Formula: (x - mean) / deviation of the last ``period`` values, the current one included, with the population deviation.
Seed: none; the first value is at candle period - 1.
Range: +- root of (period - 1), centre 0.
Flat: NaN (0 / 0): a distribution without width gives no score.
Source: the textbook definition, as in Skender's Stock.Indicators (StdDev); TA-Lib has its parts (SMA, STDDEV). Some
platforms use the sample deviation.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.stdev import deviation


def score(distance: float, deviation: float, period: float) -> float:
    """How many deviations the newest value is above the mean, which is the window's mean distance from it, negated."""
    return -distance * (1.0 / period) / deviation


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="zscore",
    title="Standard score",
    aliases=("z_score", "standard_score"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value", centre=0),),
    stages=(
        Window("distance", "moments", over="source", length="period"),
        Step(deviation, gives=("deviation",)),
        Step(score, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="no movement in the window",
)
