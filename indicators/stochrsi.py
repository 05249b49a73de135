"""Stochastic RSI (Chande and Kroll, 1994).

Formula: fast = 100 * (rsi - lowest) / (highest - lowest) over the last ``k`` values of RSI(period); k = mean of the
last ``smooth`` fast values; d = mean of the last ``d`` values of k.
Seed: that of RSI. Both outputs begin together, at candle period + (k - 1) + (smooth - 1) + (d - 1).
Range: 0..100, centre 50.
Flat: NaN for a window in which RSI is unknown or does not move (0 / 0), or only within its rounding, 1e-14 of it, and
for k and d while one of their values has none.
Source: TA-Lib's STOCHRSI, which takes 0 for such a window, and whose fastk and fastd are k and d with ``smooth`` 1;
charting platforms smooth k by 3.

Settling: an error of RSI is magnified, because the window's range is a small part of RSI's. Only a hundredth of the
share that RSI tolerates is allowed.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.rsi import averages, steady, strength
from indicators.steps.limits import within_rounding
from indicators.steps.smoothing import fading
from indicators.stoch import lines, slowed


def place_of_rsi(rsi: float, top: float, bottom: float) -> float:
    """Where RSI stands in the window, in percent."""
    extent = top - bottom
    share = (rsi - bottom) / extent
    # Infinite prices would leave NaN of either sign, and a sum of both has the sign of whichever is added first.
    return math.nan if within_rounding(extent, top, bottom) or not math.isfinite(share) else 100.0 * share


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"] + parameters["k"] + parameters["smooth"] + parameters["d"]) - 3


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"], 1e-10)


INDICATOR = Indicator(
    name="stochrsi",
    title="Stochastic RSI",
    aliases=("stoch_rsi", "stochastic_rsi"),
    inputs=("source",),
    parameters=(
        Parameter("period", 14, 2, 1000),
        Parameter("k", 14, 2, 1000),
        Parameter("smooth", 3, 1, 1000),
        Parameter("d", 3, 1, 1000),
    ),
    outputs=(Output("k", low=0, high=100, centre=50), Output("d", low=0, high=100, centre=50)),
    stages=(
        Step(
            averages,
            gives=("rises", "falls"),
            state={"previous": math.nan, "seen": 0.0, "gain": 0.0, "loss": 0.0},
            steady=steady,
        ),
        Step(strength, gives=("rsi",)),
        Window("top", "max", over="rsi", length="k"),
        Window("bottom", "min", over="rsi", length="k"),
        Step(place_of_rsi, gives=("fast",)),
        Window("fast_sum", "sum", over="fast", length="smooth"),
        Step(slowed, gives=("slow",)),
        Window("slow_sum", "sum", over="slow", length="d"),
        Step(lines, gives=("k", "d")),
    ),
    lookback=_lookback,
    settle=_settle,
    default_output="k",
    undefined="no movement of its rsi in a window",
    version=2,
)
