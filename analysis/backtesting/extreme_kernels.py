"""How far prices reach after an entry, compiled: over as many candles each, or over each trade's own."""

import numpy as np
from numba import njit

from analysis.backtesting.judging import Integers
from indicators.compute import Array


def _over_windows(lows: Array, highs: Array, height: int, lowest: Array, highest: Array) -> None:
    """The extremes of every window of ``height`` candles, by its first candle: ``lowest`` and ``highest``
    float64[n - height + 1].

    The algorithm of van Herk and Gil and Werman: a window is the end of one block of ``height`` candles and the
    beginning of the next one, so that each candle is looked at twice, however high the windows are.
    """
    count = lows.size - height + 1
    low_ends, high_ends = np.empty(height), np.empty(height)
    for begin in range(0, count, height):
        low, high = lows[begin + height - 1], highs[begin + height - 1]
        for offset in range(height - 1, -1, -1):
            low, high = min(low, lows[begin + offset]), max(high, highs[begin + offset])
            low_ends[offset], high_ends[offset] = low, high
        lowest[begin], highest[begin] = low_ends[0], high_ends[0]
        if begin + 1 == count:
            break
        low, high = lows[begin + height], highs[begin + height]
        for offset in range(1, min(height, count - begin)):
            low, high = min(low, lows[begin + height + offset - 1]), max(high, highs[begin + height + offset - 1])
            lowest[begin + offset] = min(low_ends[offset], low)
            highest[begin + offset] = max(high_ends[offset], high)


def _over_trades(lows: Array, highs: Array, entries: Integers, lasts: Integers, lowest: Array, highest: Array) -> None:
    """The extremes from each entry's candle to the last one of its trade, both included, float64[trades]."""
    for trade in range(entries.size):
        low, high = lows[entries[trade]], highs[entries[trade]]
        for row in range(entries[trade] + 1, lasts[trade] + 1):
            low, high = min(low, lows[row]), max(high, highs[row])
        lowest[trade], highest[trade] = low, high


over_windows = njit(cache=True, nogil=True, error_model="numpy")(_over_windows)
over_trades = njit(cache=True, nogil=True, error_model="numpy")(_over_trades)
