"""Window reductions over time, compiled: what the history kernels call. ``rings.py`` has the live ones.

``extended`` is float64[length - 1 + n], the values before the span followed by the span; ``result`` and ``about`` are
float64[n]. Both files combine a window's values in the same fixed order, so that a result depends on the
window alone and not on where the series started, and both round alike.

Sums and extremes double their reach in passes: the sum of two values, of four, of eight ...; a window is put together
from the spans that its length is made of, the smallest at its newest end. That is the logarithm of the length in work.
Distances from a centre differ from window to window: they take a pass a value, oldest first.
"""

import numpy as np
from numba import njit

from indicators.apart import stay_apart

_TILE = 1024
"""Results per round of passes: what the passes hand on stays in the first-level cache."""


_LARGEST = np.finfo(np.float64).max

_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
# Unsigned: a signed index may count from the end, and a loop that has to ask is not vectorised.


@njit(error_model="numpy")
def head(carry, values):
    """The carried values followed by as many of the span's: what the windows that reach back before the span read."""
    stay_apart()
    later = min(carry.size, values.size)
    joined = np.empty(carry.size + later)
    joined[: carry.size] = carry
    joined[carry.size :] = values[:later]
    return joined


@njit(error_model="numpy")
def keep(carry, values):
    """Carry on with the last values."""
    stay_apart()
    if values.size >= carry.size:
        carry[:] = values[values.size - carry.size :]
    else:
        for j in range(carry.size - values.size):
            carry[j] = carry[j + values.size]
        carry[carry.size - values.size :] = values


@njit(error_model="numpy")
def all_finite(values):
    """Whether no value is NaN or infinite."""
    others = 0
    for j in range(values.size):
        others += not abs(values[j]) <= _LARGEST
    return others == 0


@njit(error_model="numpy")
def same_bits(left, right):
    """Whether two states are equal to the last bit, the sign of a zero included."""
    return np.array_equal(left.view(np.int64), right.view(np.int64))


@njit(error_model="numpy")
def _add_pairs(values, apart, sums):
    newer = values[apart:]
    for j in range(sums.size):
        sums[j] = values[j] + newer[j]


@njit(error_model="numpy")
def _copy(values, result):
    for j in range(result.size):
        result[j] = values[j]


@njit(error_model="numpy")
def _add_before(older, result):
    for j in range(result.size):
        result[j] = older[j] + result[j]


@njit(error_model="numpy")
def history_sum(extended, length, result):
    """Sum of the window."""
    stay_apart()
    buffers = np.empty(_TILE + length), np.empty(_TILE + length + 8)
    for begin in range(0, result.size, _TILE):
        total = result[begin : begin + _TILE]
        spans = extended[begin : begin + total.size + length - 1]
        span, taken, turn = 1, 0, 0
        while span <= length:
            if length & span:
                piece = spans[length - taken - span :]
                if taken == 0:
                    _copy(piece, total)
                else:
                    _add_before(piece, total)
                taken += span
            if 2 * span <= length:
                sums = buffers[turn][: spans.size - span]
                _add_pairs(spans, span, sums)
                spans, turn = sums, 1 - turn
            span *= 2


@njit(error_model="numpy")
def _weigh_pairs(weighted, sums, apart, result):
    newer, newer_sums, factor = weighted[apart:], sums[apart:], float(apart)
    for j in range(result.size):
        result[j] = weighted[j] + newer[j] + factor * newer_sums[j]


@njit(error_model="numpy")
def _weigh_before(older, sums, taken, result):
    """Put an older piece before ``taken`` newer values: each of those weighs more by the older piece's length."""
    for j in range(result.size):
        result[j] = older[j] + result[j] + taken * sums[j]


@njit(error_model="numpy")
def history_weighted(extended, length, result):
    """Sum of the window with weights 1 (oldest) to ``length`` (newest)."""
    stay_apart()
    sum_buffers = np.empty(_TILE + length), np.empty(_TILE + length + 8)
    weighted_buffers = np.empty(_TILE + length + 16), np.empty(_TILE + length + 24)
    sums_of_newer = np.empty(_TILE)
    for begin in range(0, result.size, _TILE):
        total = result[begin : begin + _TILE]
        newer_sums = sums_of_newer[: total.size]
        sums = extended[begin : begin + total.size + length - 1]
        weighted = sums
        span, taken, turn = 1, 0, 0
        while span <= length:
            if length & span:
                at = length - taken - span
                if taken == 0:
                    _copy(weighted[at:], total)
                    _copy(sums[at:], newer_sums)
                else:
                    _weigh_before(weighted[at:], newer_sums, float(span), total)
                    _add_before(sums[at:], newer_sums)
                taken += span
            if 2 * span <= length:
                wider = weighted_buffers[turn][: sums.size - span]
                _weigh_pairs(weighted, sums, span, wider)
                wider_sums = sum_buffers[turn][: sums.size - span]
                _add_pairs(sums, span, wider_sums)
                weighted, sums, turn = wider, wider_sums, 1 - turn
            span *= 2


@njit(error_model="numpy")
def _pick_pairs(values, apart, largest, result):
    """The larger or smaller of two: NaN if either is, the older of equals (zeros differ in their sign)."""
    newer = values[apart:]
    for j in range(result.size):
        a, b = values[j], newer[j]
        result[j] = b if (b > a if largest else b < a) or np.isnan(b) else a


@njit(error_model="numpy")
def _larger_of_pairs(values, apart, result):
    """As :func:`_pick_pairs`, for values that are numbers."""
    newer = values[apart:]
    for j in range(result.size):
        a, b = values[j], newer[j]
        result[j] = b if b > a else a


@njit(error_model="numpy")
def _larger_of_fours(values, apart, result):
    """Two rounds of :func:`_larger_of_pairs` in one."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + one], values[j + two], values[j + three]
        a = b if b > a else a
        c = d if d > c else c
        result[j] = c if c > a else a


@njit(error_model="numpy")
def _smaller_of_pairs(values, apart, result):
    """As :func:`_pick_pairs`, for values that are numbers."""
    newer = values[apart:]
    for j in range(result.size):
        a, b = values[j], newer[j]
        result[j] = b if b < a else a


@njit(error_model="numpy")
def _smaller_of_fours(values, apart, result):
    """Two rounds of :func:`_smaller_of_pairs` in one."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + one], values[j + two], values[j + three]
        a = b if b < a else a
        c = d if d < c else c
        result[j] = c if c < a else a


@njit(error_model="numpy")
def _history_extreme(extended, length, largest, result):
    stay_apart()
    buffers = np.empty(_TILE + length), np.empty(_TILE + length + 8)
    for begin in range(0, result.size, _TILE):
        picked = result[begin : begin + _TILE]
        spans = extended[begin : begin + picked.size + length - 1]
        finite = all_finite(spans)
        span, turn = 1, 0
        while 2 * span <= length:
            factor = 4 if finite and 4 * span <= length else 2
            wider = buffers[turn][: spans.size - (factor - 1) * span]
            if not finite:
                _pick_pairs(spans, span, largest, wider)
            elif factor == 4 and largest:
                _larger_of_fours(spans, span, wider)
            elif factor == 4:
                _smaller_of_fours(spans, span, wider)
            elif largest:
                _larger_of_pairs(spans, span, wider)
            else:
                _smaller_of_pairs(spans, span, wider)
            spans, turn = wider, 1 - turn
            span *= factor
        # Two spans that overlap cover the window.
        if not finite:
            _pick_pairs(spans, length - span, largest, picked)
        elif largest:
            _larger_of_pairs(spans, length - span, picked)
        else:
            _smaller_of_pairs(spans, length - span, picked)


@njit(error_model="numpy")
def history_max(extended, length, result):
    """Largest of the window."""
    stay_apart()
    _history_extreme(extended, length, True, result)


@njit(error_model="numpy")
def history_min(extended, length, result):
    """Smallest of the window."""
    stay_apart()
    _history_extreme(extended, length, False, result)


@njit(error_model="numpy")
def _date_pairs(values, ages, apart, sign, result, result_ages):
    """The larger or smaller of two, the newer of equals, and its age."""
    newer, newer_ages, more = values[apart:], ages[apart:], float(apart)
    for j in range(result.size):
        a, b = values[j], newer[j]
        is_newer = sign * b >= sign * a or np.isnan(b)
        result[j] = b if is_newer else a
        result_ages[j] = newer_ages[j] if is_newer else ages[j] + more


@njit(error_model="numpy")
def _history_since(extended, length, sign, result):
    stay_apart()
    buffers = np.empty(_TILE + length), np.empty(_TILE + length + 8)
    age_buffers = np.empty(_TILE + length + 16), np.empty(_TILE + length + 24)
    none = np.zeros(_TILE + length)
    last = np.empty(_TILE)
    for begin in range(0, result.size, _TILE):
        since = result[begin : begin + _TILE]
        values = extended[begin : begin + since.size + length - 1]
        ages = none[: values.size]
        span, turn = 1, 0
        while 2 * span <= length:
            wider, wider_ages = buffers[turn][: values.size - span], age_buffers[turn][: values.size - span]
            _date_pairs(values, ages, span, sign, wider, wider_ages)
            values, ages, turn = wider, wider_ages, 1 - turn
            span *= 2
        extreme = last[: since.size]
        _date_pairs(values, ages, length - span, sign, extreme, since)
        for j in range(since.size):
            since[j] = np.nan if np.isnan(extreme[j]) else since[j]


@njit(error_model="numpy")
def history_since_max(extended, length, result):
    """Candles since the newest of the largest values."""
    stay_apart()
    _history_since(extended, length, 1.0, result)


@njit(error_model="numpy")
def history_since_min(extended, length, result):
    """Candles since the newest of the smallest values."""
    stay_apart()
    _history_since(extended, length, -1.0, result)


@njit(error_model="numpy")
def history_oldest(extended, length, result):  # noqa: ARG001 - called like the others
    """Oldest of the window."""
    stay_apart()
    _copy(extended, result)


@njit(error_model="numpy")
def _add_level(level, span, taken, sums):
    """A span of the sum of a window that holds one value throughout: multiples by powers of two are exact."""
    factor = float(span)
    if taken == 0:
        for j in range(sums.size):
            sums[j] = factor * level[j]
    else:
        for j in range(sums.size):
            sums[j] = factor * level[j] + sums[j]


@njit(error_model="numpy")
def _subtract(sums, result):
    for j in range(result.size):
        result[j] = result[j] - sums[j]


@njit(error_model="numpy")
def history_sum_about(extended, length, about, result):
    """Sum of the window, less what the sum would be if every value were ``about``: nothing, if they all are."""
    stay_apart()
    level_sums = np.empty(_TILE)
    for begin in range(0, result.size, _TILE):
        total, level = result[begin : begin + _TILE], about[begin : begin + _TILE]
        sums = level_sums[: total.size]
        history_sum(extended[begin : begin + total.size + length - 1], length, total)
        span, taken = 1, 0
        while span <= length:
            if length & span:
                _add_level(level, span, taken, sums)
                taken += span
            span *= 2
        _subtract(sums, total)


@njit(error_model="numpy")
def history_squares_about(extended, length, about, result):
    """Sum of the window's squared distances from ``about``."""
    stay_apart()
    for begin in range(0, result.size, _TILE):
        total, centres = result[begin : begin + _TILE], about[begin : begin + _TILE]
        total[:] = 0.0
        for age in range(length):
            values = extended[begin + age :]
            for j in range(total.size):
                distance = values[j] - centres[j]
                total[j] += distance * distance


@njit(error_model="numpy")
def history_moments_about(extended, length, about, total, squares):
    """Sum of the window's distances from ``about``, and of their squares, in one go."""
    stay_apart()
    fours = length - length % 4
    for begin in range(0, total.size, _TILE):
        sums, powers = total[begin : begin + _TILE], squares[begin : begin + _TILE]
        centres = about[begin : begin + _TILE]
        sums[:] = 0.0
        powers[:] = 0.0
        for age in range(0, fours, 4):
            values = extended[begin + age :]
            for j in range(np.uint64(sums.size)):
                centre = centres[j]
                a, b = values[j] - centre, values[j + _ONE] - centre
                c, d = values[j + _TWO] - centre, values[j + _THREE] - centre
                sums[j] = sums[j] + a + b + c + d
                powers[j] = powers[j] + a * a + b * b + c * c + d * d
        for age in range(fours, length):
            values = extended[begin + age :]
            for j in range(sums.size):
                distance = values[j] - centres[j]
                sums[j] += distance
                powers[j] += distance * distance


@njit(error_model="numpy")
def history_deviations_about(extended, length, about, result):
    """Sum of the window's absolute distances from ``about``."""
    stay_apart()
    fours = length - length % 4
    for begin in range(0, result.size, _TILE):
        total, centres = result[begin : begin + _TILE], about[begin : begin + _TILE]
        total[:] = 0.0
        for age in range(0, fours, 4):
            values = extended[begin + age :]
            for j in range(np.uint64(total.size)):
                centre = centres[j]
                a, b = abs(values[j] - centre), abs(values[j + _ONE] - centre)
                c, d = abs(values[j + _TWO] - centre), abs(values[j + _THREE] - centre)
                total[j] = total[j] + a + b + c + d
        for age in range(fours, length):
            values = extended[begin + age :]
            for j in range(total.size):
                total[j] += abs(values[j] - centres[j])
