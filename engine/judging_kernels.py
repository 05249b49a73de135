"""The kernels that judge: values in, truths out. Compiled by numba; ``engine.program`` describes the columns.

A truth is FALSE 0, UNKNOWN 1 or TRUE 2: Kleene's *and* is the minimum, *or* the maximum, *not* the distance from 2. A
comparison of numbers that are finite or NaN is ``(a < b) + not (a >= b)``, which is 1 if one of them is NaN. Values
that are not finite are therefore shown to the comparisons as NaN.

``ages`` uint16[truths, 2] is what ``for`` and ``within`` remember: the number of steps since the deciding truth (FALSE
for ``for``, TRUE for ``within``) and since UNKNOWN, at most ``NEVER``; 0 is the present step. ``before`` remembers in
the first of them the truth of its child on the present step, ``NEVER`` if there was none.

``run_states`` int64[runs, 4] is what runs of one slot remember. Their constants are in order, so a value lies between
two of them; those below it have one truth and those above it another. When the value moves, only the truths of the
constants that it passes change. A row has the value's place (how many constants are below it), the stretch of the run's
truths that is TRUE (or was, for crossings), and its status: ``_UNSET``, ``_KNOWN``, or ``_UNKNOWN`` if all truths are
UNKNOWN. Truths that changed are listed for :func:`fire`.
"""

import numpy as np
from numba import njit

from engine.program import FALSE, NEVER, TRUE, UNKNOWN
from indicators.kernels.intrinsics import borrowed, prefetch

_ADD, _SUBTRACT, _MULTIPLY, _DIVIDE, _ABS, _MIN, _MAX = range(7)
_LESS, _LESS_EQUAL, _GREATER, _GREATER_EQUAL, _CROSSES_ABOVE, _CROSSES_BELOW = range(6)
_ALL, _ANY, _NOT, _AT_LEAST, _FOR, _WITHIN, _EVERY, _BEFORE = range(6, 14)
_SLOTS, _CONSTANTS, _ONE_SLOT, _COMPOSITES = range(4)
_INCLUSIVE = (_LESS, _GREATER_EQUAL, _CROSSES_BELOW)
"""Operators for which a constant that equals the value counts as below it."""
_UNSET, _KNOWN, _UNKNOWN = range(3)
_WINDOW = 8
"""Constants around a value that are compared at once; a run of one slot has at least this many."""
_AHEAD = 16
"""How many runs or changes ahead memory is prefetched: it is scattered, and a tick finds the caches cold."""
_BLOCK = 32
"""Conditions that are checked at once for whether any of them fires."""


@njit(cache=True, nogil=True, error_model="numpy")
def remember(now, before, stepping, owners, delays, columns, ring, turns):
    """Store the readings of the series that step, and fill the slots of their delays.

    ``columns`` int64[n, 2] are the readings that are kept: slot, owner; ``ring`` float64[depth, n] and ``turns``
    int64[n] have their values; a row of ``delays`` is slot, column, steps.
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


@njit(error_model="numpy")
def _calculate(code, left, right):
    """Arithmetic as in the tick program; NaN where a side or the result is not finite."""
    if code == _ADD:
        result = left + right
    elif code == _SUBTRACT:
        result = left - right
    elif code == _MULTIPLY:
        result = left * right
    elif code == _DIVIDE:
        result = left / right
    elif code == _ABS:
        result = abs(left)
    elif code == _MIN:
        result = left if left <= right else right
    else:
        result = left if left >= right else right
    is_known = (abs(left) < np.inf) & (abs(right) < np.inf) & (abs(result) < np.inf)
    return result if is_known else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def look(now, before, moving, owners, views, arithmetic, constants):
    """Update what the moving base series see of others, and calculate arithmetic: NaN at once where an operand or the
    result is not finite, so that nothing finite comes of it again."""
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
        now[slot] = _calculate(code, a, b)


@njit(error_model="numpy")
def known(value):
    """A value as comparisons see it: NaN if it is not finite."""
    return value if abs(value) < np.inf else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def show(values, shown):
    """Copy values, with NaN for those that are not finite."""
    for slot in range(values.size):
        shown[slot] = known(values[slot])


@njit(error_model="numpy")
def less(a, b):
    """The truth of ``a < b``, of numbers that are finite or NaN."""
    return (a < b) + (not a >= b)


@njit(error_model="numpy")
def less_equal(a, b):
    """The truth of ``a <= b``, of numbers that are finite or NaN."""
    return (a <= b) + (not a > b)


@njit(error_model="numpy")
def _compare_constants(code, values, before, left, constant, first, stop, truth):
    """Slots against constants: each operator has a loop of its own."""
    if code == _LESS:
        for i in range(first, stop):
            truth[i] = less(values[left[i]], constant[i])
    elif code == _LESS_EQUAL:
        for i in range(first, stop):
            truth[i] = less_equal(values[left[i]], constant[i])
    elif code == _GREATER:
        for i in range(first, stop):
            truth[i] = less(constant[i], values[left[i]])
    elif code == _GREATER_EQUAL:
        for i in range(first, stop):
            truth[i] = less_equal(constant[i], values[left[i]])
    elif code == _CROSSES_ABOVE:
        for i in range(first, stop):
            c = constant[i]
            truth[i] = min(less(c, values[left[i]]), less_equal(before[left[i]], c))
    else:
        for i in range(first, stop):
            c = constant[i]
            truth[i] = min(less(values[left[i]], c), less_equal(c, before[left[i]]))


@njit(error_model="numpy")
def _count_below(constants, value, place):
    """How many of the sorted constants are below a value, searched from ``place`` in growing steps."""
    low, high, reach = place, place, 1
    if place < constants.size and constants[place] < value:
        low, high = place + 1, place + 1
        while high < constants.size and constants[high] < value:
            low, high, reach = high + 1, high + reach, 2 * reach
        high = min(high, constants.size)
    else:
        while low > 0 and not constants[low - 1] < value:
            high, low, reach = low - 1, max(0, low - reach), 2 * reach
    while low < high:
        middle = (low + high) >> 1
        if constants[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(error_model="numpy")
def _count_up_to(constants, value, place):
    """How many of the sorted constants are not above a value."""
    count = _count_below(constants, value, place)
    # They are all different.
    return count + (count < constants.size and constants[count] == value)


@njit(error_model="numpy")
def _fill(truth, first, stop, value):
    for i in range(first, stop):
        truth[i] = value


@njit(error_model="numpy")
def _compare_one_slot(code, value, value_before, constants, truth):
    """One slot against many constants, one after another."""
    if code == _LESS:
        for i in range(truth.size):
            truth[i] = less(value, constants[i])
    elif code == _LESS_EQUAL:
        for i in range(truth.size):
            truth[i] = less_equal(value, constants[i])
    elif code == _GREATER:
        for i in range(truth.size):
            truth[i] = less(constants[i], value)
    elif code == _GREATER_EQUAL:
        for i in range(truth.size):
            truth[i] = less_equal(constants[i], value)
    elif code == _CROSSES_ABOVE:
        for i in range(truth.size):
            truth[i] = min(less(constants[i], value), less_equal(value_before, constants[i]))
    else:
        for i in range(truth.size):
            truth[i] = min(less(value, constants[i]), less_equal(constants[i], value_before))


@njit(error_model="numpy", inline="always")
def _list(changed, count, first, stop):
    """List a stretch of truths that may have changed, unless it is empty."""
    changed[count, 0], changed[count, 1] = first, stop
    return count + (first < stop)


@njit(error_model="numpy", inline="always")
def _true_stretch(code, size, place, place_before):
    """Which of the sorted constants have the truth TRUE: first, one past the last. An empty stretch is where the value
    was."""
    if code <= _LESS_EQUAL:
        return place, size
    if code <= _GREATER_EQUAL:
        return 0, place
    if code == _CROSSES_ABOVE:
        return place_before, max(place, place_before)
    return min(place, place_before), place_before


@njit(error_model="numpy")
def _move_far(code, value, before, constants, truth, run_state, first, changed, count):
    """Judge a run of one slot, however far the value has moved; returns how many changes are listed."""
    is_crossing = code >= _CROSSES_ABOVE
    if np.isnan(value) or (is_crossing and np.isnan(before)):
        if run_state[3] != _UNKNOWN or is_crossing:
            _compare_one_slot(code, value, before, constants, truth)
            count = _list(changed, count, first, first + truth.size)
            run_state[3] = _UNSET if is_crossing else _UNKNOWN
        return count
    place_before = run_state[0]
    if code in _INCLUSIVE:
        if is_crossing:
            place_before = _count_up_to(constants, before, place_before)
        place = _count_up_to(constants, value, place_before)
    else:
        if is_crossing:
            place_before = _count_below(constants, before, place_before)
        place = _count_below(constants, value, place_before)
    true_first, true_stop = _true_stretch(code, truth.size, place, place_before)
    low, high = 0, truth.size
    if run_state[3] != _KNOWN:
        _fill(truth, low, high, FALSE)
        _fill(truth, true_first, true_stop, TRUE)
    elif is_crossing:
        low, high = min(run_state[1], true_first), max(run_state[2], true_stop)
        _fill(truth, low, high, FALSE)
        _fill(truth, true_first, true_stop, TRUE)
    else:
        low, high = min(run_state[0], place), max(run_state[0], place)
        _fill(truth, low, high, FALSE)
        _fill(truth, max(low, true_first), min(high, true_stop), TRUE)
    run_state[0], run_state[1], run_state[2], run_state[3] = place, true_first, true_stop, _KNOWN
    return _list(changed, count, first + low, first + high)


@njit(error_model="numpy", inline="always")
def _move(code, value, before, constant, first, stop, truth, run_states, run, changed, count):
    """Judge a run of one slot by the value's place among its constants; returns how many changes are listed.

    A value mostly passes few constants or none: those around it are compared at once, without a branch on how many.
    """
    is_crossing = code >= _CROSSES_ABOVE
    size, place_before = stop - first, run_states[run, 0]
    begin = max(0, min(place_before - _WINDOW // 2, size - _WINDOW))
    around = np.uint64(first + begin)
    near = near_before = 0
    if code in _INCLUSIVE:
        for i in range(_WINDOW):
            near += constant[around + np.uint64(i)] <= value
            near_before += constant[around + np.uint64(i)] <= before
    else:
        for i in range(_WINDOW):
            near += constant[around + np.uint64(i)] < value
            near_before += constant[around + np.uint64(i)] < before
    is_near = (run_states[run, 3] == _KNOWN) & (not np.isnan(value))
    is_near &= ((near > 0) | (begin == 0)) & ((near < _WINDOW) | (begin + _WINDOW == size))
    if is_crossing:
        # The truths that were TRUE one step before are within the window too.
        is_near &= (near_before == place_before - begin) & (not np.isnan(before))
        is_near &= (run_states[run, 1] >= begin) & (run_states[run, 2] <= begin + _WINDOW)
    if is_near:
        place = begin + near
        true_first, true_stop = _true_stretch(code, size, place, place_before)
        low, high = min(place_before, place), max(place_before, place)
        if is_crossing:
            low, high = min(run_states[run, 1], true_first), max(run_states[run, 2], true_stop)
        for i in range(_WINDOW):
            truth[around + np.uint64(i)] = TRUE * ((begin + i >= true_first) & (begin + i < true_stop))
        run_states[run, 0], run_states[run, 1], run_states[run, 2] = place, true_first, true_stop
        count = _list(changed, count, first + low, first + high)
    else:
        count = _move_far(
            code, value, before, constant[first:stop], truth[first:stop], run_states[run], first, changed, count
        )  # fmt: skip
    return count


@njit(error_model="numpy")
def _compare_slots(code, values, before, left, right, truth):
    """Slots against slots."""
    if code == _LESS:
        for i in range(truth.size):
            truth[i] = less(values[left[i]], values[right[i]])
    elif code == _LESS_EQUAL:
        for i in range(truth.size):
            truth[i] = less_equal(values[left[i]], values[right[i]])
    elif code == _GREATER:
        for i in range(truth.size):
            truth[i] = less(values[right[i]], values[left[i]])
    elif code == _GREATER_EQUAL:
        for i in range(truth.size):
            truth[i] = less_equal(values[right[i]], values[left[i]])
    elif code == _CROSSES_ABOVE:
        for i in range(truth.size):
            a, b = left[i], right[i]
            now, earlier = less(values[b], values[a]), less_equal(before[a], before[b])
            truth[i] = now if now < earlier else earlier
    else:
        for i in range(truth.size):
            a, b = left[i], right[i]
            now, earlier = less(values[a], values[b]), less_equal(before[b], before[a])
            truth[i] = now if now < earlier else earlier


@njit(error_model="numpy")
def _all(truth, children, count, result):
    if count == 2:
        for j in range(result.size):
            a, b = truth[children[2 * j]], truth[children[2 * j + 1]]
            result[j] = a if a < b else b
    else:
        for j in range(result.size):
            value = truth[children[count * j]]
            for c in range(1, count):
                other = truth[children[count * j + c]]
                value = value if value < other else other
            result[j] = value


@njit(error_model="numpy")
def _any(truth, children, count, result):
    if count == 2:
        for j in range(result.size):
            a, b = truth[children[2 * j]], truth[children[2 * j + 1]]
            result[j] = a if a > b else b
    else:
        for j in range(result.size):
            value = truth[children[count * j]]
            for c in range(1, count):
                other = truth[children[count * j + c]]
                value = value if value > other else other
            result[j] = value


@njit(error_model="numpy")
def _at_least(truth, children, count, wanted, result):
    for j in range(result.size):
        true = possible = 0
        for c in range(count):
            value = truth[children[count * j + c]]
            true += value == TRUE
            possible += value != FALSE
        result[j] = (true >= wanted[j]) + (possible >= wanted[j])


@njit(error_model="numpy")
def _lasting(deciding, bars, bases, moving, truth, children, ages, result):
    """``for`` (deciding FALSE) and ``within`` (deciding TRUE) over the last ``bars`` steps. Truths of base series that
    do not move stay as they are."""
    for j in range(result.size):
        if moving[bases[j]]:
            value = truth[children[j]]
            decided = np.int64(0) if value == deciding else np.int64(ages[j, 0]) + (ages[j, 0] < NEVER)
            unknown = np.int64(0) if value == UNKNOWN else np.int64(ages[j, 1]) + (ages[j, 1] < NEVER)
            ages[j, 0], ages[j, 1] = decided, unknown
            otherwise = UNKNOWN if unknown < bars[j] else TRUE - deciding
            result[j] = deciding if decided < bars[j] else otherwise


@njit(error_model="numpy")
def _one_step_before(bases, moving, truth, children, ages, result):
    """``before``. Truths of base series that do not move stay as they are."""
    for j in range(result.size):
        if moving[bases[j]]:
            result[j] = UNKNOWN if ages[j, 0] == NEVER else ages[j, 0]
            ages[j, 0] = truth[children[j]]


@njit(error_model="numpy")
def _compose(code, count, number, bases, moving, children, ages, truth, result):
    """Composites of one kind with the same number of children, which are contiguous."""
    if code == _ALL:
        _all(truth, children, count, result)
    elif code == _ANY:
        _any(truth, children, count, result)
    elif code == _NOT:
        for j in range(result.size):
            result[j] = TRUE - truth[children[j]]
    elif code == _EVERY:
        for j in range(result.size):
            result[j] = truth[children[j]]
    elif code == _AT_LEAST:
        if count == 3:
            _at_least(truth, children, 3, number, result)
        else:
            _at_least(truth, children, count, number, result)
    elif code == _BEFORE:
        _one_step_before(bases, moving, truth, children, ages, result)
    else:
        _lasting(FALSE if code == _FOR else TRUE, number, bases, moving, truth, children, ages, result)


@njit(cache=True, nogil=True, error_model="numpy")
def judge(
    now, before, moving, runs, left, right, constant, number, base, children, ages, run_states, truth, changed
):  # fmt: skip
    """Judge one candle, run by run. ``now`` and ``before`` are the slots' values on it and one step before, as
    :func:`show` copies them.

    Returns how many rows of ``changed`` it filled with truths of runs of one slot that may have changed: first, one
    past the last, in order. Truths of crossings that are TRUE are always among them. ``changed`` needs two rows for
    each run and one more.
    """
    left, right, number, base, children = (
        borrowed(left), borrowed(right), borrowed(number), borrowed(base), borrowed(children),
    )  # fmt: skip
    constant, truth, run_states, ages = borrowed(constant), borrowed(truth), borrowed(run_states), borrowed(ages)
    listed = 0
    for r in range(runs.shape[0]):
        code, form, first, stop, more = runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3], runs[r, 4]
        if r + _AHEAD < runs.shape[0] and runs[r + _AHEAD, 1] == _ONE_SLOT:
            place = runs[r + _AHEAD, 2] + run_states[r + _AHEAD, 0]
            prefetch(constant, place - _WINDOW // 2)
            prefetch(constant, place + _WINDOW // 2 - 1)
            prefetch(truth, place)
        if form == _COMPOSITES:
            below = children[left[first] :]
            _compose(
                code, more, number[first:stop], base[first:stop], moving, below, ages[first:stop], truth,
                truth[first:stop],
            )  # fmt: skip
        elif form == _ONE_SLOT:
            listed = _move(
                code, now[more], before[more], constant, first, stop, truth, run_states, r, changed, listed
            )  # fmt: skip
        elif form == _CONSTANTS:
            _compare_constants(code, now, before, left, constant, first, stop, truth)
        else:
            _compare_slots(code, now, before, left[first:stop], right[first:stop], truth[first:stop])
    return listed


@njit(error_model="numpy", inline="always")
def _any_fires(truth, previous, momentary):
    any_fires = False
    if momentary:
        for i in range(truth.size):
            any_fires |= truth[i] == TRUE
    else:
        for i in range(truth.size):
            any_fires |= (truth[i] == TRUE) & (previous[i] == FALSE)
    return any_fires


@njit(error_model="numpy")
def _fire_one_by_one(truth, roots, momentary, bases, moving, previous, fired, count, first, stop):
    for c in range(first, stop):
        # Every index is written, and kept only if it fired: a branch on truths cannot be predicted.
        moves, value = moving[bases[c]], truth[roots[c]]
        fired[count] = c
        count += moves & (value == TRUE) & (momentary[c] | (previous[c] == FALSE))
        previous[c] = value if moves else previous[c]
    return count


@njit(error_model="numpy")
def _fire_changed(truth, changed, row_of, momentary, bases, moving, behind, previous, fired, count):
    for s in range(changed.shape[0]):
        if s + 2 * _AHEAD < changed.shape[0]:
            prefetch(row_of, changed[s + 2 * _AHEAD, 0])
        if s + _AHEAD < changed.shape[0]:
            row = row_of[changed[s + _AHEAD, 0]]
            prefetch(previous, row)
            prefetch(bases, row)
            prefetch(momentary, row)
        for i in range(changed[s, 0], changed[s, 1]):
            row = row_of[i]
            if row < 0 or behind[bases[row]]:
                continue
            value, was = truth[i], previous[row]
            if moving[bases[row]]:
                if value == TRUE and (momentary[row] or was == FALSE):
                    fired[count] = row
                    count += 1
                previous[row] = value
            elif value != was:
                behind[bases[row]] = True
    return count


@njit(error_model="numpy")
def _fire_behind(truth, roots, row_of, momentary, bases, moving, behind, previous, fired, count):
    """All rows of bases that are behind and move, because changes before this step are not listed."""
    for row in range(roots.size):
        base = bases[row]
        if behind[base] and moving[base] and row_of[roots[row]] == row:
            count = _fire_one_by_one(
                truth, roots, momentary, bases, moving, previous, fired, count, row, row + 1
            )  # fmt: skip
    for base in range(behind.size):
        behind[base] &= not moving[base]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def fire(truth, changed, stretches, row_of, roots, momentary, bases, moving, behind, previous, fired):
    """Find the conditions of the moving base series that fire; returns how many. Their rows are written to ``fired``,
    in any order; it needs room for one more.

    ``row_of`` int32[truths] is, for each truth of a run of one slot that belongs to exactly one condition, that
    condition's row, and -1 for other truths. Of these rows only those whose truths are in ``changed``, as :func:`judge`
    lists them, are visited. ``behind`` marks the bases of which some such truths differ from ``previous`` without being
    listed. All other rows are in ``stretches``: first row, one past the last, and base series or -1. The rows of a
    stretch with a base have that base and consecutive truths, and are either all momentary or all not.
    """
    truth, previous = borrowed(truth), borrowed(previous)
    # A base that does not move can fall behind in this step; that does not concern the rows of bases that move.
    has_behind = False
    for base in range(behind.size):
        has_behind |= behind[base] and moving[base]
    count = _fire_changed(truth, changed, row_of, momentary, bases, moving, behind, previous, fired, 0)
    if has_behind:
        count = _fire_behind(truth, roots, row_of, momentary, bases, moving, behind, previous, fired, count)
    for s in range(stretches.shape[0]):
        first, stop, base = stretches[s, 0], stretches[s, 1], stretches[s, 2]
        if base < 0:
            count = _fire_one_by_one(
                truth, roots, momentary, bases, moving, previous, fired, count, first, stop
            )  # fmt: skip
        elif moving[base]:
            apart = roots[first] - first
            for begin in range(first, stop, _BLOCK):
                end = min(begin + _BLOCK, stop)
                now, was = truth[begin + apart : end + apart], previous[begin:end]
                if _any_fires(now, was, momentary[first]):
                    for i in range(now.size):
                        if (now[i] == TRUE) & (momentary[first] | (was[i] == FALSE)):
                            fired[count] = begin + i
                            count += 1
                for i in range(now.size):
                    was[i] = now[i]
    return count


@njit(cache=True, nogil=True, error_model="numpy")
def forget(ages, bases, base):
    """Make everything older unknown, because a step of a base series is missing."""
    for j in range(bases.size):
        if bases[j] == base:
            ages[j, 0] = NEVER
            ages[j, 1] = 0
