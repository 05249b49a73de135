"""Ultimate oscillator (Williams, 1976).

Formula: 100 * (4 * a + 2 * b + c) / 7, with a, b, c = sum of buying pressure / sum of true range over the last
``short``, ``medium`` and ``long`` candles; buying pressure = close - true low, true low = the lower of the low and the
previous close, true high likewise, true range = true high - true low.
Seed: none; the first candle has no previous close, so the first value is at candle ``long``.
Range: 0..100, centre 50.
Flat: NaN while one of the windows has no range (0 / 0).
Source: TA-Lib's ULTOSC, where such a window adds 0; Williams, Technical Analysis of Stocks & Commodities 3:4. TA-Lib
keeps running sums; here the windows are summed afresh on every candle, so that the value does not depend on where the
series started.
"""

import math

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.steps.lengths import pair
from indicators.steps.limits import is_nothing


def forces(high: float, low: float, close: float, previous: float) -> tuple[float, float]:
    """One candle: (pressure, reach), the close above the true low, and the true range."""
    top = high if high > previous else previous
    bottom = low if low < previous else previous
    missing = math.isnan(high) or math.isnan(low) or math.isnan(close)
    return math.nan if missing else close - bottom, math.nan if missing else top - bottom


def share(pressure: float, reach: float) -> float:
    """Buying pressure as a share of the window's range."""
    part = pressure / reach
    return math.nan if is_nothing(reach) else part


def oscillator(
    short_pressure: float,
    short_reach: float,
    medium_pressure: float,
    medium_reach: float,
    long_pressure: float,
    long_reach: float,
) -> float:
    """The three shares, weighted 4, 2 and 1, in percent."""
    early = 4.0 * share(short_pressure, short_reach) + 2.0 * share(medium_pressure, medium_reach)
    return 100.0 * ((early + share(long_pressure, long_reach)) / 7.0)


def _lookback(parameters: Parameters) -> int:
    return int(parameters["long"])


def _rule(parameters: Parameters) -> str | None:
    if parameters["short"] < parameters["medium"] < parameters["long"]:
        return None
    listed = " ".join(f"{name}={value:g}" for name, value in parameters.items())
    return f"short must be below medium, and medium below long, got {listed}"


INDICATOR = Indicator(
    name="ultosc",
    title="Ultimate oscillator",
    aliases=("ultimate_oscillator", "ultimate", "ult", "uo"),
    inputs=("high", "low", "close"),
    parameters=(Parameter("short", 7, 1, 1000), Parameter("medium", 14, 1, 1000), Parameter("long", 28, 1, 1000)),
    outputs=(Output("value", low=0, high=100, centre=50),),
    stages=(
        Window("previous", "oldest", over="close", length=pair),
        Step(forces, gives=("pressure", "reach")),
        *(
            Window(f"{length}_{name}", "sum", over=name, length=length)
            for length in ("short", "medium", "long")
            for name in ("pressure", "reach")
        ),
        Step(oscillator, gives=("value",)),
    ),
    lookback=_lookback,
    settle=_lookback,
    rule=_rule,
    undefined="no range in one of its windows",
    version=2,
)
