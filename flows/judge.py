"""The kernels that judge: values in, truths out. Compiled by numba; ``flows.plan.Program`` names the arrays.

Truth is FALSE 0, UNKNOWN 1, TRUE 2: Kleene's and is the smaller, or the larger, not the distance from 2.
"""

import numpy as np
from numba import njit

FALSE, UNKNOWN, TRUE = 0, 1, 2

_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _CROSSES_ABOVE, _CROSSES_BELOW = range(6)
_ALL, _ANY = 0, 1


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(code, a, b):
    # a - a is NaN for a NaN and for an infinity: the only test that is needed for "not finite".
    if not (a - a == 0.0 and b - b == 0.0):
        return UNKNOWN
    if code == _LESS:
        return TRUE if a < b else FALSE
    if code == _LESS_EQUAL:
        return TRUE if a <= b else FALSE
    if code == _GREATER:
        return TRUE if a > b else FALSE
    return TRUE if a >= b else FALSE


@njit(cache=True, nogil=True, error_model="numpy")
def judge(now, before, segments, left, right, constants, kinds, starts, children, truth):
    """Truths of one candle. ``now`` and ``before`` are the slots' values on it and one step before."""
    for s in range(segments.shape[0]):
        code, constant, start, stop = segments[s, 0], segments[s, 1], segments[s, 2], segments[s, 3]
        if code in (_CROSSES_ABOVE, _CROSSES_BELOW):
            beyond = _GREATER if code == _CROSSES_ABOVE else _LESS
            up_to = _LESS_EQUAL if code == _CROSSES_ABOVE else _GREATER_EQUAL
            for i in range(start, stop):
                b = constants[i] if constant else now[right[i]]
                b_before = constants[i] if constant else before[right[i]]
                truth[i] = min(_compare(beyond, now[left[i]], b), _compare(up_to, before[left[i]], b_before))
        else:
            for i in range(start, stop):
                truth[i] = _compare(code, now[left[i]], constants[i] if constant else now[right[i]])
    leaves = left.size
    for j in range(kinds.size):
        first, last = starts[j], starts[j + 1]
        value = truth[children[first]]
        if kinds[j] == _ALL:
            for c in range(first + 1, last):
                value = min(value, truth[children[c]])
        elif kinds[j] == _ANY:
            for c in range(first + 1, last):
                value = max(value, truth[children[c]])
        else:
            value = TRUE - value
        truth[leaves + j] = value


@njit(cache=True, nogil=True, error_model="numpy")
def judge_history(
    values,
    adjacent,
    first_row,
    roots,
    momentary,
    previous,
    segments,
    left,
    right,
    constants,
    kinds,
    starts,
    children,
    truth,
    fired_rows,
    fired_conditions,
):
    """Judge ``values[1:]`` row by row from ``first_row`` on; row 0 is the candle before them.

    ``adjacent[t]`` says whether row ``t`` is one step after row ``t - 1``; where it is not, the step before is missing.
    ``previous`` holds the conditions' truths of the row before and is moved along. Stops when the space for what fired
    could overflow. Returns (the row to go on from, how many fired).
    """
    nothing = np.full(values.shape[1], np.nan)
    count = 0
    for t in range(first_row, values.shape[0]):
        if count + roots.size > fired_rows.size:
            return t, count
        before = values[t - 1] if adjacent[t] else nothing
        judge(values[t], before, segments, left, right, constants, kinds, starts, children, truth)
        for c in range(roots.size):
            now = truth[roots[c]]
            was = previous[c] if adjacent[t] else UNKNOWN
            if now == TRUE and (momentary[c] or was == FALSE):
                fired_rows[count] = t
                fired_conditions[count] = c
                count += 1
            previous[c] = now
    return values.shape[0], count
