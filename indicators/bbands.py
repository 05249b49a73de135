"""Bollinger bands.

Formula: middle = mean of the last ``period`` values, deviation = root of their mean squared distance from it
(population), upper/lower = middle +- stddev * deviation, percent_b = (x - lower) / (upper - lower),
bandwidth = (upper - lower) / middle.
Seed: none; the first value is at candle period - 1.
Range: lower <= middle <= upper; percent_b around 0.5, 0 on the lower and 1 on the upper band; bandwidth from 0.
Flat: upper = middle = lower = the source exactly, percent_b NaN (0 / 0), bandwidth 0.
Source: TA-Lib's BBANDS; percent_b and bandwidth as Bollinger defines them. Some platforms use the sample deviation or
give the bandwidth in percent. TA-Lib keeps running sums; here the window is summed afresh on every candle, so that the
value does not depend on where the series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def bands(
    source: float, distance: float, distance_spread: float, period: float, stddev: float
) -> tuple[float, float, float]:
    """One candle: (upper, middle, lower), from the window's distances from its newest value and from its mean."""
    share = 1.0 / period
    mean = distance * share
    reach = stddev * math.sqrt(distance_spread * share)
    return source + mean + reach, source + mean, source + mean - reach


def percent_b(source: float, upper: float, lower: float) -> float:
    """Where the source stands between the bands."""
    return (source - lower) / (upper - lower)


def bandwidth(upper: float, middle: float, lower: float) -> float:
    """The distance of the bands as a share of the middle."""
    return (upper - lower) / middle


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="bbands",
    title="Bollinger bands",
    aliases=("bb", "bollinger", "bollinger_bands"),
    inputs=("source",),
    parameters=(Parameter("period", 20, 2, 1000), Parameter("stddev", 2, 0.01, 100, whole=False)),
    outputs=(
        Output("upper"),
        Output("middle"),
        Output("lower"),
        Output("percent_b", centre=0.5),
        Output("bandwidth", low=0),
    ),
    stages=(
        Window("distance", "moments", over="source", length="period"),
        # Steps with few arrays each are vectorised over time; a single step with all of them would not be.
        Step(bands, gives=("upper", "middle", "lower")),
        Step(percent_b, gives=("percent_b",)),
        Step(bandwidth, gives=("bandwidth",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    default_output=None,
    undefined="no movement in the window",
)
