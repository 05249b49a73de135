"""Donchian channels.

Formula: upper = the highest high, lower = the lowest low of the last ``period`` candles, the current one included;
middle = (upper + lower) / 2.
Seed: none; the first value is at candle period - 1.
Range: lower <= middle <= upper.
Flat: the price for all three.
Source: TA-Lib's DONCHIAN. A close never leaves a channel that includes its own candle: a breakout is a close above
``donchian.upper[1]``. Other definitions leave the current candle out (Skender).
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def channel(top: float, bottom: float) -> tuple[float, float, float]:
    """One candle: (upper, middle, lower), none of them without both extremes."""
    missing = math.isnan(top) or math.isnan(bottom)
    return math.nan if missing else top, (top + bottom) / 2.0, math.nan if missing else bottom


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="donchian",
    title="Donchian channels",
    aliases=("donchian_channel", "donchian_channels"),
    inputs=("high", "low"),
    parameters=(Parameter("period", 20, 2, 1000),),
    outputs=(Output("upper"), Output("middle"), Output("lower")),
    stages=(
        Window("top", "max", over="high", length="period"),
        Window("bottom", "min", over="low", length="period"),
        Step(channel, gives=("upper", "middle", "lower")),
    ),
    lookback=_lookback,
    settle=_lookback,
    default_output=None,
)
