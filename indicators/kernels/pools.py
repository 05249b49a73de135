"""Arrays that grow at their end, in amortised constant time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Pool:
    """A growing array of numbers, or of rows ``width`` numbers wide. ``array`` is what it holds now: a view.

    Views taken before an :meth:`add` may not show later writes.
    """

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._held: NDArray[Any] = np.zeros(64 if width is None else (64, width), dtype)
        self.size = 0

    @property
    def array(self) -> NDArray[Any]:
        return self._held[: self.size]

    def add(self, values: Any) -> int:
        """Append values or rows; where the first of them stands."""
        first, self.size = self.size, self.size + len(values)
        if self.size > len(self._held):
            longer = np.zeros((2 * self.size, *self._held.shape[1:]), self._held.dtype)
            longer[:first] = self._held[:first]
            self._held = longer
        if self.size > first:
            self._held[first : self.size] = values
        return first

    def replace(self, values: NDArray[Any]) -> None:
        """Hold other values, as many as before."""
        self._held[: self.size] = values
