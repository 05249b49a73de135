"""Linear regression.

Formula: the least-squares line through the last ``period`` values; value is the line's end at the newest candle,
slope its rise a candle. With the plain mean m and the mean w with the weights 1 (oldest) to ``period`` (newest),
value = m + 3 * (w - m) and slope = 6 * (w - m) / (period - 1).
Seed: none; the first value is at candle period - 1.
Range: value that of the source, widened by its trend; slope unbounded, around 0.
Flat: value exactly the source, slope exactly 0 (the two means can differ by a rounding).
Source: TA-Lib's LINEARREG and LINEARREG_SLOPE. The window is summed anew on each candle, so that the value does not
depend on where the series started.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window
from indicators.sma import mean


def line(middle: float, weighted: float, top: float, bottom: float, period: float) -> tuple[float, float]:
    """One candle: (value, slope)."""
    lead = weighted / (0.5 * period * (period + 1.0)) - middle
    lead = 0.0 if top == bottom else lead
    return middle + 3.0 * lead, 6.0 * lead / (period - 1.0)


def _lookback(parameters: Parameters) -> int:
    return int(parameters["period"]) - 1


INDICATOR = Indicator(
    name="linreg",
    title="Linear regression",
    aliases=("linear_regression", "lsma", "least_squares_moving_average"),
    inputs=("source",),
    parameters=(Parameter("period", 14, 2, 1000),),
    outputs=(Output("value"), Output("slope", centre=0)),
    stages=(
        Window("distance", "sum", over="source", length="period", about="source"),
        Step(mean, gives=("middle",)),
        Window("weighted", "weighted", over="source", length="period"),
        Window("top", "max", over="source", length="period"),
        Window("bottom", "min", over="source", length="period"),
        Step(line, gives=("value", "slope")),
    ),
    lookback=_lookback,
    settle=_lookback,
)
