"""Which conditions fire: the conditions' truths one step before, beside those of the present step.

The columns stand in the order of the conditions' truths, not of the conditions: a tick then reads memory from front to
back.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.plan import Plan
from flows.program import UNKNOWN

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
        """(first row, one past the last, base or -1): see :func:`flows.judge.fire`."""
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
        self._stretches = _find_stretches(self._roots, self._bases, self._momentary)
        self._fired = np.empty(self._rows.size + 1, np.int64)

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Stretches, truths, which are momentary, and bases, in the order that the kernels take them."""
        return self._stretches, self._roots, self._momentary, self._bases

    def conditions(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The conditions of rows."""
        found: NDArray[np.int64] = self._conditions[rows]
        return found

    def previous(self, condition: int) -> int:
        """The truth of a condition one step before."""
        return int(self.truths[self._rows[condition]])

    def know(self, condition: int, truth: int) -> None:
        """Take over the truth of a condition one step before."""
        self.truths[self._rows[condition]] = truth

    def forget(self, base: int) -> None:
        """Nothing is known of the step before of a base series."""
        self.truths[self._bases == base] = UNKNOWN

    def fire(self, kernels: Any, truth: NDArray[np.uint8], moving: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The conditions of the base series that move which fire, in their order."""
        count = kernels.fire(truth, *self.columns(), moving, self.truths, self._fired)
        return np.sort(self.conditions(self._fired[:count]))


def _find_stretches(
    roots: NDArray[np.int64], bases: NDArray[np.int64], momentary: NDArray[np.bool_]
) -> NDArray[np.int64]:
    changes = np.ones(roots.size, np.bool_)
    changes[1:] = (np.diff(roots) != 1) | (np.diff(bases) != 0) | (momentary[1:] != momentary[:-1])
    starts = np.flatnonzero(changes)
    lengths = np.diff([*starts, roots.size])
    base = np.where(lengths >= _LONG_STRETCH, bases[starts], -1)
    # Short ones side by side are one.
    kept = np.ones(starts.size, np.bool_)
    kept[1:] = (base[1:] >= 0) | (base[:-1] >= 0)
    starts, base = starts[kept], base[kept]
    return np.column_stack([starts, np.append(starts[1:], roots.size)[: starts.size], base])
