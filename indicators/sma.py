"""Simple moving average.

Formula: mean of the last ``period`` values, taken as x + sum(x[i] - x) / period around the newest value x.
Seed: none; the first value is at candle period - 1.
Range: that of the source.
Flat: exactly the source (a plain sum divided by the period can miss it by a rounding).
Source: TA-Lib's SMA. TA-Lib keeps a running sum; here the window is summed afresh on every candle, so that the value
does not depend on where the series started.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def mean(source: float, distance: float, period: float) -> float:
    """The newest value plus the mean distance of the window from it."""
    return source + distance * (1.0 / period)


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="sma",
    title="Simple moving average",
    aliases=("ma", "simple_moving_average", "moving_average"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(
        Window("distance", "sum", over="source", length="period", about="source"),
        Step(mean, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
)
