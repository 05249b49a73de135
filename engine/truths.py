"""The truths of a plan's program on its last step, and what judging the next step continues from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.program import NEVER, UNKNOWN, Program
from indicators.compute import Array

Remembered = tuple[int, NDArray[np.uint16]]
"""A truth and its ages."""


class TruthState:
    """``array`` uint8[truths]; all are UNKNOWN before the first step.

    ``engine/judging_kernels.py`` describes what is remembered for which truths.
    """

    def __init__(self) -> None:
        self.array = np.zeros(0, np.uint8)
        self._ages = np.zeros((0, 2), np.uint16)
        self._run_states = np.zeros((0, 4), np.int64)
        self._changed = np.zeros((1, 2), np.int64)
        self._bases = np.zeros(0, np.int64)
        self._columns: tuple[NDArray[Any], ...] = ()

    def grow(self, program: Program) -> None:
        """Take in truths that were added, which are UNKNOWN. A program with too many short runs is sorted."""
        more = program.size - self.array.size
        self.array = np.concatenate([self.array, np.full(more, UNKNOWN, np.uint8)])
        never = np.array([[NEVER, 0]], np.uint16)
        self._ages = np.concatenate([self._ages, np.repeat(never, more, axis=0)])
        if program.is_scattered:
            self.sort(program)
        # New runs follow the old ones, which keep their places.
        run_states = np.zeros((len(program.runs), 4), np.int64)
        run_states[: len(self._run_states)] = self._run_states
        self._run_states = run_states
        self._changed = np.zeros((2 * len(program.runs) + 1, 2), np.int64)
        self._columns, self._bases = program.arrays(), program.base.array

    def sort(self, program: Program) -> None:
        """Sort the program, all of whose truths have been taken in already."""
        truth, ages = self.array.copy(), self._ages.copy()
        moved = program.compact()
        self.array[moved], self._ages[moved] = truth, ages
        self._run_states = np.zeros((0, 4), np.int64)

    def judge(self, kernels: Any, now: Array, before: Array, moving: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Judge a step, with NaN for values that are not finite; returns the rows of ``changed`` that
        :func:`engine.judging_kernels.judge` filled: which truths of runs of one slot may have changed."""
        count = kernels.judge(now, before, moving, *self.columns())
        return self._changed[:count]

    def columns(self) -> tuple[NDArray[Any], ...]:
        """The program, what is remembered, truths and changes, in the order of the kernels' arguments."""
        return *self._columns, self._ages, self._run_states, self.array, self._changed

    def forget(self, kernels: Any, base: int) -> None:
        """Make everything older unknown, because a step of a base series is missing."""
        kernels.forget(self._ages, self._bases, base)

    def remembered(self, truth: int) -> Remembered:
        """What a ``for``, ``within`` or ``before`` continues from."""
        return int(self.array[truth]), self._ages[truth].copy()

    def remember(self, truth: int, remembered: Remembered) -> None:
        """Make a ``for``, ``within`` or ``before`` continue from there."""
        self.array[truth], self._ages[truth] = remembered
