"""Average directional index with its directional indicators (Wilder, 1978).

Formula: up = rise of the high if it is above 0 and above the fall of the low, else 0; down likewise. On every candle
Wilder's sums of up, down and the true range lose 1 / period of themselves and gain the newest value; plus_di and
minus_di are 100 * up / range and 100 * down / range; value is Wilder's average (weight 1 / smoothing) of 100 * |plus -
minus| / (plus + minus). ``smoothing`` is ``period`` unless it is given.
Seed: the sums by candles 1..period - 1, the average by the mean of its first ``smoothing`` values. All three outputs
begin together, at candle period + smoothing - 1, although the directional indicators are known from candle ``period``
on.
Range: 0..100.
Flat: NaN for all three without range (0 / 0), for value also without a direction. After movement all three stay as they
were until it has faded below 1e-280, thousands of candles later; the average leaves out candles without a direction.
Source: TA-Lib's ADX, PLUS_DI and MINUS_DI, which give 0 on flat input and have one length for both; Wilder, New
Concepts in Technical Trading Systems, without his rounding. Other definitions seed the sums with ``period`` candles
(Skender); the values agree once they have settled.

Settling: what is left of the sums' seed has to fade from the indicators, then their error and the average's own seed
from the average. This allows for a hundredfold change in movement.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step
from indicators.steps.candle import true_range
from indicators.steps.limits import is_nothing
from indicators.steps.smoothing import fading, follow, smooth


def movement(
    high: float, low: float, close: float, last_high: float, last_low: float, last_close: float
) -> tuple[float, float, float, float, float, float]:
    """One candle: (span, up, down), then the state. The first candle has no span, and its movement does not count."""
    if math.isnan(high) or math.isnan(low) or math.isnan(close):
        return math.nan, math.nan, math.nan, last_high, last_low, last_close
    rise, fall = high - last_high, last_low - low
    up = rise if rise > 0.0 and rise > fall else 0.0
    down = fall if fall > 0.0 and fall > rise else 0.0
    return true_range(high, low, last_close), up, down, high, low, close


def move_on(
    high: float, low: float, close: float, last_high: float, last_low: float, last_close: float
) -> tuple[float, float, float, float, float, float]:
    """One candle after the first."""
    rise, fall = high - last_high, last_low - low
    up = rise if rise > 0.0 and rise > fall else 0.0
    down = fall if fall > 0.0 and fall > rise else 0.0
    # Non-finite values have to persist in the sums.
    span = true_range(high, low, last_close) + ((high - high) + (low - low) + (close - close))
    return span, up, down, high, low, close


def sums(
    span: float, up: float, down: float, seen: float, spans: float, ups: float, downs: float,
    period: float, smoothing: float,
) -> tuple[float, float, float, float, float, float, float, float]:  # fmt: skip
    """One candle: (span_sum, up_sum, down_sum, age), then the state. The first ``period`` - 1 candles are the seed.

    ``age`` and ``seen`` count candles with a span, up to the first on which all outputs may have a value.
    """
    if math.isnan(span):
        return math.nan, math.nan, math.nan, seen, seen, spans, ups, downs
    seen = seen + 1.0 if seen < period + smoothing - 1.0 else seen
    if seen < period:
        return math.nan, math.nan, math.nan, seen, seen, spans + span, ups + up, downs + down
    spans = spans - spans / period + span
    ups = ups - ups / period + up
    downs = downs - downs / period + down
    return spans, ups, downs, seen, seen, spans, ups, downs


def sum_on(
    span: float, up: float, down: float, seen: float, spans: float, ups: float, downs: float,
    period: float, smoothing: float,  # noqa: ARG001 - called like the other
) -> tuple[float, float, float, float, float, float, float, float]:  # fmt: skip
    """One candle after the seeds."""
    spans = spans - spans / period + span
    ups = ups - ups / period + up
    downs = downs - downs / period + down
    return spans, ups, downs, seen, seen, spans, ups, downs


def directions(span_sum: float, up_sum: float, down_sum: float) -> tuple[float, float, float]:
    """One candle: (plus, minus, strength), NaN without range, and the strength also without a direction."""
    plus, minus = 100.0 * (up_sum / span_sum), 100.0 * (down_sum / span_sum)
    strength = 100.0 * (math.fabs(plus - minus) / (plus + minus))
    plus = math.nan if is_nothing(span_sum) else plus
    minus = math.nan if is_nothing(span_sum) else minus
    return plus, minus, math.nan if is_nothing(up_sum + down_sum) else strength


def average(strength: float, strengths: float, level: float, smoothing: float) -> tuple[float, float, float]:
    """One candle: (value, strengths, level). Without a direction the average stays as it is."""
    return smooth(strength, strengths, level, smoothing, 1.0 / smoothing)


def average_on(strength: float, strengths: float, level: float, smoothing: float) -> tuple[float, float, float]:
    """One candle after the seed. What is missing for good has to persist in the sums."""
    level = follow(level if math.isnan(strength) else strength, level, 1.0 / smoothing)
    return math.nan if math.isnan(strength) else level, strengths, level


def shown(plus: float, minus: float, age: float, period: float, smoothing: float) -> tuple[float, float]:
    """(plus_di, minus_di): nothing before the average may exist."""
    early = age < period + smoothing - 1.0
    return math.nan if early else plus, math.nan if early else minus


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"] + parameters["smoothing"]) - 1


def _settle(parameters: Parameters) -> int:
    averages = (parameters["period"], parameters["smoothing"])
    return _lookback(parameters) + sum(fading(1.0 / length, 1e-8) for length in averages)


INDICATOR = Indicator(
    name="adx",
    title="Average directional index",
    aliases=("average_directional_index", "dmi", "directional_movement_index"),
    inputs=("high", "low", "close"),
    parameters=(Parameter("period", 14, 2, 1000), Parameter("smoothing", 14, 2, 1000, follows="period")),
    outputs=(Output("plus_di", low=0, high=100), Output("minus_di", low=0, high=100), Output("value", low=0, high=100)),
    stages=(
        Step(
            movement,
            gives=("span", "up", "down"),
            state={"last_high": math.nan, "last_low": math.nan, "last_close": math.nan},
            steady=move_on,
        ),
        Step(
            sums,
            gives=("span_sum", "up_sum", "down_sum", "age"),
            state={"seen": 0.0, "spans": 0.0, "ups": 0.0, "downs": 0.0},
            steady=sum_on,
        ),
        Step(directions, gives=("plus", "minus", "strength")),
        Step(average, gives=("value",), state={"strengths": 0.0, "level": 0.0}, steady=average_on),
        Step(shown, gives=("plus_di", "minus_di")),
    ),
    lookback=_lookback,
    settle=_settle,
    undefined="no directional movement that its averages still count",
    version=2,
)
