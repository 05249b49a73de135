"""Which conditions fire: the conditions' truths one step before, beside those of the present step.

The columns stand in the order of the conditions' truths, not of the conditions: a tick then reads memory from front to
back. A condition that is nothing but a comparison in a run of one slot is looked at when that run says that its truth
changed: so thresholds cost what they do on a tick, not how many there are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.plan import Plan
from engine.program import ONE_SLOT, UNKNOWN

_LONG_STRETCH = 32
"""From so many conditions with consecutive truths on, a loop of their own is faster."""


class Firing:
    """The truths of conditions one step before, moved along by :meth:`fire`."""

    def __init__(self) -> None:
        self._conditions = np.zeros(0, np.int64)
        """Row -> condition."""
        self._rows = np.zeros(0, np.int64)
        """Condition -> row."""
        self._roots = np.zeros(0, np.int64)
        self._momentary = np.zeros(0, np.bool_)
        self._bases = np.zeros(0, np.int64)
        self.truths = np.zeros(0, np.uint8)
        """Row -> truth one step before."""
        self._stretches = np.zeros((0, 3), np.int64)
        """(first row, one past the last, base or -1): see :func:`engine.judging_kernels.fire`."""
        self._row_of = np.zeros(0, np.int32)
        """Truth -> row of the condition that is looked at when the truth changes, or -1."""
        self._behind = np.zeros(0, np.bool_)
        """Base series -> whether truths may have changed without notice."""
        self._fired = np.zeros(0, np.int64)

    def grow(self, plan: Plan) -> None:
        """Take in conditions that were added, of which nothing is known, and truths that were sorted anew."""
        previous = np.full(len(plan.conditions), UNKNOWN, np.uint8)
        previous[self._conditions] = self.truths
        roots = plan.roots
        self._conditions = np.argsort(roots, kind="stable")
        self._rows = np.empty_like(self._conditions)
        self._rows[self._conditions] = np.arange(self._rows.size)
        self._roots, self._momentary = roots[self._conditions], plan.momentary[self._conditions]
        self._bases, self.truths = plan.base[self._conditions], previous[self._conditions]
        noticed = _noticed(plan, self._roots)
        self._row_of = np.full(plan.program.size, -1, np.int32)
        self._row_of[self._roots[noticed]] = np.flatnonzero(noticed)
        self._behind = np.ones(len(plan.series), np.bool_)
        self._stretches = _find_stretches(np.flatnonzero(~noticed), self._roots, self._bases, self._momentary)
        self._fired = np.empty(self._rows.size + 1, np.int64)

    def columns(self, moving: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
        """What the kernels need to know of the conditions, in the order that they take it."""
        return (
            self._stretches, self._row_of, self._roots, self._momentary, self._bases, moving, self._behind, self.truths,
        )  # fmt: skip

    def conditions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The conditions of rows."""
        found: NDArray[np.int64] = self._conditions[rows]
        return found

    def previous(self, condition: int) -> int:
        """The truth of a condition one step before."""
        return int(self.truths[self._rows[condition]])

    def know(self, condition: int, truth: int) -> None:
        """Take over the truth of a condition one step before."""
        row = self._rows[condition]
        self.truths[row], self._behind[self._bases[row]] = truth, True

    def forget(self, base: int) -> None:
        """Nothing is known of the step before of a base series."""
        self.truths[self._bases == base] = UNKNOWN
        self._behind[base] = True

    def fire(
        self, kernels: Any, truth: NDArray[np.uint8], changed: NDArray[np.int64], moving: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The conditions of the base series that move which fire, in their order. ``changed``: :meth:`Truths.judge`."""
        count = kernels.fire(truth, changed, *self.columns(moving), self._fired)
        return np.sort(self.conditions(self._fired[:count]))


def _noticed(plan: Plan, roots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Row -> whether its truth is in a run of one slot, and no other condition's."""
    runs = plan.program.runs
    one_slot = np.repeat(runs[:, 1] == ONE_SLOT, runs[:, 3] - runs[:, 2])
    alone = np.ones(roots.size, np.bool_)
    alone[1:] &= np.diff(roots) != 0
    alone[:-1] &= np.diff(roots) != 0
    return one_slot[roots] & alone


def _find_stretches(
    rows: NDArray[np.int64], roots: NDArray[np.int64], bases: NDArray[np.int64], momentary: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The stretches of some of the rows."""
    roots, bases, momentary = roots[rows], bases[rows], momentary[rows]
    is_cut = np.ones(rows.size, np.bool_)
    is_cut[1:] = np.diff(rows) != 1
    changes = is_cut.copy()
    changes[1:] |= (np.diff(roots) != 1) | (np.diff(bases) != 0) | (momentary[1:] != momentary[:-1])
    starts = np.flatnonzero(changes)
    stops = np.append(starts[1:], rows.size)[: starts.size]
    base = np.where(stops - starts >= _LONG_STRETCH, bases[starts], -1)
    # Short ones side by side are one.
    kept = np.ones(starts.size, np.bool_)
    kept[1:] = (base[1:] >= 0) | (base[:-1] >= 0) | is_cut[starts[1:]]
    starts, base = starts[kept], base[kept]
    lengths = np.diff(np.append(starts, rows.size)) if starts.size else starts
    return np.column_stack([rows[starts], rows[starts] + lengths, base])
