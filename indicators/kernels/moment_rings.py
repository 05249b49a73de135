"""Window reductions with two results over lanes, compiled, for the live kernels. ``moments.py`` has the same over time,
and says what a spread and a tilt are.

``memory`` and ``table`` are those of ``rings.py``. The sections from ``partial`` on hold, alternately, the sums of
distances and the spreads or tilts of the newest spans of four values, of eight ...; spans of two are recomputed.
"""

import numpy as np
from numba import njit

from indicators.kernels.intrinsics import share_nothing, stay_apart
from indicators.kernels.moments import joined, of_values, put_before
from indicators.kernels.rings import at


@njit(error_model="numpy")
def _two_lanes(tilted, older, newer, total, second):
    share_nothing()
    for lane in range(np.uint64(total.size)):
        total[lane], second[lane] = of_values(tilted, older[lane], newer[lane])


@njit(error_model="numpy")
def _three_lanes(tilted, oldest, older, newest, total, second):
    share_nothing()
    for lane in range(np.uint64(total.size)):
        two, two_second = of_values(tilted, oldest[lane], older[lane])
        step = newest[lane] - older[lane]
        total[lane], second[lane] = put_before(tilted, two, two_second, 2.0, 0.0, 0.0, 1.0, step)


@njit(error_model="numpy")
def _four_lanes(tilted, oldest, older, newer, newest, sums, seconds):
    share_nothing()
    for lane in range(np.uint64(sums.size)):
        one, one_second = of_values(tilted, oldest[lane], older[lane])
        two, two_second = of_values(tilted, newer[lane], newest[lane])
        step = newest[lane] - older[lane]
        sums[lane], seconds[lane] = joined(tilted, one, one_second, two, two_second, step, 2.0)


@njit(error_model="numpy")
def _join_lanes(tilted, before, now, older, older_second, newer, newer_second, span, total, second):
    share_nothing()
    for lane in range(np.uint64(total.size)):
        step = now[lane] - before[lane]
        total[lane], second[lane] = joined(
            tilted, older[lane], older_second[lane], newer[lane], newer_second[lane], step, span
        )


@njit(error_model="numpy")
def _sixteen_lanes(
    tilted, third, second, first, now, four_ago, eight_ago, four, four_second, eight, eight_second,
    sums_of_four, seconds_of_four, sums_of_eight, seconds_of_eight, sums, seconds,
):  # fmt: skip
    """Spans of four, eight and sixteen values in one pass: each is read again only as the older half of a wider one."""
    share_nothing()
    for lane in range(np.uint64(sums.size)):
        older, older_second = of_values(tilted, third[lane], second[lane])
        newer, newer_second = of_values(tilted, first[lane], now[lane])
        step = now[lane] - second[lane]
        newer, newer_second = joined(tilted, older, older_second, newer, newer_second, step, 2.0)
        sums_of_four[lane], seconds_of_four[lane] = newer, newer_second
        step = now[lane] - four_ago[lane]
        newer, newer_second = joined(tilted, four[lane], four_second[lane], newer, newer_second, step, 4.0)
        sums_of_eight[lane], seconds_of_eight[lane] = newer, newer_second
        step = now[lane] - eight_ago[lane]
        sums[lane], seconds[lane] = joined(tilted, eight[lane], eight_second[lane], newer, newer_second, step, 8.0)


@njit(error_model="numpy")
def _put_lanes(tilted, sums, seconds, span, near, near_second, taken, last, now, total, second):
    share_nothing()
    for lane in range(np.uint64(total.size)):
        step = now[lane] - last[lane]
        total[lane], second[lane] = put_before(
            tilted, sums[lane], seconds[lane], span, near[lane], near_second[lane], taken, step
        )


@njit(error_model="numpy")
def _copy_lanes(sums, seconds, total, second):
    share_nothing()
    for lane in range(np.uint64(total.size)):
        total[lane], second[lane] = sums[lane], seconds[lane]


@njit(error_model="numpy")
def _widen_lanes(tilted, memory, table, ring, partial, turn, length):
    """Write the newest spans of four values, of eight ..."""
    now, first = at(memory, table, ring, turn), at(memory, table, ring, turn - 1)
    second, third = at(memory, table, ring, turn - 2), at(memory, table, ring, turn - 3)
    four, four_second = at(memory, table, partial, turn), at(memory, table, partial + 1, turn)
    span, sums = 4, partial
    if length < 16:
        _four_lanes(tilted, third, second, first, now, four, four_second)
    else:
        _sixteen_lanes(
            tilted, third, second, first, now, at(memory, table, ring, turn - 4), at(memory, table, ring, turn - 8),
            at(memory, table, partial, turn - 4), at(memory, table, partial + 1, turn - 4),
            at(memory, table, partial + 2, turn - 8), at(memory, table, partial + 3, turn - 8), four, four_second,
            at(memory, table, partial + 2, turn), at(memory, table, partial + 3, turn),
            at(memory, table, partial + 4, turn), at(memory, table, partial + 5, turn),
        )  # fmt: skip
        span, sums = 16, partial + 4
    while 2 * span <= length:
        _join_lanes(
            tilted, at(memory, table, ring, turn - span), now, at(memory, table, sums, turn - span),
            at(memory, table, sums + 1, turn - span), at(memory, table, sums, turn), at(memory, table, sums + 1, turn),
            float(span), at(memory, table, sums + 2, turn), at(memory, table, sums + 3, turn),
        )  # fmt: skip
        span, sums = 2 * span, sums + 2


@njit(error_model="numpy")
def _live(tilted, memory, table, ring, partial, turn, length, total, second):
    now, taken, side = at(memory, table, ring, turn), length % 4, 0
    between = np.empty((4, total.size))
    near, near_second = (between[0], between[1]) if length > 3 else (total, second)
    if taken == 1:
        near[:] = 0.0
        near_second[:] = 0.0
    elif taken > 1:
        older, oldest = at(memory, table, ring, turn - 1), at(memory, table, ring, turn - (taken - 1))
        if taken == 2:
            _two_lanes(tilted, older, now, near, near_second)
        else:
            _three_lanes(tilted, oldest, older, now, near, near_second)
    if length < 4:
        return
    _widen_lanes(tilted, memory, table, ring, partial, turn, length)
    span, sums = 4, partial
    while span <= length:
        if length & span:
            piece, piece_second = at(memory, table, sums, turn - taken), at(memory, table, sums + 1, turn - taken)
            if taken == 0:
                near, near_second = piece, piece_second
            else:
                side = 2 - side
                whole, further = between[side], between[side + 1]
                if taken + span == length:
                    whole, further = total, second
                last = at(memory, table, ring, turn - taken)
                _put_lanes(
                    tilted, piece, piece_second, float(span), near, near_second, float(taken), last, now, whole, further
                )
                near, near_second = whole, further
            taken += span
        span, sums = 2 * span, sums + 2
    if length & (length - 1) == 0:
        _copy_lanes(near, near_second, total, second)


@njit(error_model="numpy")
def live_moments(memory, table, ring, partial, turn, length, total, spread):
    """Sum of the window's distances from its newest value, and of its squared distances from its mean."""
    stay_apart()
    _live(False, memory, table, ring, partial, turn, length, total, spread)


@njit(error_model="numpy")
def live_tilt(memory, table, ring, partial, turn, length, total, tilt):
    """Sum of the window's distances from its newest value, and the window's tilt."""
    stay_apart()
    _live(True, memory, table, ring, partial, turn, length, total, tilt)
