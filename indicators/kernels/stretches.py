"""Lanes over time, compiled: several stretches of one series, or several series, step by step at once.

A recursion has to wait for its last result before it can go on. Many of them side by side fill the wait, and the
processor's vectors: lane ``i`` of a vector belongs to stretch ``i``. A stretch is float64[n] anywhere in memory, given
by its address. Tiles float64[_STEPS, LANES] take its candles in and its results out.
"""

import numpy as np
from numba import njit

from indicators.kernels.intrinsics import stay_apart
from indicators.kernels.transposing import columns_of_rows, rows_of_columns, rows_of_columns_past_the_cache

LANES = 32
"""Stretches at once: four vectors of eight, which hide the time that a step takes."""

STEPS = 64
"""Candles in a tile."""

_LINE = 8
"""Numbers in a line of the cache, and lanes or candles in a block that is turned."""

_LARGE = 1 << 21
"""Numbers read and written, 16 MB of them: from there on results had better be written past the cache."""


@njit(error_model="numpy")
def address(values):
    """Where an array begins."""
    return np.int64(values.ctypes.data)


@njit(error_model="numpy")
def room(rows, columns):
    """New memory, float64[rows, columns], that begins with a line of the cache."""
    held = np.empty(rows * columns + _LINE)
    skipped = -(address(held) // 8) % _LINE
    return held[skipped : skipped + rows * columns].reshape(rows, columns)


@njit(error_model="numpy")
def places(values, first, apart, addresses, row):
    """Addresses of stretches of one series that begin ``apart`` candles from each other."""
    for lane in range(LANES):
        addresses[row, lane] = address(values) + 8 * (first + lane * apart)


@njit(error_model="numpy")
def places_of_rows(values, begin, rows, first, addresses, row):
    """Addresses of the same stretch of several series, float64[series, n]; those that lack are the last one again."""
    for lane in range(LANES):
        addresses[row, lane] = address(values) + 8 * ((begin + min(lane, rows - 1)) * values.shape[1] + first)


@njit(error_model="numpy")
def line_begin(values, first):
    """The first candle from ``first`` on with which a line of the cache begins."""
    return first + -(address(values) // 8 + first) % _LINE


@njit(error_model="numpy")
def take_in(addresses, begin, count, tiles):
    """Fill the first tiles with the candles from ``begin`` on, a multiple of eight of them."""
    stay_apart()
    for array in range(addresses.shape[0]):
        rows, columns = address(addresses[array]), address(tiles[array])
        for lane in range(0, LANES, _LINE):
            for step in range(0, count, _LINE):
                at = columns + 8 * (step * LANES + lane)
                columns_of_rows(rows + 8 * lane, 8 * (begin + step), at, 8 * LANES)


@njit(error_model="numpy")
def give_out(tiles, first, addresses, begin, count, large):
    """Write the tiles from ``first`` on; ``large`` says that there is so much that it goes past the cache."""
    stay_apart()
    for array in range(addresses.shape[0]):
        rows, columns = address(addresses[array]), address(tiles[first + array])
        for lane in range(0, LANES, _LINE):
            whole_lines = large
            for k in range(_LINE):
                whole_lines = whole_lines and (addresses[array, lane + k] // 8 + begin) % _LINE == 0
            for step in range(0, count, _LINE):
                at = columns + 8 * (step * LANES + lane)
                if whole_lines:
                    rows_of_columns_past_the_cache(rows + 8 * lane, 8 * (begin + step), at, 8 * LANES)
                else:
                    rows_of_columns(rows + 8 * lane, 8 * (begin + step), at, 8 * LANES)


@njit(error_model="numpy")
def fill(state, values):
    """Set a state."""
    for position in range(state.size):
        state[position] = values[position]


@njit(error_model="numpy")
def set_lane(states, lane, state):
    """Let a lane go on from a state."""
    for position in range(state.size):
        states[position, lane] = state[position]


@njit(error_model="numpy")
def get_lane(states, lane, state):
    """Go on from where a lane is."""
    for position in range(state.size):
        state[position] = states[position, lane]


@njit(error_model="numpy")
def shift(states, state):
    """Hand each lane's state to the next one; the first takes ``state``."""
    for position in range(state.size):
        for lane in range(LANES - 1, 0, -1):
            states[position, lane] = states[position, lane - 1]
        states[position, 0] = state[position]


@njit(error_model="numpy")
def is_lane(states, lane, state):
    """Whether a lane is in that state, to the last bit, the sign of a zero included."""
    bits, wanted = states.view(np.int64), state.view(np.int64)
    differing = 0
    for position in range(state.size):
        differing += bits[position, lane] != wanted[position]
    return differing == 0


@njit(error_model="numpy")
def is_finite(states, lane):
    """Whether all of a lane's state is."""
    others = 0
    for position in range(states.shape[0]):
        others += not np.isfinite(states[position, lane])
    return others == 0


@njit(error_model="numpy")
def is_large(count):
    """Whether the results go past the cache if so many numbers are read and written."""
    return count >= _LARGE


@njit(error_model="numpy")
def apart(count):
    """How far apart the stretches of a series of that length begin.

    That is an odd number of lines: a power of two would have all of them compete for the same places in the cache.
    """
    return count // LANES // (2 * _LINE) * (2 * _LINE) - _LINE


@njit(error_model="numpy")
def tiles(count):
    """So many empty tiles, float64[count, STEPS, LANES]."""
    return room(count * STEPS, LANES).reshape(count, STEPS, LANES)
