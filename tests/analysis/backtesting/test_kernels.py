"""The compiled parts of a backtest, against plain loops: to the last bit."""

import numpy as np
import pytest

from analysis.backtesting.extreme_kernels import over_trades, over_windows
from analysis.backtesting.trade_kernels import resample_means

_MASK = (1 << 64) - 1


@pytest.mark.parametrize("height", [1, 2, 3, 24, 99, 100])
def test_extremes_of_windows_are_those_of_each_window(height: int) -> None:
    dice = np.random.default_rng(height)
    lows = dice.integers(1, 30, 100).astype(np.float64)
    highs = lows + dice.integers(0, 5, 100)
    lowest, highest = np.empty((2, 100 - height + 1))
    over_windows(lows, highs, height, lowest, highest)
    assert lowest.tolist() == [lows[begin : begin + height].min() for begin in range(lowest.size)]
    assert highest.tolist() == [highs[begin : begin + height].max() for begin in range(highest.size)]


def test_extremes_of_trades_are_those_of_their_candles_with_the_first_and_the_last() -> None:
    lows, highs = np.array([5.0, 3.0, 4.0, 1.0]), np.array([6.0, 9.0, 7.0, 8.0])
    entries, lasts = np.array([0, 1, 2, 3]), np.array([0, 2, 3, 3])
    lowest, highest = np.empty((2, 4))
    over_trades(lows, highs, entries, lasts, lowest, highest)
    assert (lowest.tolist(), highest.tolist()) == ([5.0, 3.0, 1.0, 1.0], [6.0, 9.0, 8.0, 8.0])


def _mixed(state: int) -> int:
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
    return state ^ state >> 31


@pytest.mark.parametrize("block", [1.0, 1.7, 8.0])
def test_resamples_are_the_stretches_that_their_random_numbers_say(block: float) -> None:
    """The same seed gives the same interval for ever: reports of last year can be repeated."""
    values = np.random.default_rng(7).normal(size=50)
    means = np.empty(20)
    resample_means(values, block, means.size, np.uint64(5), means)
    state, ends = 5, int(1.0 / block * 4294967295.0)
    for mean in means.tolist():
        total, place = 0.0, 0
        for position in range(values.size):
            state = state + 0x9E3779B97F4A7C15 & _MASK
            mixed = _mixed(state)
            if position == 0 or mixed & 0xFFFFFFFF <= ends:
                place = (mixed >> 32) * values.size >> 32
            else:
                place = (place + 1) % values.size
            total += float(values[place])
        assert mean == total / values.size
