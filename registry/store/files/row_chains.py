"""Rows of a table in lists by a key: a subscription is in that of its user and in that of its condition.

The lists have no objects of their own. Each row knows the one before it and the one after it, in arrays of four bytes
a row, so that a million lists of one row cost no more than one of a million, and taking a row out costs the same
anywhere.
"""

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_NONE = -1


class RowChains:
    """Keys and rows are numbers from 0 on. Written by one thread at a time, and not read meanwhile."""

    def __init__(self) -> None:
        self._first, self._last = array("i"), array("i")
        self._before, self._after = array("i"), array("i")

    def append(self, keys: Sequence[int], rows: Sequence[int]) -> None:
        """Put rows that are in no list at the end of the lists of their keys, one after another."""
        for numbers, most in ((self._first, keys), (self._last, keys), (self._before, rows), (self._after, rows)):
            _lengthen(numbers, max(most, default=_NONE))
        firsts, lasts, befores, afters = self._first, self._last, self._before, self._after
        for key, row in zip(keys, rows, strict=True):
            last = lasts[key]
            befores[row], afters[row], lasts[key] = last, _NONE, row
            if last == _NONE:
                firsts[key] = row
            else:
                afters[last] = row

    def remove(self, key: int, row: int) -> None:
        """Take a row out of the list of a key, in which it is."""
        before, after = self._before[row], self._after[row]
        if before == _NONE:
            self._first[key] = after
        else:
            self._after[before] = after
        if after == _NONE:
            self._last[key] = before
        else:
            self._before[after] = before

    def rows(self, key: int) -> Iterator[int]:
        """The rows of a key, first one first."""
        row = self._first[key] if key < len(self._first) else _NONE
        while row != _NONE:
            yield row
            row = self._after[row]

    def fill(self, keys: NDArray[np.int32], rows: NDArray[np.int32]) -> None:
        """Make the lists of rows that are in none yet, one key a row; they come in the order of their lists."""
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[order]
        is_first = np.ones(keys.size, np.bool_)
        is_first[1:] = keys[1:] != keys[:-1]
        is_last = np.roll(is_first, -1)
        first, last = _empty(int(keys.max(initial=_NONE)) + 1), _empty(int(keys.max(initial=_NONE)) + 1)
        first[keys[is_first]], last[keys[is_last]] = rows[is_first], rows[is_last]
        before, after = _empty(int(rows.max(initial=_NONE)) + 1), _empty(int(rows.max(initial=_NONE)) + 1)
        before[rows[~is_first]], after[rows[~is_last]] = rows[~is_last], rows[~is_first]
        self._first, self._last = array("i", first.tobytes()), array("i", last.tobytes())
        self._before, self._after = array("i", before.tobytes()), array("i", after.tobytes())


def _lengthen(numbers: "array[int]", place: int) -> None:
    """Make an array long enough to have a place."""
    if (more := place + 1 - len(numbers)) > 0:
        numbers.extend([_NONE] * more)


def _empty(size: int) -> NDArray[np.int32]:
    return np.full(size, _NONE, np.int32)
