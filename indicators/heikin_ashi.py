"""Heikin-Ashi candles.

Formula: close = (open + high + low + close) / 4 of the candle, open = (open + close) / 2 of the previous Heikin-Ashi
candle; high is the largest and low the smallest of the candle's own high or low and those two.
Seed: the first open is (open + close) / 2 of the first candle, which has a value.
Range: that of the prices; low <= open, close <= high.
Flat: exactly the price for all four.
Source: TA-Lib's HA. Other definitions take the first candle's own open.

Settling: every candle halves the error of the open.
"""

import math

from indicators.catalogue import Indicator, Output, Parameters, Step
from indicators.steps.candle import average_price
from indicators.steps.smoothing import fading


def opening(open: float, close: float, ha_close: float, upcoming: float) -> tuple[float, float]:
    """One candle: (ha_open, upcoming), the latter being the open of the candle after it."""
    if math.isnan(ha_close):
        return math.nan, upcoming
    ha_open = (open + close) / 2.0 if math.isnan(upcoming) else upcoming
    return ha_open, (ha_open + ha_close) / 2.0


def opening_on(open: float, close: float, ha_close: float, upcoming: float) -> tuple[float, float]:  # noqa: ARG001 - called like the other
    """One candle after the first."""
    return upcoming, (upcoming + ha_close) / 2.0


def extremes(high: float, low: float, ha_open: float, ha_close: float) -> tuple[float, float]:
    """One candle: (ha_high, ha_low)."""
    top = ha_open if ha_open > ha_close else ha_close
    bottom = ha_open if ha_open < ha_close else ha_close
    return high if high > top else top, low if low < bottom else bottom


def _lookback(_: Parameters) -> int:
    return 0


def _settle(_: Parameters) -> int:
    return fading(0.5)


INDICATOR = Indicator(
    name="heikin_ashi",
    title="Heikin-Ashi candles",
    aliases=("ha", "heikinashi", "heiken_ashi"),
    inputs=("open", "high", "low", "close"),
    parameters=(),
    outputs=tuple(Output(price, result=f"ha_{price}") for price in ("open", "high", "low", "close")),
    stages=(
        Step(average_price, gives=("ha_close",)),
        Step(opening, gives=("ha_open",), state={"upcoming": math.nan}, steady=opening_on),
        Step(extremes, gives=("ha_high", "ha_low")),
    ),
    lookback=_lookback,
    settle=_settle,
    default_output=None,
    version=2,
)
