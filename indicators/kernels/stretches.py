"""Moves several stretches of one series, or several series, through a recursion side by side, compiled.

A recursion has to wait for its last result before it can continue. Many of them side by side fill the wait, and the
processor's vectors: lane ``i`` of a vector belongs to stretch ``i``. A stretch is float64[n] anywhere in memory,
identified by its address. Tiles float64[STEPS, LANES] bring its candles in and its results out.
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
"""Numbers in a cache line, and lanes or candles in a block that is transposed."""

_LARGE = 1 << 21
"""Numbers read and written, 16 MB of them: from this size on it is faster to write results past the cache."""


@njit(error_model="numpy")
def address(values):
    """Where an array begins."""
    return np.int64(values.ctypes.data)


@njit(error_model="numpy")
def room(rows, columns):
    """New memory, float64[rows, columns], aligned to a cache line."""
    padded = np.empty(rows * columns + _LINE)
    skipped = -(address(padded) // 8) % _LINE
    return padded[skipped : skipped + rows * columns].reshape(rows, columns)


@njit(error_model="numpy")
def places(values, first, apart, addresses, row):
    """Addresses of the stretches of one series, which begin ``apart`` candles from each other."""
    for lane in range(LANES):
        addresses[row, lane] = address(values) + 8 * (first + lane * apart)


@njit(error_model="numpy")
def places_of_rows(values, begin, rows, first, addresses, row):
    """Addresses of the same stretch of several series, float64[series, n]; spare lanes repeat the last series."""
    for lane in range(LANES):
        addresses[row, lane] = address(values) + 8 * ((begin + min(lane, rows - 1)) * values.shape[1] + first)


@njit(error_model="numpy")
def line_begin(values, first):
    """The first candle from ``first`` on that is aligned to a cache line."""
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
    """Write the tiles from ``first`` on, past the cache if ``large``."""
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
    """Whether a lane's whole state is finite."""
    others = 0
    for position in range(states.shape[0]):
        others += not np.isfinite(states[position, lane])
    return others == 0


@njit(error_model="numpy")
def is_large(count):
    """Whether results are written past the cache when ``count`` numbers are read and written."""
    return count >= _LARGE


@njit(error_model="numpy")
def apart(count):
    """How far apart the stretches of a series of that length begin.

    It is an odd number of cache lines: at a power of two all stretches would compete for the same cache sets.
    """
    return count // LANES // (2 * _LINE) * (2 * _LINE) - _LINE


@njit(error_model="numpy")
def tiles(count):
    """Uninitialised tiles, float64[count, STEPS, LANES]."""
    return room(count * STEPS, LANES).reshape(count, STEPS, LANES)
