"""Arrays that values are appended to, in amortised constant time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Pool:
    """A growing array of numbers, or of rows of ``width`` numbers. ``array`` is a view of its current content.

    Views taken before an :meth:`add` may not show later writes.
    """

    def __init__(self, dtype: Any, width: int | None = None) -> None:
        self._held: NDArray[Any] = np.zeros(64 if width is None else (64, width), dtype)
        self.size = 0

    @property
    def array(self) -> NDArray[Any]:
        return self._held[: self.size]

    def add(self, values: Any) -> int:
        """Append values or rows; returns the index of the first of them."""
        first, self.size = self.size, self.size + len(values)
        if self.size > len(self._held):
            longer = np.zeros((2 * self.size, *self._held.shape[1:]), self._held.dtype)
            longer[:first] = self._held[:first]
            self._held = longer
        if self.size > first:
            self._held[first : self.size] = values
        return first

    def replace(self, values: NDArray[Any]) -> None:
        """Replace all values; their number stays the same."""
        self._held[: self.size] = values
