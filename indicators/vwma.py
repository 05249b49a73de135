"""Volume-weighted moving average.

Formula: sum of source * volume over the last ``period`` candles / sum of their volumes.
Seed: none; the first value is at candle period - 1.
Range: that of the source.
Flat: exactly the source; NaN for a window without volume (0 / 0).
Source: TA-Lib's VWMA. TA-Lib keeps running sums; here the windows are
summed afresh on every candle, so that the value does not depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import is_nothing, or_newest


def turnover(source: float, volume: float) -> float:
    """The candle's volume times the source."""
    return source * volume


def price(source: float, turnovers: float, volumes: float) -> float:
    """The window's average price by volume."""
    average = or_newest(turnovers / volumes, source)
    # Sums that are too large end in NaN of either sign, depending on how the processor adds.
    return math.nan if is_nothing(volumes) or not math.isfinite(average) else average


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="vwma",
    title="Volume-weighted moving average",
    aliases=("volume_weighted_moving_average",),
    inputs=("source", "volume"),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value"),),
    stages=(
        Step(turnover, gives=("turnover",)),
        Window("turnovers", "sum", over="turnover", length="period"),
        Window("volumes", "sum", over="volume", length="period"),
        Step(price, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="no volume in the window",
    version=2,
)
