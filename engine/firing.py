"""Which conditions fire: the truths of the conditions one step before, compared with those of the present step.

The rows are in the order of the conditions' truths, not of the conditions, so that a tick reads memory from front to
back. A condition that is a single comparison in a run of one slot is visited only when that run reports that its truth
may have changed: the cost of thresholds on a tick grows with how many are crossed, not with how many there are.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.plan import Plan
from engine.program import ONE_SLOT, UNKNOWN

_LONG_STRETCH = 32
"""With at least this many conditions with consecutive truths, a loop of their own is faster."""


class FiringState:
    """The truths of conditions one step before; :meth:`fire` brings them up to date."""

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
        """Truth -> row of the condition that is visited when the truth changes, or -1."""
        self._behind = np.zeros(0, np.bool_)
        """Base series -> whether truths may have changed without being reported."""
        self._fired_rows = np.zeros(0, np.int64)

    def grow(self, plan: Plan) -> None:
        """Take in conditions that were added, whose earlier truths are UNKNOWN, and truths that were sorted again."""
        previous = np.full(len(plan.conditions), UNKNOWN, np.uint8)
        previous[self._conditions] = self.truths
        roots = plan.roots
        self._conditions = np.argsort(roots, kind="stable")
        self._rows = np.empty_like(self._conditions)
        self._rows[self._conditions] = np.arange(self._rows.size)
        self._roots, self._momentary = roots[self._conditions], plan.momentary[self._conditions]
        self._bases, self.truths = plan.base[self._conditions], previous[self._conditions]
        is_reported = _are_reported(plan, self._roots)
        self._row_of = np.full(plan.program.size, -1, np.int32)
        self._row_of[self._roots[is_reported]] = np.flatnonzero(is_reported)
        self._behind = np.ones(len(plan.series), np.bool_)
        self._stretches = _find_stretches(np.flatnonzero(~is_reported), self._roots, self._bases, self._momentary)
        self._fired_rows = np.empty(self._rows.size + 1, np.int64)

    def columns(self, moving: NDArray[np.bool_]) -> tuple[NDArray[Any], ...]:
        """What the kernels need to know about the conditions, in the order of their arguments."""
        return (
            self._stretches, self._row_of, self._roots, self._momentary, self._bases, moving, self._behind, self.truths,
        )  # fmt: skip

    def conditions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The conditions of rows."""
        conditions: NDArray[np.int64] = self._conditions[rows]
        return conditions

    def previous(self, condition: int) -> int:
        """The truth of a condition one step before."""
        return int(self.truths[self._rows[condition]])

    def know(self, condition: int, truth: int) -> None:
        """Set the truth of a condition one step before."""
        row = self._rows[condition]
        self.truths[row], self._behind[self._bases[row]] = truth, True

    def forget(self, base: int) -> None:
        """Make the truths of a base series one step before UNKNOWN."""
        self.truths[self._bases == base] = UNKNOWN
        self._behind[base] = True

    def fire(
        self, kernels: Any, truth: NDArray[np.uint8], changed: NDArray[np.int64], moving: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """The conditions that fire among those of the moving base series, in order.

        ``changed`` is what :meth:`engine.truths.TruthState.judge` returned.
        """
        count = kernels.fire(truth, changed, *self.columns(moving), self._fired_rows)
        return np.sort(self.conditions(self._fired_rows[:count]))


def _are_reported(plan: Plan, roots: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Row -> whether its truth is in a run of one slot and is no other condition's."""
    runs = plan.program.runs
    one_slot = np.repeat(runs[:, 1] == ONE_SLOT, runs[:, 3] - runs[:, 2])
    alone = np.ones(roots.size, np.bool_)
    alone[1:] &= np.diff(roots) != 0
    alone[:-1] &= np.diff(roots) != 0
    return one_slot[roots] & alone


def _find_stretches(
    rows: NDArray[np.int64], roots: NDArray[np.int64], bases: NDArray[np.int64], momentary: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Divide some of the rows into stretches."""
    roots, bases, momentary = roots[rows], bases[rows], momentary[rows]
    is_cut = np.ones(rows.size, np.bool_)
    is_cut[1:] = np.diff(rows) != 1
    changes = is_cut.copy()
    changes[1:] |= (np.diff(roots) != 1) | (np.diff(bases) != 0) | (momentary[1:] != momentary[:-1])
    starts = np.flatnonzero(changes)
    stops = np.append(starts[1:], rows.size)[: starts.size]
    base = np.where(stops - starts >= _LONG_STRETCH, bases[starts], -1)
    # Adjacent short stretches are merged into one.
    kept = np.ones(starts.size, np.bool_)
    kept[1:] = (base[1:] >= 0) | (base[:-1] >= 0) | is_cut[starts[1:]]
    starts, base = starts[kept], base[kept]
    lengths = np.diff(np.append(starts, rows.size)) if starts.size else starts
    return np.column_stack([rows[starts], rows[starts] + lengths, base])
