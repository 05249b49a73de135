"""Exponential averages of exponential averages, shared by the indicators built on them.

Every average is seeded like EMA, by the mean of the first ``period`` values it gets, so the second begins
``period - 1`` candles after the first and the third as many after the second. Plain Python: the generated kernels copy
the source.
"""

from collections.abc import Mapping
from math import exp

from indicators.catalogue import Step
from indicators.steps.smoothing import follow, smooth


def average_once(source: float, seen_1: float, level_1: float, period: float) -> tuple[float, float, float]:
    """One candle: (average of the source, seen, level)."""
    return smooth(source, seen_1, level_1, period, 2.0 / (period + 1.0))


def go_on_once(source: float, seen_1: float, level_1: float, period: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    level_1 = follow(source, level_1, 2.0 / (period + 1.0))
    return level_1, seen_1, level_1


def average_twice(once: float, seen_2: float, level_2: float, period: float) -> tuple[float, float, float]:
    """One candle: (average of ``once``, seen, level)."""
    return smooth(once, seen_2, level_2, period, 2.0 / (period + 1.0))


def go_on_twice(once: float, seen_2: float, level_2: float, period: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    level_2 = follow(once, level_2, 2.0 / (period + 1.0))
    return level_2, seen_2, level_2


def average_thrice(twice: float, seen_3: float, level_3: float, period: float) -> tuple[float, float, float]:
    """One candle: (average of ``twice``, seen, level)."""
    return smooth(twice, seen_3, level_3, period, 2.0 / (period + 1.0))


def go_on_thrice(twice: float, seen_3: float, level_3: float, period: float) -> tuple[float, float, float]:
    """One candle after the seed."""
    level_3 = follow(twice, level_3, 2.0 / (period + 1.0))
    return level_3, seen_3, level_3


def _start(place: int) -> Mapping[str, float]:
    return {f"seen_{place}": 0.0, f"level_{place}": 0.0}


ONCE = Step(average_once, gives=("once",), state=_start(1), steady=go_on_once)
TWICE = Step(average_twice, gives=("twice",), state=_start(2), steady=go_on_twice)
THRICE = Step(average_thrice, gives=("thrice",), state=_start(3), steady=go_on_thrice)


def fading_repeated(weight: float, times: int, share: float = 1e-6) -> int:
    """Candles until averages of averages, ``times`` deep, have forgotten all but ``share`` of their seeds.

    With a = n * weight, the share left after n candles is close to exp(-a) * (1 + a + a^2 / 2 + ...), ``times`` terms.
    """
    count = 0
    left = 1.0
    while left > share:
        count += 1
        age = count * weight
        terms = [1.0]
        for place in range(1, times):
            terms.append(terms[-1] * age / place)
        left = exp(-age) * sum(terms)
    return count
