"""Chande momentum oscillator (Chande and Kroll, 1994).

Formula: 100 * (g - l) / (g + l), with g and l Wilder's averages (weight 1 / period) of the rises and of the falls.
Seed: the means of the first ``period`` changes; the first value is at candle ``period``.
Range: -100..100, centre 0.
Flat: NaN without movement, past or present (0 / 0); after movement as RSI.
Source: TA-Lib's CMO, which gives 0 on flat input. The book (The New Technical Trader) and most charting platforms use
plain sums over the last ``period`` changes, which gives a different line.

Settling: as for RSI, which differs only in scale.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.limits import is_nothing
from indicators.steps.smoothing import fading, follow, smooth


def step(
    source: float, previous: float, seen: float, gain: float, loss: float, period: float
) -> tuple[float, float, float, float, float]:
    """One candle: (value, previous, seen, gain, loss)."""
    change = source - previous
    if not math.isnan(source):
        previous = source
    # A NaN change fails both comparisons and stays NaN, which leaves the averages alone.
    up = 0.0 if change < 0.0 else change
    down = 0.0 if change > 0.0 else -change
    rises, _, gain = smooth(up, seen, gain, period, 1.0 / period)
    falls, seen, loss = smooth(down, seen, loss, period, 1.0 / period)
    both = rises + falls
    share = (rises - falls) / both
    return math.nan if is_nothing(both) else 100.0 * share, previous, seen, gain, loss


def steady(
    source: float, previous: float, seen: float, gain: float, loss: float, period: float
) -> tuple[float, float, float, float, float]:
    """One candle after the seed."""
    change = source - previous
    gain = follow(0.0 if change < 0.0 else change, gain, 1.0 / period)
    loss = follow(0.0 if change > 0.0 else -change, loss, 1.0 / period)
    both = gain + loss
    share = (gain - loss) / both
    return math.nan if is_nothing(both) else 100.0 * share, source, seen, gain, loss


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"])


def _settle(parameters: Parameters) -> int:
    return _lookback(parameters) + fading(1.0 / parameters["period"], 1e-8)


INDICATOR = Indicator(
    name="cmo",
    title="Chande momentum oscillator",
    aliases=("chande_momentum_oscillator",),
    inputs=("source",),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value", low=-100, high=100, centre=0),),
    stages=(
        Step(
            step,
            gives=("value",),
            state={"previous": math.nan, "seen": 0.0, "gain": 0.0, "loss": 0.0},
            steady=steady,
        ),
    ),
    lookback=_lookback,
    settle=_settle,
    undefined="no movement that its averages still count",
    version=2,
)
