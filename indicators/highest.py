"""Highest value.

Formula: the largest of the last ``period`` values, the current one included.
Seed: none; the first value is at candle period - 1.
Range: that of the source.
Flat: the source.
Source: TA-Lib's MAX. Channel definitions that leave the current candle out are ``highest(period)[1]``.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Window


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="highest",
    title="Highest value",
    aliases=("maximum",),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(Window("value", "max", over="source", length="period"),),
    lookback=_lookback,
    settle=_lookback,
)
