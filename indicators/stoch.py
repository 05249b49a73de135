"""Slow stochastic oscillator (Lane).

Formula: fast = 100 * (close - lowest) / (highest - lowest) over the last ``k`` candles; k = mean of the last ``smooth``
fast values; d = mean of the last ``d`` values of k.
Seed: none. Both outputs begin together, at candle (k - 1) + (smooth - 1) + (d - 1).
Range: 0..100, centre 50.
Flat: NaN for a window without range (0 / 0), and for k and d while one of their values has none.
Source: TA-Lib's STOCH with simple averages, which takes 0 for a window without range. Other definitions give k before d
exists, or repeat the last value on flat input. TA-Lib keeps running sums; here the windows are summed afresh on every
candle, so that the values do not depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.limits import or_newest


def place(close: float, top: float, bottom: float) -> float:
    """Where the close stands in the window, in percent."""
    extent = top - bottom
    share = (close - bottom) / extent
    return math.nan if extent == 0.0 else 100.0 * share


def slowed(fast: float, fast_sum: float, smooth: float) -> float:
    """The mean of the last ``smooth`` fast values."""
    return or_newest(fast_sum / smooth, fast)


def lines(slow: float, slow_sum: float, d: float) -> tuple[float, float]:
    """One candle: (k, d)."""
    average = or_newest(slow_sum / d, slow)
    return math.nan if math.isnan(average) else slow, average


def _lookback(parameters: Parameters) -> int:
    return int(parameters["k"] + parameters["smooth"] + parameters["d"]) - 3


INDICATOR = Indicator(
    name="stoch",
    title="Stochastic oscillator",
    aliases=("stochastic", "stochastic_oscillator", "slow_stochastic"),
    inputs=("high", "low", "close"),
    parameters=(Parameter("k", 14, 2, 1000), Parameter("smooth", 3, 1, 1000), Parameter("d", 3, 1, 1000)),
    outputs=(Output("k", low=0, high=100, centre=50), Output("d", low=0, high=100, centre=50)),
    stages=(
        Window("top", "max", over="high", length="k"),
        Window("bottom", "min", over="low", length="k"),
        Step(place, gives=("fast",)),
        Window("fast_sum", "sum", over="fast", length="smooth"),
        Step(slowed, gives=("slow",)),
        Window("slow_sum", "sum", over="slow", length="d"),
        Step(lines, gives=("k", "d")),
    ),
    lookback=_lookback,
    settle=_lookback,
    default_output="k",
    undefined="no range in a window",
    version=2,
)
