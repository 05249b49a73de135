"""Intervals of means by resampling, for values that overlap in time.

Returns over ``h`` candles after triggers that are closer than ``h`` candles share prices. The stationary bootstrap of
Politis and Romano (1994, "The Stationary Bootstrap", JASA 89) draws stretches of neighbours instead of single values;
their mean length here is the average number of triggers within ``h`` candles of each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indicators.compute import Array

DRAWS = 1000
_MOST_VALUES = 20_000_000
_FEWEST_DRAWS = 200
LEVEL = 0.95
"""Share of resamples within an interval."""


@dataclass(frozen=True)
class Interval:
    """The middle 95 % of the means of resamples; NaN where there are fewer than two values."""

    low: float
    high: float


def mean_interval(values: Array, block: float, seed: int) -> Interval:
    """Of the mean of values that are in time order; ``block`` is the mean length of the stretches drawn."""
    if values.size < 2:
        return Interval(float("nan"), float("nan"))
    from analysis.backtesting.trade_kernels import resample_means

    draws = int(max(_FEWEST_DRAWS, min(DRAWS, _MOST_VALUES // values.size)))
    means = np.empty(draws)
    resample_means(values, max(1.0, min(block, values.size / 2)), draws, np.uint64(seed), means)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def overlap_of(rows: NDArray[np.int64], horizon: int) -> float:
    """How many of some rows, sorted, lie on average within ``horizon`` rows from each on, itself included."""
    if not rows.size:
        return 1.0
    return float(np.mean(np.searchsorted(rows, rows + horizon) - np.arange(rows.size)))
