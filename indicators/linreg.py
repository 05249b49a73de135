"""Linear regression.

Formula: the least-squares line through the last ``period`` values; value is the line's end at the newest candle, slope
its rise per candle. With the mean m and the sum t of the values, each times its offset from the window's middle
(-(period - 1) / 2 to (period - 1) / 2), slope = 12 * t / (period * (period^2 - 1)) and value = m + slope * (period - 1)
/ 2.
Seed: none; the first value is at candle period - 1.
Range: value that of the source, widened by its trend; slope unbounded, around 0.
Flat: value exactly the source, slope exactly 0.
Source: TA-Lib's LINEARREG and LINEARREG_SLOPE. The window is summed afresh on every candle, so that the value does not
depend on where the series started.
"""

from indicators.catalogue import Indicator, Output, Parameter, Parameters, Step, Window


def line(source: float, distance: float, distance_tilt: float, period: float) -> tuple[float, float]:
    """One candle: (value, slope)."""
    slope = distance_tilt * (12.0 / (period * (period * period - 1.0)))
    return source + (distance * (1.0 / period) + slope * (0.5 * (period - 1.0))), slope


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
        Window("distance", "tilt", over="source", length="period"),
        Step(line, gives=("value", "slope")),
    ),
    lookback=_lookback,
    settle=_lookback,
)
