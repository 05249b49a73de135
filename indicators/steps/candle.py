"""Values that steps derive from one candle, and whether a difference is only rounding.

Plain Python: the generated kernels copy the source.
"""


def true_range(high: float, low: float, previous: float) -> float:
    """The candle's range, widened to the previous close; NaN without one, because NaN fails both comparisons."""
    top = high if high > previous else previous
    bottom = low if low < previous else previous
    return top - bottom


def typical_price(high: float, low: float, close: float) -> float:
    """The mean of a candle's high, low and close."""
    return (high + low + close) / 3.0


def within_rounding(difference: float, left: float, right: float) -> bool:
    """Whether ``left - right`` may be due to rounding alone: within 1e-14 of both, TA-Lib's limit."""
    return abs(difference) <= 1e-14 * (abs(left) + abs(right))
