"""Volume-weighted average price.

Formula: sum of typical price * volume / sum of volume, the typical price being (high + low + close) / 3; over the UTC
day up to the candle with ``period`` 0, otherwise over the last ``period`` candles. A candle belongs to the day on
which it opened.
Seed: none; with ``period`` 0 every candle has a value, the first one of a day its typical price, otherwise the first
value is at candle period - 1.
Range: that of the prices.
Flat: the price.
Source: TA-Lib's VWAP, which has no sessions, called for each of them. It answers 0, or the value before, as long as
no volume has been traded; the value here is NaN (0 / 0) then, because a price of 0 would be below every other price.

Settling: with ``period`` 0 a start in the middle of a day misses what was traded before until the next day begins.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def traded(high: float, low: float, close: float, volume: float, day: float) -> tuple[float, float]:
    """(turnover, weight) of the candle: typical price times volume, and volume; both NaN if anything is missing."""
    turnover = (high + low + close) / 3.0 * volume
    missing = math.isnan(turnover) or math.isnan(day)
    return math.nan if missing else turnover, math.nan if missing else volume


def session(
    turnover: float, weight: float, day: float, today: float, turnovers: float, weights: float
) -> tuple[float, float, float, float, float]:
    """One candle: (daily_turnover, daily_weight), then the state."""
    if math.isnan(turnover):
        return math.nan, math.nan, today, turnovers, weights
    turnovers = turnovers + turnover if day == today else turnover
    weights = weights + weight if day == today else weight
    return turnovers, weights, day, turnovers, weights


def chosen(
    daily_turnover: float, daily_weight: float, rolling_turnover: float, rolling_weight: float, period: float
) -> float:
    """The day's average or that of the window."""
    turnover = daily_turnover if period == 0.0 else rolling_turnover
    return turnover / (daily_weight if period == 0.0 else rolling_weight)


def _window(parameters: Parameters) -> int:
    return max(1, int(parameters["period"]))


def _lookback(parameters: Parameters) -> int:
    return _window(parameters) - 1


INDICATOR = Indicator(
    name="vwap",
    title="Volume-weighted average price",
    aliases=("volume_weighted_average_price",),
    inputs=("high", "low", "close", "volume", "day"),
    parameters=(Parameter("period", 0, 0, 1000),),
    outputs=(Output("value"),),
    stages=(
        Step(traded, gives=("turnover", "weight")),
        Step(
            session,
            gives=("daily_turnover", "daily_weight"),
            state={"today": math.nan, "turnovers": 0.0, "weights": 0.0},
        ),
        Window("rolling_turnover", "sum", over="turnover", length=_window),
        Window("rolling_weight", "sum", over="weight", length=_window),
        Step(chosen, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
)
