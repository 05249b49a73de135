"""The kernels that judge: values in, truths out. Compiled by numba; ``flows.program`` names the arrays.

Truth is FALSE 0, UNKNOWN 1, TRUE 2: Kleene's and is the smaller, or the larger, not the distance from 2.

``ages`` int64[composites, 2] is what ``for`` and ``within`` remember: steps since the deciding truth (FALSE for
``for``, TRUE for ``within``) and since UNKNOWN; 0 is the present step.
"""

import numpy as np
from numba import njit

from flows.program import FALSE, NEVER, TRUE, UNKNOWN

_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _CROSSES_ABOVE, _CROSSES_BELOW = range(6)
_ALL, _ANY, _NOT, _AT_LEAST, _FOR, _WITHIN, _EVERY = range(7)


@njit(cache=True, nogil=True, error_model="numpy")
def calculate(now, slots, codes, left, left_constants, right, right_constants):
    """Fill the arithmetic slots of one candle, in order."""
    for i in range(slots.size):
        a = now[left[i]] if left[i] >= 0 else left_constants[i]
        b = now[right[i]] if right[i] >= 0 else right_constants[i]
        if codes[i] == 0:
            now[slots[i]] = a + b
        elif codes[i] == 1:
            now[slots[i]] = a - b
        elif codes[i] == 2:
            now[slots[i]] = a * b
        else:
            now[slots[i]] = a / b


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
def _lasting(deciding, bars, truth, ages, j):
    """``for`` (deciding FALSE) and ``within`` (deciding TRUE) over the last ``bars`` steps."""
    ages[j, 0] = 0 if truth == deciding else ages[j, 0] + 1
    ages[j, 1] = 0 if truth == UNKNOWN else ages[j, 1] + 1
    if ages[j, 0] < bars:
        return deciding
    if ages[j, 1] < bars:
        return UNKNOWN
    return TRUE - deciding


@njit(cache=True, nogil=True, error_model="numpy")
def judge(now, before, moving, segments, left, right, constants, kinds, numbers, bases, starts, children, ages, truth):
    """Truths of one candle. ``now`` and ``before`` are the slots' values on it and one step before; composites of base
    series that are not ``moving`` keep their truths and ages."""
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
        if not moving[bases[j]]:
            continue
        first, last, kind = starts[j], starts[j + 1], kinds[j]
        value = truth[children[first]]
        if kind == _ALL:
            for c in range(first + 1, last):
                value = min(value, truth[children[c]])
        elif kind == _ANY:
            for c in range(first + 1, last):
                value = max(value, truth[children[c]])
        elif kind == _NOT:
            value = TRUE - value
        elif kind == _AT_LEAST:
            true = unknown = 0
            for c in range(first, last):
                true += truth[children[c]] == TRUE
                unknown += truth[children[c]] == UNKNOWN
            if true >= numbers[j]:
                value = TRUE
            elif true + unknown < numbers[j]:
                value = FALSE
            else:
                value = UNKNOWN
        elif kind == _FOR:
            value = _lasting(FALSE, numbers[j], value, ages, j)
        elif kind == _WITHIN:
            value = _lasting(TRUE, numbers[j], value, ages, j)
        truth[leaves + j] = value


@njit(cache=True, nogil=True, error_model="numpy")
def forget(ages, bases, base):
    """A step of a base series is missing: whatever is older is unknown."""
    for j in range(bases.size):
        if bases[j] == base:
            ages[j, 0] = NEVER
            ages[j, 1] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def judge_history(
    values,
    adjacent,
    first_row,
    base,
    moving,
    roots,
    momentary,
    previous,
    segments,
    left,
    right,
    constants,
    kinds,
    numbers,
    bases,
    starts,
    children,
    ages,
    truth,
    fired_rows,
    fired_conditions,
):
    """Judge ``values`` row by row from ``first_row`` on; row ``first_row - 1`` is the candle before.

    ``adjacent[t]`` says whether row ``t`` is one step after row ``t - 1``; where it is not, the step before is missing.
    ``previous`` holds the conditions' truths of the row before and is moved along, as ``ages`` are. Stops when the
    space for what fired could overflow. Returns (the row to go on from, how many fired).
    """
    nothing = np.full(values.shape[1], np.nan)
    count = 0
    for t in range(first_row, values.shape[0]):
        if count + roots.size > fired_rows.size:
            return t, count
        if not adjacent[t]:
            forget(ages, bases, base)
        before = values[t - 1] if adjacent[t] else nothing
        judge(
            values[t], before, moving, segments, left, right, constants, kinds, numbers, bases, starts, children, ages,
            truth,
        )  # fmt: skip
        for c in range(roots.size):
            now = truth[roots[c]]
            was = previous[c] if adjacent[t] else UNKNOWN
            if now == TRUE and (momentary[c] or was == FALSE):
                fired_rows[count] = t
                fired_conditions[count] = c
                count += 1
            previous[c] = now
    return values.shape[0], count
