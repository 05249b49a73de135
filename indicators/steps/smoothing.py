"""Recursive averages, shared by the steps that need one. Plain Python: the generated kernels copy the source."""

import math


def smooth(value: float, seen: float, level: float, period: float, weight: float) -> tuple[float, float, float]:
    """Move an average by one value: ``level += (value - level) * weight``, seeded by the mean of the first ``period``.

    Returns (average, seen, level). The average is NaN until the seed is complete; until then ``level`` is the mean so
    far. A NaN value changes nothing and gives NaN. ``seen`` stops at ``period``, so that two series that have reached
    the same level have the same state.
    """
    if math.isnan(value):
        return math.nan, seen, level
    if seen < period:
        seen += 1.0
        # Not a sum divided at the end: the mean of equal values is that value to the last bit.
        level += (value - level) / seen
        return (math.nan if seen < period else level), seen, level
    level = follow(value, level, weight)
    return level, seen, level


def follow(value: float, level: float, weight: float) -> float:
    """The level's next value once it is seeded, as in :func:`smooth`; it stays where it is if the value equals it."""
    return level + (value - level) * weight


def fading(weight: float, share: float = 1e-6) -> int:
    """Candles until an average of that weight has forgotten all but ``share`` of its seed: (1 - weight)^n <= share."""
    return math.ceil(math.log(share) / math.log1p(-weight))
