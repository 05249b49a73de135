"""Delays such as ``close[3]``: the earlier values of readings, kept as far back as the longest delay reaches."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.plan import Plan
from indicators.compute import Array


class DelayRings:
    """One ring of earlier values for each delayed reading; a ring turns when the reading's own series steps."""

    def __init__(self) -> None:
        self._column: dict[int, int] = {}
        """Slot of a reading -> its column."""
        self._readings = np.zeros((0, 2), np.int64)
        """Column -> slot of the reading, series that owns it."""
        self._delays = np.zeros((0, 3), np.int64)
        """Delay -> its slot, column of its reading, steps."""
        self._ring = np.zeros((1, 0))
        self._turns = np.zeros(0, np.int64)

    def grow(self, plan: Plan) -> None:
        """Keep the readings of delays that were added to the plan."""
        delays = plan.layout.delays.array
        for source in delays[self._delays.shape[0] :, 1].tolist():
            self._column.setdefault(source, len(self._column))
        columns = np.array([self._column[source] for source in delays[:, 1].tolist()], np.int64)
        self._delays = np.column_stack([delays[:, 0], columns, delays[:, 2]])
        slots = np.array(list(self._column), np.int64)
        self._readings = np.column_stack([slots, plan.owners[slots]])
        self._turns = np.concatenate([self._turns, np.zeros(slots.size - self._turns.size, np.int64)])
        depth = int(delays[:, 2].max(initial=0)) + 1
        ring = np.full((max(depth, self._ring.shape[0]), slots.size), np.nan)
        before = self._ring.shape[1]
        for age in range(1, self._ring.shape[0] + 1):
            values = self._ring[(self._turns[:before] - age) % self._ring.shape[0], np.arange(before)]
            ring[(self._turns[:before] - age) % ring.shape[0], np.arange(before)] = values
        self._ring = ring

    def adopt(self, other: "DelayRings", plan: Plan, other_plan: Plan) -> None:
        """Copy the columns that both plans' rings have; see :meth:`engine.evaluate.Evaluator.adopt`."""
        readings = {slot: operand for (owner, operand), slot in other_plan.layout.slots.items() if owner is None}
        depth = other._ring.shape[0]
        # The rings are as deep as the longest delay of all; each reading is known only for its own longest one.
        longest, needed = other._longest(), self._longest()
        for source, theirs in other._column.items():
            mine = self._column.get(plan.layout.slots.get((None, readings[source]), -1))
            if mine is None:
                continue
            for age in range(1, min(longest[theirs], needed[mine]) + 1):
                value = other._ring[(other._turns[theirs] - age) % depth, theirs]
                self._ring[(self._turns[mine] - age) % self._ring.shape[0], mine] = value

    def _longest(self) -> dict[int, int]:
        """Column -> the longest delay of its reading."""
        longest: dict[int, int] = {}
        for _, column, steps in self._delays.tolist():
            longest[column] = max(longest.get(column, 0), steps)
        return longest

    def step(self, now: Array, before: Array, stepping: NDArray[np.bool_], plan: Plan, kernels: Any) -> None:
        """Store the readings of the series that step, and fill the slots of their delays."""
        if self._readings.size:
            kernels.remember(now, before, stepping, plan.owners, self._delays, self._readings, self._ring, self._turns)

    def forget(self, series: int) -> None:
        """Make all earlier values of a series unknown."""
        self._ring[:, self._readings[:, 1] == series] = np.nan
