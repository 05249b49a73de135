"""Window reductions, compiled: one live and one history variant of each kind, equal bit for bit.

Live: ``ring`` is float64[length, lanes], ``oldest`` the row of the oldest value; ``result`` is float64[lanes].
History: ``extended`` is float64[length - 1 + n], the values before the span followed by the span; ``result`` is
float64[n]. ``about`` has the shape of ``result``.

Every variant combines a window's values from the oldest to the newest. Sums therefore depend on the window alone and
not on where the series started, and both variants round alike. Inner loops run over plain slices, because only those
are vectorised: over the lanes in the live variants, over time in the history ones.
"""

import numpy as np
from numba import njit

_BLOCK = 1024
"""Results per pass of a history sum: they stay in the first-level cache while the window moves over them."""


@njit(error_model="numpy")
def put(ring, turn, values):
    """Write the newest values into the row of the oldest; return the row that is the oldest after that."""
    length = ring.shape[0]
    row = ring[turn % length]
    for lane in range(row.size):
        row[lane] = values[lane]
    return (turn + 1) % length


@njit(error_model="numpy")
def extend(carry, values):
    """The carried values followed by the values: float64[carry.size + values.size]."""
    extended = np.empty(carry.size + values.size)
    extended[: carry.size] = carry
    extended[carry.size :] = values
    return extended


@njit(error_model="numpy")
def keep(extended, carry):
    """Carry on with the last values."""
    carry[:] = extended[extended.size - carry.size :]


@njit(error_model="numpy")
def _four(extended, first, size):
    """Four spans, each one value later: a history sum that adds four a pass stores its results a quarter as often."""
    return (
        extended[first : first + size],
        extended[first + 1 : first + 1 + size],
        extended[first + 2 : first + 2 + size],
        extended[first + 3 : first + 3 + size],
    )


@njit(error_model="numpy")
def live_sum(ring, oldest, result):
    """Sum of the window."""
    length = ring.shape[0]
    result[:] = 0.0
    for age in range(length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] += row[lane]


@njit(error_model="numpy")
def history_sum(extended, length, result):
    """Sum of the window."""
    for begin in range(0, result.size, _BLOCK):
        block = result[begin : begin + _BLOCK]
        block[:] = 0.0
        fours = length - length % 4
        for age in range(0, fours, 4):
            a, b, c, d = _four(extended, begin + age, block.size)
            for j in range(block.size):
                block[j] = block[j] + a[j] + b[j] + c[j] + d[j]
        for age in range(fours, length):
            values = extended[begin + age : begin + age + block.size]
            for j in range(block.size):
                block[j] += values[j]


@njit(error_model="numpy")
def live_sum_about(ring, oldest, about, result):
    """Sum of the window's distances from ``about``."""
    length = ring.shape[0]
    result[:] = 0.0
    for age in range(length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] += row[lane] - about[lane]


@njit(error_model="numpy")
def history_sum_about(extended, length, about, result):
    """Sum of the window's distances from ``about``."""
    for begin in range(0, result.size, _BLOCK):
        block = result[begin : begin + _BLOCK]
        centres = about[begin : begin + _BLOCK]
        block[:] = 0.0
        fours = length - length % 4
        for age in range(0, fours, 4):
            a, b, c, d = _four(extended, begin + age, block.size)
            for j in range(block.size):
                centre = centres[j]
                block[j] = block[j] + (a[j] - centre) + (b[j] - centre) + (c[j] - centre) + (d[j] - centre)
        for age in range(fours, length):
            values = extended[begin + age : begin + age + block.size]
            for j in range(block.size):
                block[j] += values[j] - centres[j]


@njit(error_model="numpy")
def live_squares_about(ring, oldest, about, result):
    """Sum of the window's squared distances from ``about``."""
    length = ring.shape[0]
    result[:] = 0.0
    for age in range(length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] += (row[lane] - about[lane]) ** 2


@njit(error_model="numpy")
def history_squares_about(extended, length, about, result):
    """Sum of the window's squared distances from ``about``."""
    for begin in range(0, result.size, _BLOCK):
        block = result[begin : begin + _BLOCK]
        centres = about[begin : begin + _BLOCK]
        block[:] = 0.0
        fours = length - length % 4
        for age in range(0, fours, 4):
            a, b, c, d = _four(extended, begin + age, block.size)
            for j in range(block.size):
                centre = centres[j]
                block[j] = (
                    block[j] + (a[j] - centre) ** 2 + (b[j] - centre) ** 2 + (c[j] - centre) ** 2 + (d[j] - centre) ** 2
                )
        for age in range(fours, length):
            values = extended[begin + age : begin + age + block.size]
            for j in range(block.size):
                block[j] += (values[j] - centres[j]) ** 2


@njit(error_model="numpy")
def live_deviations_about(ring, oldest, about, result):
    """Sum of the window's absolute distances from ``about``."""
    length = ring.shape[0]
    result[:] = 0.0
    for age in range(length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] += abs(row[lane] - about[lane])


@njit(error_model="numpy")
def history_deviations_about(extended, length, about, result):
    """Sum of the window's absolute distances from ``about``."""
    for begin in range(0, result.size, _BLOCK):
        block = result[begin : begin + _BLOCK]
        centres = about[begin : begin + _BLOCK]
        block[:] = 0.0
        for age in range(length):
            values = extended[begin + age : begin + age + block.size]
            for j in range(block.size):
                block[j] += abs(values[j] - centres[j])


@njit(error_model="numpy")
def live_weighted(ring, oldest, result):
    """Sum of the window with weights 1 (oldest) to ``length`` (newest)."""
    length = ring.shape[0]
    result[:] = 0.0
    for age in range(length):
        row = ring[(oldest + age) % length]
        weight = age + 1.0
        for lane in range(result.size):
            result[lane] += weight * row[lane]


@njit(error_model="numpy")
def history_weighted(extended, length, result):
    """Sum of the window with weights 1 (oldest) to ``length`` (newest)."""
    for begin in range(0, result.size, _BLOCK):
        block = result[begin : begin + _BLOCK]
        block[:] = 0.0
        for age in range(length):
            values = extended[begin + age : begin + age + block.size]
            weight = age + 1.0
            for j in range(block.size):
                block[j] += weight * values[j]


@njit(error_model="numpy")
def live_oldest(ring, oldest, result):
    """Oldest of the window."""
    row = ring[oldest]
    for lane in range(result.size):
        result[lane] = row[lane]


@njit(error_model="numpy")
def history_oldest(extended, length, result):  # noqa: ARG001 - called like the others
    """Oldest of the window."""
    result[:] = extended[: result.size]


@njit(error_model="numpy")
def live_since_max(ring, oldest, result):
    """Candles since the newest of the largest values."""
    length = ring.shape[0]
    for lane in range(result.size):
        best, since = ring[oldest, lane], length - 1.0
        for age in range(1, length):
            value = ring[(oldest + age) % length, lane]
            if value >= best or np.isnan(value):
                best, since = value, length - 1.0 - age
        result[lane] = np.nan if np.isnan(best) else since


@njit(error_model="numpy")
def history_since_max(extended, length, result):
    """Candles since the newest of the largest values."""
    for j in range(result.size):
        best, since = extended[j], length - 1.0
        for age in range(1, length):
            value = extended[j + age]
            if value >= best or np.isnan(value):
                best, since = value, length - 1.0 - age
        result[j] = np.nan if np.isnan(best) else since


@njit(error_model="numpy")
def live_since_min(ring, oldest, result):
    """Candles since the newest of the smallest values."""
    length = ring.shape[0]
    for lane in range(result.size):
        best, since = ring[oldest, lane], length - 1.0
        for age in range(1, length):
            value = ring[(oldest + age) % length, lane]
            if value <= best or np.isnan(value):
                best, since = value, length - 1.0 - age
        result[lane] = np.nan if np.isnan(best) else since


@njit(error_model="numpy")
def history_since_min(extended, length, result):
    """Candles since the newest of the smallest values."""
    for j in range(result.size):
        best, since = extended[j], length - 1.0
        for age in range(1, length):
            value = extended[j + age]
            if value <= best or np.isnan(value):
                best, since = value, length - 1.0 - age
        result[j] = np.nan if np.isnan(best) else since


@njit(error_model="numpy")
def _larger(older, newer):
    """The larger; NaN if either is NaN; the older of equals (zeros differ in their sign)."""
    return newer if newer > older or np.isnan(newer) else older


@njit(error_model="numpy")
def _smaller(older, newer):
    """The smaller; NaN if either is NaN; the older of equals (zeros differ in their sign)."""
    return newer if newer < older or np.isnan(newer) else older


@njit(error_model="numpy")
def live_max(ring, oldest, result):
    """Largest of the window."""
    length = ring.shape[0]
    result[:] = ring[oldest]
    for age in range(1, length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] = _larger(result[lane], row[lane])


@njit(error_model="numpy")
def live_min(ring, oldest, result):
    """Smallest of the window."""
    length = ring.shape[0]
    result[:] = ring[oldest]
    for age in range(1, length):
        row = ring[(oldest + age) % length]
        for lane in range(result.size):
            result[lane] = _smaller(result[lane], row[lane])


@njit(error_model="numpy")
def history_max(extended, length, result):
    """Largest of the window.

    Passes double the span that each element speaks for; two overlapping spans then cover the window.
    """
    spans = extended
    span = 1
    while 2 * span <= length:
        newer = spans[span:]
        wider = np.empty(newer.size)
        for j in range(wider.size):
            wider[j] = _larger(spans[j], newer[j])
        spans = wider
        span *= 2
    newer = spans[length - span :]
    for j in range(result.size):
        result[j] = _larger(spans[j], newer[j])


@njit(error_model="numpy")
def history_min(extended, length, result):
    """Smallest of the window, as :func:`history_max`."""
    spans = extended
    span = 1
    while 2 * span <= length:
        newer = spans[span:]
        wider = np.empty(newer.size)
        for j in range(wider.size):
            wider[j] = _smaller(spans[j], newer[j])
        spans = wider
        span *= 2
    newer = spans[length - span :]
    for j in range(result.size):
        result[j] = _smaller(spans[j], newer[j])


@njit(cache=True, nogil=True, error_model="numpy")
def hold(ring, turn, replaced, lanes):
    """Undo turn ``turn`` for the lanes that had no candle.

    ``replaced`` float64[lanes.size] is what the turn wrote over. The ring's position has moved on all the same, so the
    columns follow by one row, which leaves their values in their order.
    """
    last = ring.shape[0] - 1
    for k in range(lanes.size):
        ring[turn % ring.shape[0], lanes[k]] = replaced[k]
    wrapped = np.empty(lanes.size)
    for k in range(lanes.size):
        wrapped[k] = ring[last, lanes[k]]
    for row in range(last, 0, -1):
        for k in range(lanes.size):
            ring[row, lanes[k]] = ring[row - 1, lanes[k]]
    for k in range(lanes.size):
        ring[0, lanes[k]] = wrapped[k]
