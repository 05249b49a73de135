"""What steps read from one candle, and when a difference of two is a rounding.

Plain Python: the generated kernels copy the source.
"""


def true_range(high: float, low: float, previous: float) -> float:
    """The candle's range, widened to the close before; NaN without one, because NaN fails both comparisons."""
    top = high if high > previous else previous
    bottom = low if low < previous else previous
    return top - bottom


def typical_price(high: float, low: float, close: float) -> float:
    """The mean of a candle's high, low and close."""
    return (high + low + close) / 3.0


def within_rounding(difference: float, left: float, right: float) -> bool:
    """Whether ``left - right`` may come from the roundings of the two alone: TA-Lib's limit, 1e-14 of both."""
    return abs(difference) <= 1e-14 * (abs(left) + abs(right))
