"""Parabolic stop and reverse (Wilder, 1978).

Formula: in a long position the stop moves towards the extreme, the highest high since the turn, by a share of the
distance: stop += factor * (extreme - stop), but not above the lows of this candle and the previous one. The factor
begins at ``step``, grows by it with every new extreme, and is capped at ``max``. A low that reaches the stop turns the
position: the value is then the extreme, but at least the highs of the two candles. A short position is the mirror
image. The value is the stop in force on the candle, known before it opened unless the position turned.
Seed: the position on the second candle is short if the low fell, and fell by more than the high rose, else long; the
first stop is the opposite end of the first candle. First value at candle 1.
Range: that of the prices.
Flat: the price.
Source: TA-Lib's SAR; Wilder, New Concepts in Technical Trading Systems, who leaves the seed open. Charting platforms
seed from the first closes.

Settling: two starts coincide from the first candle on which both turn at the same extreme. That takes a few trends, and
takes longer the more slowly the factor grows. The formula gives at least one and a half times the longest that was
measured over 1,600 starts in six markets for each of a dozen settings. No bound is certain: it depends on the prices.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step


def trail(
    high: float, low: float, last_high: float, last_low: float, side: float,
    stop: float, extreme: float, factor: float, step: float, max: float,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """One candle: (value, last_high, last_low, side, stop, extreme, factor).

    ``side`` is 1 long, -1 short, 0 before the second candle. Prices times ``side`` make every position a long one.
    """
    if math.isnan(high) or math.isnan(low):
        return math.nan, last_high, last_low, side, stop, extreme, factor
    if math.isnan(last_high):
        return math.nan, high, low, side, stop, extreme, factor
    begins = side == 0.0
    falls = last_low - low > 0.0 and last_low - low > high - last_high
    side = (-1.0 if falls else 1.0) if begins else side
    top, bottom = (high, low) if side > 0.0 else (-low, -high)
    last_top, last_bottom = (last_high, last_low) if side > 0.0 else (-last_low, -last_high)
    level = last_bottom if begins else side * stop
    peak = top if begins else side * extreme
    factor = step if begins else factor
    # The first candle sets the first stop and limits nothing.
    last_top, last_bottom = (top, bottom) if begins else (last_top, last_bottom)
    return carry_on(high, low, side, top, bottom, last_top, last_bottom, level, peak, factor, step, max)


def carry_on(
    high: float, low: float, side: float, top: float, bottom: float, last_top: float, last_bottom: float,
    level: float, peak: float, factor: float, step: float, max: float,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """One candle of a position, seen as a long one: ``level`` is its stop and ``peak`` its extreme."""
    ceiling = top if top > last_top else last_top
    floor = bottom if bottom < last_bottom else last_bottom
    turned = peak if peak > ceiling else ceiling
    back = turned + step * (bottom - turned)
    back = back if back > ceiling else ceiling
    grown = factor + step if factor + step < max else max
    factor = grown if top > peak else factor
    peak = top if top > peak else peak
    moved = level + factor * (peak - level)
    moved = moved if moved < floor else floor
    if bottom <= level:
        return side * turned, high, low, -side, side * back, side * bottom, step
    return side * level, high, low, side, side * moved, side * peak, factor


def trail_on(
    high: float, low: float, last_high: float, last_low: float, side: float,
    stop: float, extreme: float, factor: float, step: float, max: float,
) -> tuple[float, float, float, float, float, float, float]:  # fmt: skip
    """One candle after the second."""
    top, bottom = high if side > 0.0 else -low, low if side > 0.0 else -high
    last_top, last_bottom = last_high if side > 0.0 else -last_low, last_low if side > 0.0 else -last_high
    value, last_high, last_low, turned, stop, extreme, grown = carry_on(
        high, low, side, top, bottom, last_top, last_bottom, side * stop, side * extreme, factor, step, max
    )
    # Non-finite values have to persist somewhere; everything else is forgotten when the position turns.
    return value, last_high, last_low, turned, stop, extreme, grown + ((high - high) + (low - low) + (factor - factor))


def _lookback(_: Parameters) -> int:
    return 1


def _settle(parameters: Parameters) -> int:
    return 10 + math.ceil(5.0 / parameters["step"] + 5.0 / parameters["max"])


def _rule(parameters: Parameters) -> str | None:
    if parameters["step"] <= parameters["max"]:
        return None
    return f"step must not be above max, got step={parameters['step']:g} and max={parameters['max']:g}"


_STATE = {"last_high": math.nan, "last_low": math.nan, "side": 0.0, "stop": math.nan, "extreme": math.nan}

INDICATOR = Indicator(
    name="psar",
    title="Parabolic stop and reverse",
    aliases=("sar", "parabolic_sar"),
    inputs=("high", "low"),
    parameters=(Parameter("step", 0.02, 0.005, 1, whole=False), Parameter("max", 0.2, 0.005, 1, whole=False)),
    outputs=(Output("value"),),
    stages=(Step(trail, gives=("value",), state=_STATE | {"factor": 0.0}, steady=trail_on),),
    lookback=_lookback,
    settle=_settle,
    rule=_rule,
)
