"""Aroon (Chande, 1995).

Formula: up = 100 * (period - candles since the highest high) / period over the last ``period`` + 1 candles, down with
the lowest low; oscillator = up - down. Of equal extremes the newest counts.
Seed: none; the first value is at candle ``period``.
Range: up and down 0..100, centre 50; oscillator -100..100, centre 0.
Flat: up and down 100, oscillator 0.
Source: TA-Lib's AROON and AROONOSC. Other definitions count the oldest of equal extremes or look at ``period`` candles
only.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def lines(since_high: float, since_low: float, period: float) -> tuple[float, float, float]:
    """One candle: (up, down, oscillator), none of them without both extremes."""
    up = 100.0 * (period - since_high) / period
    down = 100.0 * (period - since_low) / period
    return math.nan if math.isnan(down) else up, math.nan if math.isnan(up) else down, up - down


def _window(parameters: Parameters) -> int:
    return int(parameters["period"]) + 1


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


INDICATOR = Indicator(
    name="aroon",
    title="Aroon",
    aliases=("aroon_indicator",),
    inputs=("high", "low"),
    parameters=(Parameter("period", 25, 2, 1000),),
    outputs=(
        Output("up", low=0, high=100, centre=50),
        Output("down", low=0, high=100, centre=50),
        Output("oscillator", low=-100, high=100, centre=0),
    ),
    stages=(
        Window("since_high", "since_max", over="high", length=_window),
        Window("since_low", "since_min", over="low", length=_window),
        Step(lines, gives=("up", "down", "oscillator")),
    ),
    lookback=_lookback,
    settle=_lookback,
    default_output=None,
)
