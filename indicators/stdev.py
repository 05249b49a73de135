"""Standard deviation.

Formula: root of the mean squared distance of the last ``period`` values from their mean (population).
Seed: none; the first value is at candle period - 1.
Range: from 0.
Flat: exactly 0.
Source: TA-Lib's STDDEV with one deviation. The sample deviation, which some platforms give, is larger by the root of
period / (period - 1). The window is summed afresh on every candle, so that the value does not depend on where the
series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def deviation(distance_spread: float, period: float) -> float:
    """The root of the mean square of the window's distances from its mean."""
    return math.sqrt(distance_spread * (1.0 / period))


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="stdev",
    title="Standard deviation",
    aliases=("stddev", "standard_deviation"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value", low=0),),
    stages=(
        Window("distance", "moments", over="source", length="period"),
        Step(deviation, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
)
