"""Recursive averages, shared by the steps that need one. Plain Python: the generated kernels copy the source."""

import math


def smooth(value: float, seen: float, level: float, period: float, weight: float) -> tuple[float, float, float]:
    """Move an average by one value: ``level += (value - level) * weight``, seeded by the mean of the first ``period``.

    Returns (average, seen, level). The average is NaN until the seed is complete; until then ``level`` is the sum so
    far. A NaN value changes nothing and gives NaN. ``seen`` stops at ``period``, so that two series that have reached
    the same level have the same state.
    """
    if math.isnan(value):
        return math.nan, seen, level
    if seen < period:
        seen += 1.0
        level += value
        if seen < period:
            return math.nan, seen, level
        level /= period
    else:
        level += (value - level) * weight
    return level, seen, level


def follow(value: float, level: float, weight: float) -> float:
    """The level's next value once it is seeded, as in :func:`smooth`."""
    return level + (value - level) * weight


def fading(weight: float, share: float = 1e-6) -> int:
    """Candles until an average of that weight has forgotten all but ``share`` of its seed: (1 - weight)^n <= share."""
    return math.ceil(math.log(share) / math.log1p(-weight))
