"""Volume-weighted average price.

Formula: sum of typical price * volume / sum of volume, the typical price being (high + low + close) / 3; over the UTC
day up to the candle with ``period`` 0, otherwise over the last ``period`` candles. A candle belongs to the day on
which it opened.
Seed: none; with ``period`` 0 every candle has a value, the first one of a day its typical price, otherwise the first
value is at candle period - 1.
Range: that of the prices.
Flat: exactly the price; NaN while nothing has been traded (0 / 0).
Source: TA-Lib's VWAP, which knows no sessions, called once for each. Until volume has been traded it gives 0 or the
previous value; a price of 0 would be below every other price. A day is summed as distances from its first typical
price.

Settling: with ``period`` 0 a start in the middle of a day lacks that day's earlier trades until the next day begins.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.candle import typical_price
from indicators.steps.limits import is_nothing, or_newest


def traded(high: float, low: float, close: float, volume: float, day: float) -> tuple[float, float]:
    """One candle: (typical, turnover), the latter being the former times volume; NaN if anything is missing."""
    typical = typical_price(high, low, close)
    typical = math.nan if math.isnan(day) or math.isnan(volume) else typical
    return typical, typical * volume


def session(
    typical: float, volume: float, day: float, today: float, first: float, extra: float, volumes: float, missed: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """One candle: the day's (base, premium, daily_volume), then the state.

    ``premium`` is what was paid above the day's first price, its ``base``.
    """
    if math.isnan(typical):
        return math.nan, math.nan, math.nan, today, first, extra, volumes, missed
    first = first if day == today else typical
    extra = (extra if day == today else 0.0) + (typical - first) * volume
    volumes = (volumes if day == today else 0.0) + volume
    return first, extra, volumes, day, first, extra, volumes, missed


def session_on(
    typical: float, volume: float, day: float, today: float, first: float, extra: float, volumes: float, missed: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """One candle with nothing missing."""
    first = first if day == today else typical
    extra = (extra if day == today else 0.0) + (typical - first) * volume
    volumes = (volumes if day == today else 0.0) + volume
    # Non-finite values have to persist in the state; the sums forget them when the day ends.
    missed = missed + ((typical - typical) * volume + (day - day))
    return first, extra, volumes, day, first, extra, volumes, missed


def chosen(
    typical: float,
    base: float,
    premium: float,
    daily_volume: float,
    rolling_turnover: float,
    rolling_volume: float,
    period: float,
) -> float:
    """The day's average or that of the window."""
    volume = daily_volume if period == 0.0 else rolling_volume
    # One division for both: it takes longer than all the rest.
    share = (premium if period == 0.0 else rolling_turnover) / volume
    rolling = or_newest(share, typical)
    # Sums that are too large end in NaN of either sign, depending on how the processor adds.
    rolling = math.nan if is_nothing(volume) or not math.isfinite(rolling) else rolling
    return base + share if period == 0.0 else rolling


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
        # The windows stand between the steps so that only the sums of the day have to be run candle by candle.
        Step(traded, gives=("typical", "turnover")),
        Window("rolling_turnover", "sum", over="turnover", length=_window),
        Step(
            session,
            gives=("base", "premium", "daily_volume"),
            state={"today": math.nan, "first": math.nan, "extra": 0.0, "volumes": 0.0, "missed": 0.0},
            steady=session_on,
        ),
        Window("rolling_volume", "sum", over="volume", length=_window),
        Step(chosen, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    undefined="nothing traded in the session or window",
    version=2,
)
