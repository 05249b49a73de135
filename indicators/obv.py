"""On-balance volume (Granville, 1963).

Formula: the volume is added when the close is above the previous one, subtracted when it is below, and ignored when
they are equal.
Seed: the volume of the first candle, which is the first value.
Range: unbounded. The level depends on where the series starts; only its changes have a meaning.
Flat: unchanged.
Source: TA-Lib's OBV of the close. Other definitions begin with 0.

Settling: it sums from the first candle on and forgets nothing, so every start has its own level.
"""

import math

from indicators.catalogue import Indicator, Output, Parameters, Step


def step(close: float, volume: float, previous: float, total: float) -> tuple[float, float, float]:
    """One candle: (value, previous, total)."""
    if math.isnan(close) or math.isnan(volume):
        return math.nan, previous, total
    # Before the first candle the previous close is NaN, and the close is not above it, but its volume counts.
    added = volume if close > previous or math.isnan(previous) else 0.0
    total = total + (-volume if close < previous else added)
    return total, close, total


def steady(close: float, volume: float, previous: float, total: float) -> tuple[float, float, float]:
    """One candle after the first."""
    added = volume if close > previous else 0.0
    change = -volume if close < previous else added
    # Non-finite values have to persist in the sum.
    total = total + (change + ((close - close) + (volume - volume)))
    return total, close, total


def _lookback(_: Parameters) -> int:
    return 0


INDICATOR = Indicator(
    name="obv",
    title="On-balance volume",
    aliases=("on_balance_volume",),
    inputs=("close", "volume"),
    parameters=(),
    outputs=(Output("value"),),
    stages=(Step(step, gives=("value",), state={"previous": math.nan, "total": 0.0}, steady=steady),),
    lookback=_lookback,
    settle=_lookback,
)
