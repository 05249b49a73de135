"""The kernels that judge many candles at once: truth by truth, each over a block of candles.

``engine.judging_kernels`` says what truths are and how values are compared; these give the same truths. A tick has one
candle of many series, and its memory is read once; a history has many candles of few slots, and a truth that is judged
over all of them in one loop reads values that are contiguous.

``truth`` uint8[truths, n + 1] has the candle before the block in its first column. ``adjacent[t]`` says whether candle
``t`` is one step after the one before it; if not, that step is missing, and everything older is UNKNOWN.
"""

import numpy as np
from numba import njit

from engine.judging_kernels import known, less, less_equal
from engine.program import (
    ALL,
    ANY,
    AT_LEAST,
    BEFORE,
    COMPOSITES,
    EVERY,
    FALSE,
    FOR,
    NEVER,
    NOT,
    ONE_SLOT,
    SLOTS,
    TRUE,
    UNKNOWN,
)

_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _CROSSES_ABOVE, _CROSSES_BELOW = range(6)
_EIGHT = 8
"""Candles that are checked at once for whether a condition fires on any of them: bytes of a word."""


@njit(error_model="numpy")
def _show(values, shown):
    """Copy values, with NaN for those that are not finite."""
    for t in range(shown.size):
        shown[t] = known(values[t])


@njit(error_model="numpy")
def _compare_constant(code, values, constant, adjacent, truth):
    """A slot against a constant; ``values`` float64[n + 1] begins with the candle before."""
    now, before = values[1:], values[:-1]
    if code == _LESS:
        for t in range(truth.size):
            truth[t] = less(now[t], constant)
    elif code == _LESS_EQUAL:
        for t in range(truth.size):
            truth[t] = less_equal(now[t], constant)
    elif code == _GREATER:
        for t in range(truth.size):
            truth[t] = less(constant, now[t])
    elif code == _GREATER_EQUAL:
        for t in range(truth.size):
            truth[t] = less_equal(constant, now[t])
    elif code == _CROSSES_ABOVE:
        for t in range(truth.size):
            earlier = less_equal(before[t], constant) if adjacent[t] else UNKNOWN
            truth[t] = min(less(constant, now[t]), earlier)
    else:
        for t in range(truth.size):
            earlier = less_equal(constant, before[t]) if adjacent[t] else UNKNOWN
            truth[t] = min(less(now[t], constant), earlier)


@njit(error_model="numpy")
def _compare_slots(code, left, right, adjacent, truth):
    """A slot against a slot; both float64[n + 1] begin with the candle before."""
    a, b = left[1:], right[1:]
    a_before, b_before = left[:-1], right[:-1]
    if code == _LESS:
        for t in range(truth.size):
            truth[t] = less(a[t], b[t])
    elif code == _LESS_EQUAL:
        for t in range(truth.size):
            truth[t] = less_equal(a[t], b[t])
    elif code == _GREATER:
        for t in range(truth.size):
            truth[t] = less(b[t], a[t])
    elif code == _GREATER_EQUAL:
        for t in range(truth.size):
            truth[t] = less_equal(b[t], a[t])
    elif code == _CROSSES_ABOVE:
        for t in range(truth.size):
            earlier = less_equal(a_before[t], b_before[t]) if adjacent[t] else UNKNOWN
            truth[t] = min(less(b[t], a[t]), earlier)
    else:
        for t in range(truth.size):
            earlier = less_equal(b_before[t], a_before[t]) if adjacent[t] else UNKNOWN
            truth[t] = min(less(a[t], b[t]), earlier)


@njit(error_model="numpy")
def _at_least(truth, children, wanted, result):
    for t in range(result.size):
        true = possible = 0
        for child in children:
            value = truth[child, t + 1]
            true += value == TRUE
            possible += value != FALSE
        result[t] = (true >= wanted) + (possible >= wanted)


@njit(error_model="numpy")
def _lasting(deciding, bars, adjacent, child, ages, result):
    """``for`` (deciding FALSE) and ``within`` (deciding TRUE) over the last ``bars`` steps."""
    decided, unknown = int(ages[0]), int(ages[1])
    for t in range(result.size):
        if not adjacent[t]:
            decided, unknown = NEVER, 0
        decided = 0 if child[t] == deciding else decided + (decided < NEVER)
        unknown = 0 if child[t] == UNKNOWN else unknown + (unknown < NEVER)
        otherwise = UNKNOWN if unknown < bars else TRUE - deciding
        result[t] = deciding if decided < bars else otherwise
    ages[0], ages[1] = decided, unknown


@njit(error_model="numpy")
def _one_step_before(adjacent, child, ages, result):
    """``before``."""
    last = int(ages[0])
    for t in range(result.size):
        if not adjacent[t]:
            last = NEVER
        result[t] = UNKNOWN if last == NEVER else last
        last = int(child[t])
    ages[0] = last


@njit(error_model="numpy")
def _compose(code, children, number, adjacent, ages, truth, result):
    """One composite."""
    first = truth[children[0], 1:]
    if code == FOR:
        _lasting(FALSE, number, adjacent, first, ages, result)
    elif code == BEFORE:
        _one_step_before(adjacent, first, ages, result)
    elif code == NOT:
        for t in range(result.size):
            result[t] = TRUE - first[t]
    elif code == AT_LEAST:
        _at_least(truth, children, number, result)
    elif code in (ALL, ANY, EVERY):
        for t in range(result.size):
            result[t] = first[t]
        for child in children[1:]:
            other = truth[child, 1:]
            if code == ALL:
                for t in range(result.size):
                    result[t] = min(result[t], other[t])
            else:
                for t in range(result.size):
                    result[t] = max(result[t], other[t])
    else:
        _lasting(TRUE, number, adjacent, first, ages, result)


@njit(cache=True, nogil=True, error_model="numpy")
def judge_block(values, begin, adjacent, runs, left, right, constant, number, children, ages, truth):
    """Judge the candles in the columns of ``values`` that follow column ``begin``, which is the candle before, as many
    as ``adjacent`` has; other arguments are those of :func:`engine.judging_kernels.judge`.

    ``truth`` has the truths of the candle before in its first column, and is filled from the second on.
    """
    stop = begin + adjacent.size + 1
    one, other = np.empty(adjacent.size + 1), np.empty(adjacent.size + 1)
    for r in range(runs.shape[0]):
        code, form, first, last, more = runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3], runs[r, 4]
        shown = -1
        for i in range(first, last):
            result = truth[i, 1:]
            if form == COMPOSITES:
                below = children[left[i] : left[i] + more]
                _compose(code, below, number[i], adjacent, ages[i], truth, result)
                continue
            slot = int(more) if form == ONE_SLOT else int(left[i])
            # Truths that read the same slot follow one another.
            if slot != shown:
                _show(values[slot, begin:stop], one)
                shown = slot
            if form == SLOTS:
                _show(values[right[i], begin:stop], other)
                _compare_slots(code, one, other, adjacent, result)
            else:
                _compare_constant(code, one, constant[i], adjacent, result)


@njit(error_model="numpy")
def _fire(truth, adjacent, momentary, fires):
    """Whether a condition with these truths fires: uint8[n]."""
    now, before = truth[1:], truth[:-1]
    if momentary:
        for t in range(fires.size):
            fires[t] = now[t] == TRUE
    else:
        for t in range(fires.size):
            fires[t] = (now[t] == TRUE) & (before[t] == FALSE) & adjacent[t]


@njit(cache=True, nogil=True, error_model="numpy")
def count_firings(truth, adjacent, roots, momentary, counts):
    """How many conditions fire on each candle of a block that :func:`judge_block` has judged: int32[n]."""
    fires = np.empty(counts.size, np.uint8)
    counts[:] = 0
    for c in range(roots.size):
        _fire(truth[roots[c]], adjacent, momentary[c], fires)
        for t in range(counts.size):
            counts[t] += fires[t]


@njit(cache=True, nogil=True, error_model="numpy")
def list_firings(truth, adjacent, roots, momentary, places, first_row, rows, conditions):
    """Write the row and the condition of each firing, in the order of rows and of ``roots``.

    ``places`` int64[n] says for each candle where its first firing belongs, and is moved on behind its last.
    """
    fires = np.zeros(-(-places.size // _EIGHT) * _EIGHT, np.uint8)
    eights = fires.view(np.uint64)
    for c in range(roots.size):
        _fire(truth[roots[c]], adjacent, momentary[c], fires[: places.size])
        for eight in range(eights.size):
            # Few conditions fire on any of eight candles.
            if eights[eight]:
                for t in range(eight * _EIGHT, (eight + 1) * _EIGHT):
                    if fires[t]:
                        rows[places[t]], conditions[places[t]] = first_row + t, c
                        places[t] += 1
