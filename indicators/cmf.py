"""Chaikin money flow.

Formula: sum of the money flow over the last ``period`` candles / sum of their volume; a candle's money flow is its
volume times ((close - low) - (high - close)) / (high - low).
Seed: none; the first value is at candle period - 1.
Range: -1..1, centre 0.
Flat: 0, a candle without range has no money flow; NaN for a window without volume (0 / 0).
Source: TA-Lib's CMF, which gives 0 for a window without volume. TA-Lib keeps running sums; here the windows are summed
afresh on every candle, so that the value does not depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import is_nothing


def money_flow(high: float, low: float, close: float, volume: float) -> float:
    """The candle's volume, weighted from +1 for a close on the high to -1 for a close on the low."""
    extent = high - low
    flow = (close - low - (high - close)) / extent * volume
    return 0.0 if extent <= 0.0 and not math.isnan(close) and not math.isnan(volume) else flow


def money_flow_on(high: float, low: float, close: float, volume: float) -> float:
    """The same for a candle with nothing missing; non-finite values stay non-finite."""
    extent = high - low
    flow = (close - low - (high - close)) / extent * volume
    return 0.0 * (close * volume) if extent <= 0.0 else flow


def share(flows: float, volumes: float) -> float:
    """The money flow as a share of the volume."""
    part = flows / volumes
    return math.nan if is_nothing(volumes) else part


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="cmf",
    title="Chaikin money flow",
    aliases=("chaikin_money_flow",),
    inputs=("high", "low", "close", "volume"),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("value", low=-1, high=1, centre=0),),
    stages=(
        Step(money_flow, gives=("flow",)),
        Window("flows", "sum", over="flow", length="period"),
        Window("volumes", "sum", over="volume", length="period"),
        Step(share, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="no volume in the window",
    version=2,
)
