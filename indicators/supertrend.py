"""SuperTrend (Seban).

Formula: the bands are (high + low) / 2 +- multiplier * ATR(period). The upper band only falls until a close is above
it, the lower one only rises until a close is below it. The trend turns down with a close below the lower band and up
with one above the upper band. value is the lower band in an uptrend and the upper one in a downtrend; direction is 1
or -1.
Seed: ATR's; the first candle with an ATR, candle ``period``, gives the first value, with both bands by the formula and
the trend up.
Range: value that of the prices, widened by multiplier * ATR; direction -1 or 1, centre 0.
Flat: value the price, direction unchanged, 1 from the start.
Source: TA-Lib's SUPERTREND, whose trend is 0 where this direction is NaN. Other definitions begin with a downtrend or
take the trend from the first close.

Settling: the average's seed fades as in ATR, but the first trend is an assumption, and bands that only move one way
remember. Two starts coincide once both have turned on the same candle. That takes a few trends, whose length grows with
the square of the multiplier, as does the time that a random walk takes to cover a distance. The formula gives at least
a quarter more than the longest that was measured over 1,600 starts in six markets for each of a dozen settings. No
bound is certain: it depends on the prices.
"""

import math

from indicators.atr import steady, step
from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.smoothing import fading


def trail(
    high: float, low: float, close: float, average: float,
    upper: float, lower: float, last: float, trend: float, multiplier: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """One candle: (value, direction, upper, lower, last, trend)."""
    if math.isnan(average):
        return math.nan, math.nan, upper, lower, last, trend
    middle, reach = (high + low) / 2.0, multiplier * average
    top, bottom = middle + reach, middle - reach
    # Before the first candle the bands are NaN, fail all comparisons and are replaced.
    upper = upper if top >= upper and last <= upper else top
    lower = lower if bottom <= lower and last >= lower else bottom
    falls = trend > 0.0 and close < lower and not math.isnan(last)
    rises = trend < 0.0 and close > upper
    trend = -trend if falls or rises else trend
    return lower if trend > 0.0 else upper, trend, upper, lower, close, trend


def trail_on(
    high: float, low: float, close: float, average: float,
    upper: float, lower: float, last: float, trend: float, multiplier: float,
) -> tuple[float, float, float, float, float, float]:  # fmt: skip
    """One candle after the first band."""
    middle, reach = (high + low) / 2.0, multiplier * average
    top, bottom = middle + reach, middle - reach
    upper = upper if top >= upper and last <= upper else top
    lower = lower if bottom <= lower and last >= lower else bottom
    turns = close < lower if trend > 0.0 else close > upper
    trend = -trend if turns else trend
    return lower if trend > 0.0 else upper, trend, upper, lower, close, trend


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    turning = math.ceil(8.0 * parameters["multiplier"] ** 2)
    return _lookback(parameters) + fading(1.0 / parameters["period"]) + turning


INDICATOR = Indicator(
    name="supertrend",
    title="SuperTrend",
    aliases=("super_trend",),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 10, 2, 1000), Parameter("multiplier", 3, 0.01, 100, whole=False)),
    outputs=(Output("value"), Output("direction", low=-1, high=1, centre=0)),
    stages=(
        Step(step, gives=("average",), state={"previous": math.nan, "seen": 0.0, "level": 0.0}, steady=steady),
        Step(
            trail,
            gives=("value", "direction"),
            state={"upper": math.nan, "lower": math.nan, "last": math.nan, "trend": 1.0},
            steady=trail_on,
        ),
    ),
    lookback=_lookback,
    settle=_settle,
    version=2,
)
