"""The truths of a plan's program on its last step, and what judging the next one goes on from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.program import NEVER, UNKNOWN, Program
from indicators.compute import Array

Remembered = tuple[int, NDArray[np.uint16]]
"""A truth and its ages."""


class Truths:
    """``array`` uint8[truths]; everything is UNKNOWN before the first step.

    ``engine/judging_kernels.py`` says what is remembered for which truths.
    """

    def __init__(self) -> None:
        self.array = np.zeros(0, np.uint8)
        self._ages = np.zeros((0, 2), np.uint16)
        self._stands = np.zeros((0, 4), np.int64)
        self._changed = np.zeros((1, 2), np.int64)
        self._bases = np.zeros(0, np.int64)
        self._columns: tuple[NDArray[Any], ...] = ()

    def grow(self, program: Program) -> None:
        """Take in truths that were added: they are UNKNOWN. A program with too many short runs is sorted."""
        more = program.size - self.array.size
        self.array = np.concatenate([self.array, np.full(more, UNKNOWN, np.uint8)])
        never = np.array([[NEVER, 0]], np.uint16)
        self._ages = np.concatenate([self._ages, np.repeat(never, more, axis=0)])
        if program.is_scattered:
            self.sort(program)
        # Runs are added behind the others: the others stand where they stood.
        stands = np.zeros((len(program.runs), 4), np.int64)
        stands[: len(self._stands)] = self._stands
        self._stands = stands
        self._changed = np.zeros((2 * len(program.runs) + 1, 2), np.int64)
        self._columns, self._bases = program.arrays(), program.base.array

    def sort(self, program: Program) -> None:
        """Sort the program; all of its truths are known already."""
        truth, ages = self.array.copy(), self._ages.copy()
        moved = program.compact()
        self.array[moved], self._ages[moved] = truth, ages
        self._stands = np.zeros((0, 4), np.int64)

    def judge(self, kernels: Any, now: Array, before: Array, moving: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Judge a step; values that are not finite are NaN. Which truths may have changed, as ``judge.judge`` says."""
        count = kernels.judge(now, before, moving, *self.columns())
        return self._changed[:count]

    def columns(self) -> tuple[NDArray[Any], ...]:
        """The program, what is remembered, truths and changes, in the order that the kernels take them."""
        return *self._columns, self._ages, self._stands, self.array, self._changed

    def forget(self, kernels: Any, base: int) -> None:
        """A step of a base series is missing: whatever is older is unknown."""
        kernels.forget(self._ages, self._bases, base)

    def remembered(self, truth: int) -> Remembered:
        """What one of ``for`` or ``within`` goes on from."""
        return int(self.array[truth]), self._ages[truth].copy()

    def remember(self, truth: int, remembered: Remembered) -> None:
        """Let one of ``for`` or ``within`` go on from there."""
        self.array[truth], self._ages[truth] = remembered
