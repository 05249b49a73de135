"""When a difference is a rounding. Plain Python: the generated kernels copy the source."""


def within_rounding(difference: float, left: float, right: float) -> bool:
    """Whether ``left - right`` may come from the roundings of the two alone: TA-Lib's limit, 1e-14 of both."""
    return abs(difference) <= 1e-14 * (abs(left) + abs(right))
