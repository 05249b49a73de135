"""Window reductions over lanes, compiled, for the live kernels. ``windows.py`` has the same over time,
``moment_rings.py`` the reductions with two results.

``memory`` is float64[rows, lanes], divided into sections; ``table`` int64[sections, 2] has the first row and the number
of rows of each. A section is a ring: turn ``t`` writes row ``t % rows``. The first sections hold the values that
windows look back on, one section for each ring of the record, as long as the window. After them come the partial
results of the doubling windows: the newest sums (extremes) of two values, of four, of eight ..., kept as long as a
wider one needs them, so that the cost of a turn grows with the logarithm of the length. ``result`` and ``about`` are
float64[lanes].

Every reduction combines the values in the same order as its twin in ``windows.py``, and rounds alike.
"""

import numpy as np
from numba import njit

from indicators.kernels.intrinsics import stay_apart


@njit(error_model="numpy")
def at(memory, table, section, turn):
    """The row that a section wrote in a turn."""
    return memory[table[section, 0] + turn % table[section, 1]]


@njit(error_model="numpy")
def _four(memory, table, section, turn):
    return (
        at(memory, table, section, turn),
        at(memory, table, section, turn + 1),
        at(memory, table, section, turn + 2),
        at(memory, table, section, turn + 3),
    )


@njit(error_model="numpy")
def _copy(values, target):
    for lane in range(target.size):
        target[lane] = values[lane]


@njit(error_model="numpy")
def put(memory, table, section, turn, values):
    """Write the newest values."""
    _copy(values, at(memory, table, section, turn))


@njit(error_model="numpy")
def _add(older, newer, result):
    for lane in range(result.size):
        result[lane] = older[lane] + newer[lane]


@njit(error_model="numpy")
def live_sum(memory, table, ring, partial, turn, length, result):
    """Sum of the window; partial sums from section ``partial`` on."""
    stay_apart()
    span, taken, section = 1, 0, ring
    while span <= length:
        if length & span:
            piece = at(memory, table, section, turn - taken)
            if taken == 0:
                _copy(piece, result)
            else:
                _add(piece, result, result)
            taken += span
        if 2 * span <= length:
            _add(
                at(memory, table, section, turn - span),
                at(memory, table, section, turn),
                at(memory, table, partial, turn),
            )
            section, partial = partial, partial + 1
        span *= 2


@njit(error_model="numpy")
def _weigh(older, newer, newer_sums, factor, result):
    for lane in range(result.size):
        result[lane] = older[lane] + newer[lane] + factor * newer_sums[lane]


@njit(error_model="numpy")
def live_weighted(memory, table, ring, partial, turn, length, result):
    """Sum of the window with weights 1 (oldest) to ``length`` (newest); partial results alternate: weighted, plain."""
    stay_apart()
    sums_of_newer = np.empty(result.size)
    span, taken, weighted, sums = 1, 0, ring, ring
    while span <= length:
        if length & span:
            piece, piece_sums = at(memory, table, weighted, turn - taken), at(memory, table, sums, turn - taken)
            if taken == 0:
                _copy(piece, result)
                _copy(piece_sums, sums_of_newer)
            else:
                _weigh(piece, result, sums_of_newer, float(span), result)
                _add(piece_sums, sums_of_newer, sums_of_newer)
            taken += span
        if 2 * span <= length:
            newer_sums = at(memory, table, sums, turn)
            _weigh(
                at(memory, table, weighted, turn - span),
                at(memory, table, weighted, turn),
                newer_sums,
                float(span),
                at(memory, table, partial, turn),
            )
            _add(at(memory, table, sums, turn - span), newer_sums, at(memory, table, partial + 1, turn))
            weighted, sums, partial = partial, partial + 1, partial + 2
        span *= 2


@njit(error_model="numpy")
def _pick(older, newer, largest, result):
    for lane in range(result.size):
        a, b = older[lane], newer[lane]
        result[lane] = b if (b > a if largest else b < a) or np.isnan(b) else a


@njit(error_model="numpy")
def _live_extreme(memory, table, ring, partial, turn, length, largest, result):
    stay_apart()
    span, section = 1, ring
    while 2 * span <= length:
        older, newer = at(memory, table, section, turn - span), at(memory, table, section, turn)
        _pick(older, newer, largest, at(memory, table, partial, turn))
        section, partial = partial, partial + 1
        span *= 2
    older, newer = at(memory, table, section, turn - (length - span)), at(memory, table, section, turn)
    _pick(older, newer, largest, result)


@njit(error_model="numpy")
def live_max(memory, table, ring, partial, turn, length, result):
    """Largest of the window; partial results from section ``partial`` on."""
    stay_apart()
    _live_extreme(memory, table, ring, partial, turn, length, True, result)


@njit(error_model="numpy")
def live_min(memory, table, ring, partial, turn, length, result):
    """Smallest of the window; partial results from section ``partial`` on."""
    stay_apart()
    _live_extreme(memory, table, ring, partial, turn, length, False, result)


@njit(error_model="numpy")
def _date(older, older_ages, newer, newer_ages, more, sign, result, ages):
    for lane in range(result.size):
        a, b = older[lane], newer[lane]
        is_newer = sign * b >= sign * a or np.isnan(b)
        age = newer_ages[lane] if is_newer else older_ages[lane] + more
        result[lane] = b if is_newer else a
        ages[lane] = age


@njit(error_model="numpy")
def _live_since(memory, table, ring, partial, turn, length, sign, result):
    stay_apart()
    none = np.zeros(result.size)
    span, section, ages = 1, ring, -1
    while 2 * span <= length:
        _date(
            at(memory, table, section, turn - span),
            none if ages < 0 else at(memory, table, ages, turn - span),
            at(memory, table, section, turn),
            none if ages < 0 else at(memory, table, ages, turn),
            float(span),
            sign,
            at(memory, table, partial, turn),
            at(memory, table, partial + 1, turn),
        )
        section, ages, partial = partial, partial + 1, partial + 2
        span *= 2
    extreme = np.empty(result.size)
    _date(
        at(memory, table, section, turn - (length - span)),
        none if ages < 0 else at(memory, table, ages, turn - (length - span)),
        at(memory, table, section, turn),
        none if ages < 0 else at(memory, table, ages, turn),
        float(length - span),
        sign,
        extreme,
        result,
    )
    for lane in range(result.size):
        result[lane] = np.nan if np.isnan(extreme[lane]) else result[lane]


@njit(error_model="numpy")
def live_since_max(memory, table, ring, partial, turn, length, result):
    """Candles since the newest of the largest values; partial results alternate: extreme, age."""
    stay_apart()
    _live_since(memory, table, ring, partial, turn, length, 1.0, result)


@njit(error_model="numpy")
def live_since_min(memory, table, ring, partial, turn, length, result):
    """Candles since the newest of the smallest values; partial results alternate: extreme, age."""
    stay_apart()
    _live_since(memory, table, ring, partial, turn, length, -1.0, result)


@njit(error_model="numpy")
def live_oldest(memory, table, ring, partial, turn, length, result):  # noqa: ARG001 - called like the others
    """Oldest of the window."""
    stay_apart()
    _copy(at(memory, table, ring, turn - (length - 1)), result)


@njit(error_model="numpy")
def _scale(factor, values, result):
    for lane in range(result.size):
        result[lane] = factor * values[lane]


@njit(error_model="numpy")
def _add_scaled(factor, values, result):
    for lane in range(result.size):
        result[lane] = factor * values[lane] + result[lane]


@njit(error_model="numpy")
def _subtract(values, result):
    for lane in range(result.size):
        result[lane] = result[lane] - values[lane]


@njit(error_model="numpy")
def live_sum_about(memory, table, ring, partial, turn, length, about, result):
    """Sum of the window minus the sum it would have if every value were ``about``: exactly 0 if they all are."""
    stay_apart()
    live_sum(memory, table, ring, partial, turn, length, result)
    sums = np.empty(result.size)
    span = length & -length
    _scale(float(span), about, sums)
    while 2 * span <= length:
        span *= 2
        if length & span:
            _add_scaled(float(span), about, sums)
    _subtract(sums, result)


@njit(error_model="numpy")
def _fill(value, result):
    for lane in range(result.size):
        result[lane] = value


@njit(error_model="numpy")
def _add_deviations(first, second, third, fourth, about, result):
    for lane in range(result.size):
        level = about[lane]
        older = result[lane] + abs(first[lane] - level) + abs(second[lane] - level)
        result[lane] = older + abs(third[lane] - level) + abs(fourth[lane] - level)


@njit(error_model="numpy")
def live_deviations_about(memory, table, ring, partial, turn, length, about, result):  # noqa: ARG001 - called like the others
    """Sum of the window's absolute distances from ``about``."""
    stay_apart()
    _fill(0.0, result)
    for age in range(length - 1, 2, -4):
        rows = _four(memory, table, ring, turn - age)
        _add_deviations(rows[0], rows[1], rows[2], rows[3], about, result)
    for age in range(length % 4 - 1, -1, -1):
        row = at(memory, table, ring, turn - age)
        for lane in range(result.size):
            result[lane] += abs(row[lane] - about[lane])


@njit(error_model="numpy")
def hold(memory, table, turn, replaced, absent):
    """Undo a turn for the lanes that had no candle.

    ``replaced`` float64[sections, absent.size] has the values that the turn overwrote. The rings have moved on all the
    same, so the columns of these lanes are rotated by one row, which keeps their values in order.
    """
    stay_apart()
    for section in range(table.shape[0]):
        first, depth = table[section, 0], table[section, 1]
        for k in range(absent.size):
            lane = absent[k]
            memory[first + turn % depth, lane] = replaced[section, k]
            wrapped = memory[first + depth - 1, lane]
            for row in range(first + depth - 1, first, -1):
                memory[row, lane] = memory[row - 1, lane]
            memory[first, lane] = wrapped
