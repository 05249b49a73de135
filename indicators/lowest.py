"""Lowest value.

Formula: the smallest of the last ``period`` values, the current one included.
Seed: none; the first value is at candle period - 1.
Range: that of the source.
Flat: the source.
Source: TA-Lib's MIN. Channel definitions that leave the current candle out are ``lowest(period)[1]``.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Window


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="lowest",
    title="Lowest value",
    aliases=("minimum",),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(Window("value", "min", over="source", length="period"),),
    lookback=_lookback,
    settle=_lookback,
)
