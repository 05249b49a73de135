"""The truths of a plan's only base series over its history, block by block, and which conditions fire."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.plan import Plan
from engine.program import NEVER, UNKNOWN
from indicators.compute import Array

_BLOCK_BYTES = 1 << 22
"""Truths of a block: about what the processor keeps near."""

_FEWEST = 64
_MOST = 4096
"""Candles of a block."""


def import_history_kernels() -> Any:
    """The kernels that judge histories. Imported on first use, as numba takes a second."""
    from engine import history_kernels

    return history_kernels


class HistoryTruths:
    """What is remembered between two blocks: the truths of the last candle, and the ages of lasting ones.

    ``engine/judging_kernels.py`` describes ages.
    """

    def __init__(self, plan: Plan, order: NDArray[np.int64]) -> None:
        """``order`` is that in which conditions are listed that fire on one candle."""
        runs, left, right, constant, number, _, children = plan.program.arrays()
        self._program = runs, left, right, constant, number, children
        self._order = order
        self._roots, self._momentary = plan.roots[order], plan.momentary[order]
        self._width = max(_FEWEST, min(_MOST, _BLOCK_BYTES // max(1, plan.program.size)))
        self._ages = np.tile(np.array([NEVER, 0], np.uint16), (plan.program.size, 1))
        self._last = np.full(plan.program.size, UNKNOWN, np.uint8)
        self._truths = np.empty(0, np.uint8)

    def fire(
        self, values: Array, begin: int, adjacent: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What fires on the next candles: their positions, and the conditions that fire on them.

        Candle ``t`` is column ``begin + 1 + t`` of ``values`` float64[slots, n].
        """
        listed = [
            self._block(values, begin + first, adjacent[first : first + self._width], first)
            for first in range(0, adjacent.size, self._width)
        ]
        rows, conditions = (np.concatenate(part) for part in zip(*listed, strict=True))
        return rows, self._order[conditions]

    def _block(
        self, values: Array, begin: int, adjacent: NDArray[np.bool_], first_row: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        kernels = import_history_kernels()
        truths = self._space(adjacent.size + 1)
        truths[:, 0] = self._last
        kernels.judge_block(values, begin, adjacent, *self._program, self._ages, truths)
        self._last[:] = truths[:, -1]
        counts = np.empty(adjacent.size, np.int32)
        kernels.count_firings(truths, adjacent, self._roots, self._momentary, counts)
        stops = np.cumsum(counts, dtype=np.int64)
        rows, conditions = np.empty((2, int(stops[-1])), np.int64)
        kernels.list_firings(
            truths, adjacent, self._roots, self._momentary, stops - counts, first_row, rows, conditions
        )
        return rows, conditions

    def _space(self, width: int) -> NDArray[np.uint8]:
        """uint8[truths, width], overwritten by the next block."""
        size = self._last.size * width
        if self._truths.size < size:
            self._truths = np.empty(size, np.uint8)
        return self._truths[:size].reshape(self._last.size, width)
