"""Where a difference is only rounding, and where an amount is nothing.

Plain Python: the generated kernels copy the source.
"""


def within_rounding(difference: float, left: float, right: float) -> bool:
    """Whether ``left - right`` may be due to rounding alone: within 1e-14 of both, TA-Lib's limit."""
    return abs(difference) <= 1e-14 * (abs(left) + abs(right))


def or_newest(average: float, newest: float) -> float:
    """An average of several values, or the newest of these where rounding alone can tell them apart.

    Equal values then have themselves as their average, to the last bit: a sum of up to 1,000 of them in the fixed order
    of the windows is off by less than 7e-15 of itself, even if each is weighted. A non-finite average stays what it is.
    """
    return newest if abs(average - newest) < 1e-14 * abs(average) + 1e-14 * abs(newest) else average


def is_nothing(amount: float) -> bool:
    """Whether nothing can be a share of the amount: it is 0, or what fading has left of an average is below 1e-280.

    Two averages that fade together keep their ratio until there is none; in smaller numbers, which have fewer digits,
    it would drift.
    """
    return abs(amount) < 1e-280


def faded(average: float) -> float:
    """A recursive average, 0 where it is nothing."""
    return 0.0 if abs(average) < 1e-280 else average
