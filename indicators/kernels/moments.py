"""Window reductions with two results over time, compiled, for the history kernels. ``moment_rings.py`` has the live
ones, built from the same functions.

Like the sums of ``windows.py``, whose arrays these take too, they double their reach in passes. A span of one, two,
four ... values has the sum of the distances from its own newest value, and either

- a *spread*, the sum of the squared distances from the span's mean (Chan, Golub and LeVeque, 1979), or
- a *tilt*, the sum of the values, each times its offset from the span's middle, which a line's slope is computed from.

Both follow from those of the halves and the difference of their newest values. A window is assembled from spans whose
lengths add up to its own, starting with the smallest, at its newest end. Everything is computed from differences of
values, so rounding errors are as small as these, and exactly zero if all values of a window are equal.
"""

import numpy as np
from numba import njit

from indicators.kernels.intrinsics import share_nothing, stay_apart
from indicators.kernels.windows import TILE


@njit(error_model="numpy")
def of_values(tilted, older, newer):
    """(sum of distances, spread or tilt) of two values."""
    distance = older - newer
    return distance, 0.5 * (newer - older) if tilted else 0.5 * (distance * distance)


@njit(error_model="numpy")
def joined(tilted, older, older_second, newer, newer_second, step, span):
    """The same for two adjacent spans of ``span`` values each.

    ``step`` is the difference between their newest values.
    """
    distance = older - span * step
    rise = newer - distance
    more = 0.5 * span * rise if tilted else 0.5 / span * (rise * rise)
    return distance + newer, older_second + newer_second + more


@njit(error_model="numpy")
def put_before(tilted, older, older_second, span, newer, newer_second, taken, step):
    """The same for a span and the ``taken`` values after it."""
    distance = older - span * step
    if tilted:
        more = 0.5 * span * newer - 0.5 * taken * distance
    else:
        rise = newer * (1.0 / taken) - distance * (1.0 / span)
        more = span * taken / (span + taken) * (rise * rise)
    return distance + newer, older_second + newer_second + more


@njit(error_model="numpy")
def _two(tilted, values, sums, seconds, j, apart):
    """The same for two adjacent spans of ``apart`` values each, from ``j`` on."""
    one = np.uint64(apart)
    step = values[j + one + one - np.uint64(1)] - values[j + one - np.uint64(1)]
    return joined(tilted, sums[j], seconds[j], sums[j + one], seconds[j + one], step, float(apart))


@njit(error_model="numpy")
def _four(tilted, values, sums, seconds, j, apart):
    two = np.uint64(apart) + np.uint64(apart)
    older, older_second = _two(tilted, values, sums, seconds, j, apart)
    newer, newer_second = _two(tilted, values, sums, seconds, j + two, apart)
    step = values[j + two + two - np.uint64(1)] - values[j + two - np.uint64(1)]
    return joined(tilted, older, older_second, newer, newer_second, step, 2.0 * apart)


@njit(error_model="numpy")
def _widen_values(tilted, values, sums, seconds):
    """The spans of four values."""
    share_nothing()
    for j in range(np.uint64(sums.size)):
        second, fourth = values[j + np.uint64(1)], values[j + np.uint64(3)]
        older, older_second = of_values(tilted, values[j], second)
        newer, newer_second = of_values(tilted, values[j + np.uint64(2)], fourth)
        sums[j], seconds[j] = joined(tilted, older, older_second, newer, newer_second, fourth - second, 2.0)


@njit(error_model="numpy")
def _widen(tilted, values, sums, seconds, apart, wider, further):
    """The spans four times as long."""
    share_nothing()
    for j in range(np.uint64(wider.size)):
        wider[j], further[j] = _four(tilted, values, sums, seconds, j, apart)


@njit(error_model="numpy")
def _begin(tilted, values, rest, total, second):
    """The window's newest two or three values."""
    share_nothing()
    one, two = np.uint64(1), np.uint64(2)
    if rest == 2:
        for j in range(np.uint64(total.size)):
            total[j], second[j] = of_values(tilted, values[j], values[j + one])
    else:
        for j in range(np.uint64(total.size)):
            older, older_second = of_values(tilted, values[j], values[j + one])
            step = values[j + two] - values[j + one]
            total[j], second[j] = put_before(tilted, older, older_second, 2.0, 0.0, 0.0, 1.0, step)


@njit(error_model="numpy")
def _take(tilted, values, sums, seconds, apart, spans, total, second):
    """The window's newest spans, one to four of them."""
    share_nothing()
    if spans == 1:
        for j in range(np.uint64(total.size)):
            total[j], second[j] = sums[j], seconds[j]
    elif spans == 2:
        for j in range(np.uint64(total.size)):
            total[j], second[j] = _two(tilted, values, sums, seconds, j, apart)
    elif spans == 3:
        span, two = float(apart), np.uint64(2 * apart)
        last, last_of_two = np.uint64(3 * apart - 1), np.uint64(2 * apart - 1)
        for j in range(np.uint64(total.size)):
            older, older_second = _two(tilted, values, sums, seconds, j, apart)
            step = values[j + last] - values[j + last_of_two]
            total[j], second[j] = put_before(
                tilted, older, older_second, 2.0 * span, sums[j + two], seconds[j + two], span, step
            )
    else:
        for j in range(np.uint64(total.size)):
            total[j], second[j] = _four(tilted, values, sums, seconds, j, apart)


@njit(error_model="numpy")
def _put(tilted, values, sums, seconds, apart, spans, near, near_second, taken, total, second):
    """Put one to four spans before the ``taken`` newer values."""
    share_nothing()
    span, newer = float(apart), float(taken)
    newest, last = np.uint64(spans * apart + taken - 1), np.uint64(spans * apart - 1)
    if spans == 1:
        for j in range(np.uint64(total.size)):
            step = values[j + newest] - values[j + last]
            total[j], second[j] = put_before(tilted, sums[j], seconds[j], span, near[j], near_second[j], newer, step)
    elif spans == 2:
        for j in range(np.uint64(total.size)):
            older, older_second = _two(tilted, values, sums, seconds, j, apart)
            step = values[j + newest] - values[j + last]
            total[j], second[j] = put_before(
                tilted, older, older_second, 2.0 * span, near[j], near_second[j], newer, step
            )
    elif spans == 3:
        two, last_of_two = np.uint64(2 * apart), np.uint64(2 * apart - 1)
        for j in range(np.uint64(total.size)):
            step = values[j + newest] - values[j + last]
            later, later_second = put_before(
                tilted, sums[j + two], seconds[j + two], span, near[j], near_second[j], newer, step
            )
            older, older_second = _two(tilted, values, sums, seconds, j, apart)
            step = values[j + newest] - values[j + last_of_two]
            total[j], second[j] = put_before(
                tilted, older, older_second, 2.0 * span, later, later_second, span + newer, step
            )
    else:
        for j in range(np.uint64(total.size)):
            older, older_second = _four(tilted, values, sums, seconds, j, apart)
            step = values[j + newest] - values[j + last]
            total[j], second[j] = put_before(
                tilted, older, older_second, 4.0 * span, near[j], near_second[j], newer, step
            )


@njit(error_model="numpy")
def _add_spans(tilted, values, sums, seconds, span, spans, near, near_second, taken, total, second):
    """Put one to four spans before the newer values, if any."""
    if span == 1:
        _begin(tilted, values, spans, total, second)
    elif taken == 0:
        _take(tilted, values, sums, seconds, span, spans, total, second)
    else:
        _put(tilted, values, sums, seconds, span, spans, near, near_second, taken, total, second)


@njit(error_model="numpy")
def _reduce_tile(tilted, values, length, buffers, none, total, second):
    """Widen the spans fourfold at a time, and assemble the window from those whose lengths add up to its own."""
    sums = seconds = values
    near = near_second = none[: total.size]
    span, taken, turn, side, lent = 1, 0, 0, 0, 0
    while True:
        # The widest spans serve nothing else, so they are not stored.
        widest = 4 if span > 1 and 4 * span <= length < 8 * span else 0
        for spans in (length // span % 4, widest):
            later = taken
            taken += spans * span
            first = length - taken
            if spans == 0 or taken == 1:
                continue
            if taken == span < length:
                near, near_second, lent = sums[first:], seconds[first:], 1
                continue
            side = 1 - side
            whole, further = buffers[4 + side][: total.size], buffers[6 + side][: total.size]
            if taken == length:
                whole, further = total, second
            _add_spans(
                tilted,
                values[first:],
                sums[first:],
                seconds[first:],
                span,
                spans,
                near,
                near_second,
                later,
                whole,
                further,
            )
            near, near_second, lent = whole, further, 0
        if taken == length:
            return
        if lent == 2:
            # The next spans will overwrite the buffer that these were borrowed from.
            _take(tilted, values, near, near_second, span, 1, buffers[4][: total.size], buffers[6][: total.size])
            near, near_second, side, lent = buffers[4][: total.size], buffers[6][: total.size], 0, 0
        lent += lent > 0
        count = sums.size - 3 * span
        wider, further = buffers[turn][:count], buffers[2 + turn][:count]
        if span == 1:
            _widen_values(tilted, values, wider, further)
        else:
            _widen(tilted, values, sums, seconds, span, wider, further)
        sums, seconds, span, turn = wider, further, 4 * span, 1 - turn


@njit(error_model="numpy")
def _reduce(tilted, extended, length, total, second):
    buffers, none = np.empty((8, TILE + length)), np.zeros(TILE)
    for begin in range(0, total.size, TILE):
        whole, further = total[begin : begin + TILE], second[begin : begin + TILE]
        values = extended[begin : begin + whole.size + length - 1]
        _reduce_tile(tilted, values, length, buffers, none, whole, further)


@njit(error_model="numpy")
def history_moments(extended, length, total, spread):
    """Sum of the window's distances from its newest value, and of its squared distances from its mean."""
    stay_apart()
    _reduce(False, extended, length, total, spread)


@njit(error_model="numpy")
def history_tilt(extended, length, total, tilt):
    """Sum of the window's distances from its newest value, and the window's tilt."""
    stay_apart()
    _reduce(True, extended, length, total, tilt)
