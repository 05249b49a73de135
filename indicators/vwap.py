"""Volume-weighted average price.

Formula: sum of typical price * volume / sum of volume, the typical price being (high + low + close) / 3; over the UTC
day up to the candle with ``period`` 0, otherwise over the last ``period`` candles. A candle belongs to the day on
which it opened.
Seed: none; with ``period`` 0 every candle has a value, the first one of a day its typical price, otherwise the first
value is at candle period - 1.
Range: that of the prices.
Flat: the price.
Source: TA-Lib's VWAP, which knows no sessions, called once for each. Until volume has been traded it gives 0 or the
previous value; here the value is then NaN (0 / 0), because a price of 0 would be below every other price.

Settling: with ``period`` 0 a start in the middle of a day lacks that day's earlier trades until the next day begins.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def traded(high: float, low: float, close: float, volume: float, day: float) -> float:
    """The candle's turnover: typical price times volume; NaN if anything is missing."""
    return math.nan if math.isnan(day) else (high + low + close) / 3.0 * volume


def traded_on(high: float, low: float, close: float, volume: float, day: float) -> float:  # noqa: ARG001 - called like the other
    """The same for a candle with nothing missing."""
    return (high + low + close) / 3.0 * volume


def session(
    turnover: float, volume: float, day: float, today: float, turnovers: float, volumes: float, missed: float
) -> tuple[float, float, float, float, float, float]:
    """One candle: (daily_turnover, daily_volume), then the state."""
    if math.isnan(turnover):
        return math.nan, math.nan, today, turnovers, volumes, missed
    turnovers = (turnovers if day == today else 0.0) + turnover
    volumes = (volumes if day == today else 0.0) + volume
    return turnovers, volumes, day, turnovers, volumes, missed


def session_on(
    turnover: float, volume: float, day: float, today: float, turnovers: float, volumes: float, missed: float
) -> tuple[float, float, float, float, float, float]:
    """One candle with nothing missing."""
    turnovers = (turnovers if day == today else 0.0) + turnover
    volumes = (volumes if day == today else 0.0) + volume
    # Non-finite values have to persist in the state; the sums forget them when the day ends.
    missed = missed + ((turnover - turnover) + (day - day))
    return turnovers, volumes, day, turnovers, volumes, missed


def chosen(
    daily_turnover: float, daily_volume: float, rolling_turnover: float, rolling_volume: float, period: float
) -> float:
    """The day's average or that of the window."""
    turnover = daily_turnover if period == 0.0 else rolling_turnover
    return turnover / (daily_volume if period == 0.0 else rolling_volume)


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
        Step(traded, gives=("turnover",), steady=traded_on),
        Step(
            session,
            gives=("daily_turnover", "daily_volume"),
            state={"today": math.nan, "turnovers": 0.0, "volumes": 0.0, "missed": 0.0},
            steady=session_on,
        ),
        Window("rolling_turnover", "sum", over="turnover", length=_window),
        Window("rolling_volume", "sum", over="volume", length=_window),
        Step(chosen, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
)
