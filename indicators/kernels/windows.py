"""Window reductions over time, compiled, for the history kernels. ``rings.py`` has the live ones, ``moments.py`` those
with two results.

``extended`` is float64[length - 1 + n], the values before the span followed by the span; ``result`` and ``about`` are
float64[n]. Both files combine a window's values in the same fixed order, so that a result depends on the window alone
and not on where the series started, and both round alike.

Sums and extremes double their reach in passes: the sum of two values, of four, of eight ...; a window is assembled from
spans whose lengths add up to its own, with the smallest at its newest end. The work grows with the logarithm of the
length. Distances from a centre differ from window to window: they take one pass per value, oldest first.
"""

import numpy as np
from numba import njit

from indicators.kernels.intrinsics import stay_apart

TILE = 1024
"""Results per round of passes: intermediate values stay in the first-level cache."""


_LARGEST = np.finfo(np.float64).max

_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX, _SEVEN = (np.uint64(age) for age in range(1, 8))
# Unsigned: a signed index may count from the end, and a loop that has to check for that is not vectorised.


@njit(error_model="numpy")
def head(carry, values):
    """The carried values followed by those of the series' first span."""
    stay_apart()
    joined = np.empty(carry.size + values.size)
    joined[: carry.size] = carry
    joined[carry.size :] = values
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
def move_down(values, margin, count):
    """Put the last of ``margin + count`` values into the margin before them."""
    for j in range(margin):
        values[j] = values[j + count]


@njit(error_model="numpy")
def all_finite(values):
    """Whether no value is NaN or infinite."""
    others = 0
    for j in range(values.size):
        others += not abs(values[j]) <= _LARGEST
    return others == 0


@njit(error_model="numpy")
def _add_fours(values, apart, sums):
    """Two doublings in one: the sums of two pairs of spans."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(sums.size)):
        sums[j] = (values[j] + values[j + one]) + (values[j + two] + values[j + three])


@njit(error_model="numpy")
def _add_fours_before(values, apart, result):
    """Put the widest span before the newer ones."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(result.size)):
        result[j] = ((values[j] + values[j + one]) + (values[j + two] + values[j + three])) + result[j]


@njit(error_model="numpy")
def _add_pairs(values, apart, sums):
    newer = values[apart:]
    for j in range(sums.size):
        sums[j] = values[j] + newer[j]


@njit(error_model="numpy")
def _add_pairs_before(values, apart, result):
    newer = values[apart:]
    for j in range(result.size):
        result[j] = (values[j] + newer[j]) + result[j]


@njit(error_model="numpy")
def _copy(values, result):
    for j in range(result.size):
        result[j] = values[j]


@njit(error_model="numpy")
def _add_before(older, result):
    for j in range(result.size):
        result[j] = older[j] + result[j]


@njit(error_model="numpy")
def _sum_tile(spans, length, first, second, total):
    """The sums of a tile; ``first`` and ``second`` are buffers for intermediate values."""
    span, taken = 1, 0
    while True:
        if length & span:
            piece = spans[length - taken - span :]
            if taken == 0:
                _copy(piece, total)
            else:
                _add_before(piece, total)
            taken += span
        if length & (2 * span):
            piece = spans[length - taken - 2 * span :]
            if taken == 0:
                _add_pairs(piece, span, total)
            else:
                _add_pairs_before(piece, span, total)
            taken += 2 * span
        if 4 * span > length:
            return
        if 8 * span > length:
            if taken == 0:
                _add_fours(spans, span, total)
            else:
                _add_fours_before(spans, span, total)
            return
        sums = first[: spans.size - 3 * span]
        _add_fours(spans, span, sums)
        spans, first, second = sums, second, first
        span *= 4


@njit(error_model="numpy")
def history_sum(extended, length, result):
    """Sum of the window."""
    stay_apart()
    first, second = np.empty(TILE + length), np.empty(TILE + length)
    for begin in range(0, result.size, TILE):
        total = result[begin : begin + TILE]
        _sum_tile(extended[begin : begin + total.size + length - 1], length, first, second, total)


@njit(error_model="numpy")
def _weigh_pairs(weighted, sums, apart, wider, wider_sums):
    """In a pair of spans, the older span's length is added to the weight of each newer value."""
    one, factor = np.uint64(apart), float(apart)
    for j in range(np.uint64(wider.size)):
        newer_sums = sums[j + one]
        wider[j] = weighted[j] + weighted[j + one] + factor * newer_sums
        wider_sums[j] = sums[j] + newer_sums


@njit(error_model="numpy")
def _weigh_pairs_before(weighted, sums, apart, result, newer_sums):
    """Put the widest span, a pair of that length, before the newer values."""
    one, factor, length = np.uint64(apart), float(apart), 2.0 * apart
    for j in range(np.uint64(result.size)):
        older = weighted[j] + weighted[j + one] + factor * sums[j + one]
        result[j] = older + result[j] + length * newer_sums[j]


@njit(error_model="numpy")
def _weigh_before(older, older_sums, length, result, sums):
    """Put an older piece of that length before the newer values."""
    for j in range(result.size):
        result[j] = older[j] + result[j] + length * sums[j]
        sums[j] = older_sums[j] + sums[j]


@njit(error_model="numpy")
def history_weighted(extended, length, result):
    """Sum of the window with weights 1 (oldest) to ``length`` (newest)."""
    stay_apart()
    buffers = np.empty((5, TILE + length))
    for begin in range(0, result.size, TILE):
        total = result[begin : begin + TILE]
        newer_sums = buffers[4][: total.size]
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
                    _weigh_before(weighted[at:], sums[at:], float(span), total, newer_sums)
                taken += span
            if 2 * span <= length:
                if taken > 0 and 4 * span > length:
                    _weigh_pairs_before(weighted, sums, span, total, newer_sums)
                    break
                wider = buffers[turn][: sums.size - span]
                wider_sums = buffers[2 + turn][: sums.size - span]
                _weigh_pairs(weighted, sums, span, wider, wider_sums)
                weighted, sums, turn = wider, wider_sums, 1 - turn
            span *= 2


@njit(error_model="numpy")
def _pick_pairs(values, apart, largest, result):
    """The larger or smaller of two: NaN if either is, the older of equals (zeros may differ in sign)."""
    newer = values[apart:]
    for j in range(result.size):
        a, b = values[j], newer[j]
        result[j] = b if (b > a if largest else b < a) or np.isnan(b) else a


@njit(error_model="numpy")
def _larger_of_fours(values, first, second, third, result):
    """The largest of four spans, which begin here and ``first``, ``second`` and ``third`` values later; no NaN."""
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + first], values[j + second], values[j + third]
        a = b if b > a else a
        c = d if d > c else c
        result[j] = c if c > a else a


@njit(error_model="numpy")
def _smaller_of_fours(values, first, second, third, result):
    """As :func:`_larger_of_fours`."""
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + first], values[j + second], values[j + third]
        a = b if b < a else a
        c = d if d < c else c
        result[j] = c if c < a else a


@njit(error_model="numpy")
def _larger_of_sixes(values, apart, fourth, fifth, result):
    """The largest of four adjacent spans and two further ones; no NaN."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + one], values[j + two], values[j + three]
        e, f = values[j + fourth], values[j + fifth]
        a = b if b > a else a
        c = d if d > c else c
        e = f if f > e else e
        a = c if c > a else a
        result[j] = e if e > a else a


@njit(error_model="numpy")
def _smaller_of_sixes(values, apart, fourth, fifth, result):
    """As :func:`_larger_of_sixes`."""
    one = np.uint64(apart)
    two, three = one + one, one + one + one
    for j in range(np.uint64(result.size)):
        a, b, c, d = values[j], values[j + one], values[j + two], values[j + three]
        e, f = values[j + fourth], values[j + fifth]
        a = b if b < a else a
        c = d if d < c else c
        e = f if f < e else e
        a = c if c < a else a
        result[j] = e if e < a else a


@njit(error_model="numpy")
def _extreme_tile(spans, length, largest, first, second, result):
    """The extremes of a tile without NaN. The spans that cover a window may overlap."""
    span = 1
    while 6 * span < length:
        wider = first[: spans.size - 3 * span]
        one, two, three = np.uint64(span), np.uint64(2 * span), np.uint64(3 * span)
        if largest:
            _larger_of_fours(spans, one, two, three, wider)
        else:
            _smaller_of_fours(spans, one, two, three, wider)
        spans, first, second = wider, second, first
        span *= 4
    last = length - span
    if 4 * span < length:
        fourth, fifth = np.uint64(min(4 * span, last)), np.uint64(last)
        if largest:
            _larger_of_sixes(spans, span, fourth, fifth, result)
        else:
            _smaller_of_sixes(spans, span, fourth, fifth, result)
    else:
        one, two, three = np.uint64(min(span, last)), np.uint64(min(2 * span, last)), np.uint64(last)
        if largest:
            _larger_of_fours(spans, one, two, three, result)
        else:
            _smaller_of_fours(spans, one, two, three, result)


@njit(error_model="numpy")
def _pick_tile(spans, length, largest, first, second, result):
    """The extremes of a tile in which values are missing."""
    span = 1
    while 2 * span <= length:
        wider = first[: spans.size - span]
        _pick_pairs(spans, span, largest, wider)
        spans, first, second = wider, second, first
        span *= 2
    _pick_pairs(spans, length - span, largest, result)


@njit(error_model="numpy")
def _history_extreme(extended, length, largest, result):
    stay_apart()
    first, second = np.empty(TILE + length), np.empty(TILE + length)
    for begin in range(0, result.size, TILE):
        picked = result[begin : begin + TILE]
        spans = extended[begin : begin + picked.size + length - 1]
        if all_finite(spans):
            _extreme_tile(spans, length, largest, first, second, picked)
        else:
            _pick_tile(spans, length, largest, first, second, picked)


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
    buffers = np.empty(TILE + length), np.empty(TILE + length + 8)
    age_buffers = np.empty(TILE + length + 16), np.empty(TILE + length + 24)
    none = np.zeros(TILE + length)
    last = np.empty(TILE)
    for begin in range(0, result.size, TILE):
        since = result[begin : begin + TILE]
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
    """Add a span to the sum of a window of equal values: multiplying by powers of two is exact."""
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
def _subtract_level(level, small, large, result):
    """Subtract the sum of a window of equal values that consists of two spans, or of one if ``large`` is 0."""
    for j in range(result.size):
        result[j] = result[j] - (large * level[j] + small * level[j])


@njit(error_model="numpy")
def history_sum_about(extended, length, about, result):
    """Sum of the window minus the sum it would have if every value were ``about``: exactly 0 if they all are."""
    stay_apart()
    level_sums = np.empty(TILE)
    first, second = np.empty(TILE + length), np.empty(TILE + length)
    small = length & -length
    large = length - small
    for begin in range(0, result.size, TILE):
        total, level = result[begin : begin + TILE], about[begin : begin + TILE]
        _sum_tile(extended[begin : begin + total.size + length - 1], length, first, second, total)
        if large & (large - 1) == 0:
            _subtract_level(level, float(small), float(large), total)
            continue
        sums = level_sums[: total.size]
        span, taken = 1, 0
        while span <= length:
            if length & span:
                _add_level(level, span, taken, sums)
                taken += span
            span *= 2
        _subtract(sums, total)


@njit(error_model="numpy")
def history_deviations_about(extended, length, about, result):
    """Sum of the window's absolute distances from ``about``."""
    stay_apart()
    eights = length - length % 8
    for begin in range(0, result.size, TILE):
        total, centres = result[begin : begin + TILE], about[begin : begin + TILE]
        total[:] = 0.0
        for age in range(0, eights, 8):
            values = extended[begin + age :]
            for j in range(np.uint64(total.size)):
                centre = centres[j]
                a, b = abs(values[j] - centre), abs(values[j + _ONE] - centre)
                c, d = abs(values[j + _TWO] - centre), abs(values[j + _THREE] - centre)
                e, f = abs(values[j + _FOUR] - centre), abs(values[j + _FIVE] - centre)
                g, h = abs(values[j + _SIX] - centre), abs(values[j + _SEVEN] - centre)
                total[j] = total[j] + a + b + c + d + e + f + g + h
        age = eights
        if length - age >= 4:
            values = extended[begin + age :]
            for j in range(np.uint64(total.size)):
                centre = centres[j]
                a, b = abs(values[j] - centre), abs(values[j + _ONE] - centre)
                c, d = abs(values[j + _TWO] - centre), abs(values[j + _THREE] - centre)
                total[j] = total[j] + a + b + c + d
            age += 4
        for last in range(age, length):
            values = extended[begin + last :]
            for j in range(total.size):
                total[j] += abs(values[j] - centres[j])
