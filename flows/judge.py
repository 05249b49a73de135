"""The kernels that judge: values in, truths out. Compiled by numba; ``flows.program`` names the columns.

Truth is FALSE 0, UNKNOWN 1, TRUE 2: Kleene's and is the smaller, or the larger, not the distance from 2. A comparison
of numbers that are finite or NaN is ``(a < b) + not (a >= b)``, which is 1 where one of them is NaN. Values that are
not finite are therefore shown to the comparisons as NaN.

``ages`` int64[truths, 2] is what ``for`` and ``within`` remember: steps since the deciding truth (FALSE for ``for``,
TRUE for ``within``) and since UNKNOWN; 0 is the present step.
"""

import numpy as np
from numba import njit

from flows.program import FALSE, NEVER, TRUE, UNKNOWN

_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _CROSSES_ABOVE, _CROSSES_BELOW = range(6)
_ALL, _ANY, _NOT, _AT_LEAST, _FOR, _WITHIN, _EVERY = range(6, 13)
_SLOTS, _CONSTANTS, _ONE_SLOT = range(3)


@njit(cache=True, nogil=True, error_model="numpy")
def remember(now, before, stepping, owners, delays, columns, ring, turns):
    """Take the readings of the series that step, and fill the slots of their delays.

    ``columns`` int64[n, 2] are the readings that are kept: slot, owner; ``ring`` float64[depth, n] and ``turns``
    int64[n] hold them; a row of ``delays`` is slot, column, steps.
    """
    depth = ring.shape[0]
    for c in range(columns.shape[0]):
        if stepping[columns[c, 1]]:
            ring[turns[c] % depth, c] = now[columns[c, 0]]
    for d in range(delays.shape[0]):
        slot, column = delays[d, 0], delays[d, 1]
        if stepping[owners[slot]]:
            before[slot] = now[slot]
            now[slot] = ring[(turns[column] - delays[d, 2]) % depth, column]
    for c in range(columns.shape[0]):
        if stepping[columns[c, 1]]:
            turns[c] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def look(now, before, moving, owners, views, arithmetic, constants):
    """Let the base series that move see what they read of others, and calculate arithmetic."""
    for v in range(views.shape[0]):
        slot = views[v, 0]
        if moving[owners[slot]]:
            before[slot] = now[slot]
            now[slot] = now[views[v, 1]]
    for i in range(arithmetic.shape[0]):
        slot, code, left, right = arithmetic[i, 0], arithmetic[i, 1], arithmetic[i, 2], arithmetic[i, 3]
        if not moving[owners[slot]]:
            continue
        before[slot] = now[slot]
        a = now[left] if left >= 0 else constants[i, 0]
        b = now[right] if right >= 0 else constants[i, 1]
        if code == 0:
            now[slot] = a + b
        elif code == 1:
            now[slot] = a - b
        elif code == 2:
            now[slot] = a * b
        else:
            now[slot] = a / b


@njit(cache=True, nogil=True, error_model="numpy")
def show(values, shown):
    """Copy values; those that are not finite as NaN."""
    for slot in range(values.size):
        value = values[slot]
        shown[slot] = value if abs(value) < np.inf else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def show_candles(values, begin, tile):
    """Copy columns of ``values`` float64[slots, n] from ``begin`` on into the rows of ``tile``, as :func:`show` does.

    A line of the processor's cache holds eight values: eight slots at a time fill whole lines.
    """
    slots = values.shape[0]
    for first in range(0, slots, 8):
        last = min(first + 8, slots)
        for t in range(tile.shape[0]):
            row = tile[t]
            for slot in range(first, last):
                value = values[slot, begin + t]
                row[slot] = value if abs(value) < np.inf else np.nan


@njit(error_model="numpy")
def _less(a, b):
    return (a < b) + (not a >= b)


@njit(error_model="numpy")
def _less_equal(a, b):
    return (a <= b) + (not a > b)


@njit(error_model="numpy")
def _compare_constants(code, values, before, left, constant, first, stop, truth):
    """Slots against constants: each operator has a loop of its own."""
    if code == _LESS:
        for i in range(first, stop):
            truth[i] = _less(values[left[i]], constant[i])
    elif code == _LESS_EQUAL:
        for i in range(first, stop):
            truth[i] = _less_equal(values[left[i]], constant[i])
    elif code == _GREATER:
        for i in range(first, stop):
            truth[i] = _less(constant[i], values[left[i]])
    elif code == _GREATER_EQUAL:
        for i in range(first, stop):
            truth[i] = _less_equal(constant[i], values[left[i]])
    elif code == _CROSSES_ABOVE:
        for i in range(first, stop):
            c = constant[i]
            truth[i] = min(_less(c, values[left[i]]), _less_equal(before[left[i]], c))
    else:
        for i in range(first, stop):
            c = constant[i]
            truth[i] = min(_less(values[left[i]], c), _less_equal(c, before[left[i]]))


@njit(error_model="numpy")
def _compare_one_slot(code, value, value_before, constants, truth):
    """One slot against many constants: plain spans, so that the loops are vectorised."""
    if code == _LESS:
        for i in range(truth.size):
            truth[i] = _less(value, constants[i])
    elif code == _LESS_EQUAL:
        for i in range(truth.size):
            truth[i] = _less_equal(value, constants[i])
    elif code == _GREATER:
        for i in range(truth.size):
            truth[i] = _less(constants[i], value)
    elif code == _GREATER_EQUAL:
        for i in range(truth.size):
            truth[i] = _less_equal(constants[i], value)
    elif code == _CROSSES_ABOVE:
        for i in range(truth.size):
            truth[i] = min(_less(constants[i], value), _less_equal(value_before, constants[i]))
    else:
        for i in range(truth.size):
            truth[i] = min(_less(value, constants[i]), _less_equal(constants[i], value_before))


@njit(error_model="numpy")
def _compare_slots(code, values, before, left, right, first, stop, truth):
    """Slots against slots."""
    if code == _LESS:
        for i in range(first, stop):
            truth[i] = _less(values[left[i]], values[right[i]])
    elif code == _LESS_EQUAL:
        for i in range(first, stop):
            truth[i] = _less_equal(values[left[i]], values[right[i]])
    elif code == _GREATER:
        for i in range(first, stop):
            truth[i] = _less(values[right[i]], values[left[i]])
    elif code == _GREATER_EQUAL:
        for i in range(first, stop):
            truth[i] = _less_equal(values[right[i]], values[left[i]])
    elif code == _CROSSES_ABOVE:
        for i in range(first, stop):
            a, b = left[i], right[i]
            truth[i] = min(_less(values[b], values[a]), _less_equal(before[a], before[b]))
    else:
        for i in range(first, stop):
            a, b = left[i], right[i]
            truth[i] = min(_less(values[a], values[b]), _less_equal(before[b], before[a]))


@njit(error_model="numpy")
def _lasting(deciding, bars, truth, ages, j):
    """``for`` (deciding FALSE) and ``within`` (deciding TRUE) over the last ``bars`` steps."""
    ages[j, 0] = 0 if truth == deciding else ages[j, 0] + 1
    ages[j, 1] = 0 if truth == UNKNOWN else ages[j, 1] + 1
    if ages[j, 0] < bars:
        return deciding
    if ages[j, 1] < bars:
        return UNKNOWN
    return TRUE - deciding


@njit(error_model="numpy")
def _at_least(wanted, children, first, count, truth):
    true = unknown = 0
    for c in range(first, first + count):
        true += truth[children[c]] == TRUE
        unknown += truth[children[c]] == UNKNOWN
    if true >= wanted:
        return TRUE
    return FALSE if true + unknown < wanted else UNKNOWN


@njit(error_model="numpy")
def _compose(code, left, right, number, base, children, moving, ages, first, stop, truth):
    """One kind of composite; what looks back over steps keeps its truth while its base series does not move."""
    if code == _ALL:
        for j in range(first, stop):
            value = truth[children[left[j]]]
            for c in range(left[j] + 1, left[j] + right[j]):
                value = min(value, truth[children[c]])
            truth[j] = value
    elif code == _ANY:
        for j in range(first, stop):
            value = truth[children[left[j]]]
            for c in range(left[j] + 1, left[j] + right[j]):
                value = max(value, truth[children[c]])
            truth[j] = value
    elif code == _NOT:
        for j in range(first, stop):
            truth[j] = TRUE - truth[children[left[j]]]
    elif code == _EVERY:
        for j in range(first, stop):
            truth[j] = truth[children[left[j]]]
    elif code == _AT_LEAST:
        for j in range(first, stop):
            truth[j] = _at_least(number[j], children, left[j], right[j], truth)
    else:
        deciding = FALSE if code == _FOR else TRUE
        for j in range(first, stop):
            if moving[base[j]]:
                truth[j] = _lasting(deciding, number[j], truth[children[left[j]]], ages, j)


@njit(cache=True, nogil=True, error_model="numpy")
def judge(now, before, moving, runs, left, right, constant, number, base, children, ages, truth):
    """Truths of one candle, run by run. ``now`` and ``before`` are the slots' values on it and one step before, as
    :func:`show` gives them."""
    for r in range(runs.shape[0]):
        code, form, first, stop, slot = runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3], runs[r, 4]
        if code >= _ALL:
            _compose(code, left, right, number, base, children, moving, ages, first, stop, truth)
        elif form == _ONE_SLOT:
            _compare_one_slot(code, now[slot], before[slot], constant[first:stop], truth[first:stop])
        elif form == _CONSTANTS:
            _compare_constants(code, now, before, left, constant, first, stop, truth)
        else:
            _compare_slots(code, now, before, left, right, first, stop, truth)


@njit(error_model="numpy")
def _count_edges(truth, previous, momentary):
    count = 0
    if momentary:
        for i in range(truth.size):
            count += truth[i] == TRUE
    else:
        for i in range(truth.size):
            count += (truth[i] == TRUE) & (previous[i] == FALSE)
    return count


@njit(error_model="numpy")
def _fire_one_by_one(truth, roots, momentary, bases, moving, previous, fired, count, first, stop):
    for c in range(first, stop):
        # Every index is written, and stays if it fired: nobody can predict a branch on truths.
        moves, value = moving[bases[c]], truth[roots[c]]
        fired[count] = c
        count += moves & (value == TRUE) & (momentary[c] | (previous[c] == FALSE))
        previous[c] = value if moves else previous[c]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def fire(truth, stretches, roots, momentary, bases, moving, previous, fired):
    """Which conditions of the base series that move fire: their number; ``fired`` takes their rows, and needs room for
    one more.

    A row of ``stretches`` is first row, one past the last, and base series or -1. The rows of a stretch with a base
    have that base, consecutive truths, and are all momentary or all not.
    """
    count = 0
    for s in range(stretches.shape[0]):
        first, stop, base = stretches[s, 0], stretches[s, 1], stretches[s, 2]
        if base < 0:
            count = _fire_one_by_one(
                truth, roots, momentary, bases, moving, previous, fired, count, first, stop
            )  # fmt: skip
        elif moving[base]:
            now, was = truth[roots[first] : roots[first] + stop - first], previous[first:stop]
            if _count_edges(now, was, momentary[first]):
                for i in range(now.size):
                    if now[i] == TRUE and (momentary[first] or was[i] == FALSE):
                        fired[count] = first + i
                        count += 1
            for i in range(now.size):
                was[i] = now[i]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def forget(ages, bases, base):
    """A step of a base series is missing: whatever is older is unknown."""
    for j in range(bases.size):
        if bases[j] == base:
            ages[j, 0] = NEVER
            ages[j, 1] = 0


@njit(cache=True, nogil=True, error_model="numpy")
def judge_history(
    values, adjacent, first_row, base, moving, stretches, roots, momentary, bases, previous,
    runs, left, right, constant, number, truth_bases, children, ages, truth, fired_rows, fired_conditions,
):  # fmt: skip
    """Judge ``values`` row by row from ``first_row`` on; row ``first_row - 1`` is the candle before.

    Values that are not finite are NaN. ``adjacent[t]`` says whether row ``t`` is one step after row ``t - 1``; where it
    is not, the step before is missing. ``previous`` holds the conditions' truths of the row before and is moved along,
    as ``ages`` are. Stops when the space for what fired could overflow. Returns (row to go on from, how many fired).
    """
    nothing = np.full(values.shape[1], np.nan)
    count = 0
    for t in range(first_row, values.shape[0]):
        if count + roots.size >= fired_rows.size:
            return t, count
        if not adjacent[t]:
            forget(ages, truth_bases, base)
            previous[:] = UNKNOWN
        before = values[t - 1] if adjacent[t] else nothing
        judge(
            values[t], before, moving, runs, left, right, constant, number, truth_bases, children, ages, truth
        )  # fmt: skip
        found = fire(truth, stretches, roots, momentary, bases, moving, previous, fired_conditions[count:])
        fired_rows[count : count + found] = t
        count += found
    return values.shape[0], count
