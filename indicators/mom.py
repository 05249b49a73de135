"""Momentum.

Formula: x - x[period], the change over the last ``period`` candles.
Seed: none; the first value is at candle ``period``.
Range: unbounded, around 0.
Flat: 0.
Source: TA-Lib's MOM.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.lengths import period_and_one


def difference(source: float, before: float) -> float:
    """The change since the older value."""
    return source - before


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


INDICATOR = Indicator(
    name="mom",
    title="Momentum",
    aliases=("momentum", "mtm"),
    inputs=("source",),
    parameters=(Parameter("period", 10, 1, 1000),),
    outputs=(Output("value", centre=0),),
    stages=(
        Window("before", "oldest", over="source", length=period_and_one),
        Step(difference, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
)
