"""What the judging kernels run: truths as columns, in runs of one kind.

A truth is a comparison or a composite; its index is its place in the columns. A run is a stretch of truths that are
judged in the same way by one tight loop. What a truth depends on stands before it. Truths are only added; when many
small additions have made many short runs, :meth:`Program.compact` sorts all of them anew.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indicators.pools import Pool
from registry.expression import (
    All,
    Any,
    AtLeast,
    Comparison,
    Every,
    For,
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Within,
)

FALSE, UNKNOWN, TRUE = 0, 1, 2
"""Truths, in the order in which Kleene's and is the smaller and or the larger."""

NEVER = 1 << 40
"""Age, in steps, of what has not been seen."""

OPERATORS: tuple[Operator, ...] = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")
"""Position = code of a comparison."""

ALL, ANY, NOT, AT_LEAST, FOR, WITHIN, EVERY = range(len(OPERATORS), len(OPERATORS) + 7)
"""Codes of composites."""

SLOTS, CONSTANTS, ONE_SLOT = range(3)
"""Forms of a run of comparisons: slot against slot, slots against constants, one slot against constants."""

_CONSTANTS_A_SLOT = 8
"""From so many constants for one slot on, a run of their own is faster."""

_SHORT_RUNS = 512
"""From so many runs beyond what a sorted program needs on, sorting it anew pays."""

Based = tuple[int, Node]
"""A node of a condition with a base series: what looks back does so over the base's steps."""


class Program:
    """The columns. A comparison reads slot ``left`` and slot ``right`` or ``constant``; a composite reads the truths
    ``children[first:first + count]``, has a ``number`` (of children or bars) where its kind has one, and follows the
    steps of the base series ``base``."""

    def __init__(self) -> None:
        self.code = Pool(np.int64)
        self.left = Pool(np.int64)
        """Slot of a comparison; first child of a composite."""
        self.right = Pool(np.int64)
        """Slot of a comparison, -1 for a constant; number of children of a composite."""
        self.constant = Pool(np.float64)
        self.number = Pool(np.int64)
        self.base = Pool(np.int64)
        self.level = Pool(np.int64)
        self.children = Pool(np.int64)
        self.runs = np.zeros((0, 5), np.int64)
        """(code, form, first truth, one past the last, slot of the form ``ONE_SLOT``)"""
        self._numbers: dict[Based, int] = {}
        self._places = Pool(np.int64)
        """Number of a node -> its truth: nodes keep their numbers when truths are sorted."""
        self._leaves: dict[tuple[int, int, int, float], int] = {}
        self._sorted_runs = 0

    @property
    def size(self) -> int:
        """Number of truths."""
        return self.code.size

    def place(self, based: Based) -> int:
        """The truth of a node."""
        return int(self._places.array[self._numbers[based]])

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The truths of nodes by their numbers."""
        found: NDArray[np.int64] = self._places.array[numbers]
        return found

    def number_of(self, based: Based) -> int:
        """The number of a node: it stays when truths are sorted."""
        return self._numbers[based]

    @property
    def remembering(self) -> Mapping[Based, int]:
        """The truths of ``for`` and ``within``, which remember earlier steps."""
        return {
            based: int(self._places.array[number])
            for based, number in self._numbers.items()
            if isinstance(based[1], For | Within)
        }

    def extend(self, roots: Sequence[Based], slot_of: Callable[[int, Operand], int]) -> None:
        """Add what the trees of conditions need and is not there yet.

        ``slot_of(base, operand)`` is the slot in which conditions of a base series find an operand.
        """
        levels: dict[Based, int] = {}
        for based in roots:
            self._find(based, levels)
        first = self.size
        rows: list[tuple[int, int, int, float, int, int, int]] = []
        nodes: list[list[Based]] = []
        new_leaves: dict[tuple[int, int, int, float], int] = {}
        for based in levels:
            if isinstance(based[1], Comparison):
                key = _leaf_key(based, slot_of)
                if key in self._leaves:
                    self._number(based, int(self._places.array[self._leaves[key]]))
                elif key in new_leaves:
                    nodes[new_leaves[key]].append(based)
                else:
                    new_leaves[key] = len(rows)
                    rows.append((key[0], key[1], key[2], key[3], 0, -1, 0))
                    nodes.append([based])
        order = sorted(range(len(rows)), key=lambda i: _run_key(rows[i]))
        self._append([rows[i] for i in order], [nodes[i] for i in order])
        for key, i in new_leaves.items():
            self._leaves[key] = self._numbers[nodes[i][0]]
        composites = [based for based in levels if not isinstance(based[1], Comparison)]
        for level in sorted({levels[based] for based in composites}):
            rows, nodes = [], []
            for base, node in composites:
                if levels[base, node] == level:
                    below = [self.place((base, child)) for child in children(node)]
                    at = self.children.add(below)
                    rows.append((_kind(node), at, len(below), np.nan, _count(node), base, level))
                    nodes.append([(base, node)])
            order = sorted(range(len(rows)), key=lambda i: (rows[i][0], rows[i][2]))
            self._append([rows[i] for i in order], [nodes[i] for i in order])
        if self.size > first:
            self.runs = np.concatenate([self.runs, _find_runs(self, first)])
        if first == 0:
            self._sorted_runs = len(self.runs)

    @property
    def is_scattered(self) -> bool:
        """Whether additions have made so many short runs that :meth:`compact` pays."""
        return len(self.runs) > 2 * self._sorted_runs + _SHORT_RUNS

    def compact(self) -> NDArray[np.int64]:
        """Sort the truths into as few runs as there can be; truth -> its new place."""
        # Slots against slots first, then by what is read; composites by kind and number of children.
        is_leaf = self.code.array < ALL
        order = np.lexsort(
            (
                np.where(is_leaf, self.constant.array, 0.0),
                np.where(is_leaf, self.left.array, self.right.array),
                np.where(is_leaf, self.right.array < 0, 0),
                self.code.array,
                self.level.array,
            )
        )
        moved = np.empty(self.size, np.int64)
        moved[order] = np.arange(self.size)
        for pool in (self.code, self.left, self.right, self.constant, self.number, self.base, self.level):
            pool.replace(pool.array[order])
        self.children.replace(moved[self.children.array])
        self._places.replace(moved[self._places.array])
        self.runs = _find_runs(self, 0)
        self._sorted_runs = len(self.runs)
        return moved

    def arrays(self) -> tuple[NDArray[np.int64] | NDArray[np.float64], ...]:
        """The columns in the order that the kernels take them."""
        return (
            self.runs,
            self.left.array,
            self.right.array,
            self.constant.array,
            self.number.array,
            self.base.array,
            self.children.array,
        )

    def _find(self, based: Based, levels: dict[Based, int]) -> int:
        """Levels of nodes that are not there yet: comparisons have 0, a composite one more than its children."""
        if based in levels:
            return levels[based]
        base, node = based
        level = 1 + max((self._find((base, child), levels) for child in children(node)), default=-1)
        if based not in self._numbers:
            levels[based] = level
        return level

    def _append(self, rows: Sequence[tuple[int, int, int, float, int, int, int]], nodes: Sequence[list[Based]]) -> None:
        if not rows:
            return
        first = self.size
        columns = list(zip(*rows, strict=True))
        pools = (self.code, self.left, self.right, self.constant, self.number, self.base, self.level)
        for pool, column in zip(pools, columns, strict=True):
            pool.add(column)
        for offset, same in enumerate(nodes):
            for based in same:
                self._number(based, first + offset)

    def _number(self, based: Based, truth: int) -> None:
        self._numbers[based] = self._places.add([truth])


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below a node."""
    match node:
        case Not(child) | For(child) | Within(child) | Every(child):
            return (child,)
        case All(below) | Any(below) | AtLeast(_, below):
            return below
        case Comparison():
            return ()


def _leaf_key(based: Based, slot_of: Callable[[int, Operand], int]) -> tuple[int, int, int, float]:
    """(code, left slot, right slot or -1, constant). Two bases that read the same slots share the comparison."""
    base, leaf = based
    assert isinstance(leaf, Comparison)
    left = slot_of(base, leaf.left)
    if isinstance(leaf.right, Number):
        return OPERATORS.index(leaf.operator), left, -1, leaf.right.value
    return OPERATORS.index(leaf.operator), left, slot_of(base, leaf.right), 0.0


def _run_key(row: tuple[int, int, int, float, int, int, int]) -> tuple[int, bool, int, float]:
    code, left, right, constant = row[:4]
    return code, right < 0, left, constant


def _find_runs(program: Program, first: int) -> NDArray[np.int64]:
    """The runs of the truths from ``first`` on."""
    code, left, level = program.code.array[first:], program.left.array[first:], program.level.array[first:]
    is_leaf = code < ALL
    form = np.where(is_leaf & (program.right.array[first:] < 0), CONSTANTS, SLOTS)
    # A slot that is held against many constants gets a run of its own.
    starts = np.flatnonzero(_changes(code, form, level, np.where(form == CONSTANTS, left, 0)))
    lengths = np.diff([*starts, code.size])
    many = (form[starts] == CONSTANTS) & (lengths >= _CONSTANTS_A_SLOT)
    slot = np.repeat(np.where(many, left[starts], -1), lengths)
    form = np.where(slot >= 0, ONE_SLOT, form)
    starts = np.flatnonzero(_changes(code, form, level, slot))
    stops = np.append(starts[1:], code.size)
    return np.column_stack([code[starts], form[starts], starts + first, stops + first, slot[starts]])


def _changes(*columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    changes = np.ones(columns[0].size, np.bool_)
    changes[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changes


def _kind(node: Node) -> int:
    kinds: dict[type, int] = {All: ALL, Any: ANY, Not: NOT, AtLeast: AT_LEAST, For: FOR, Within: WITHIN, Every: EVERY}
    return kinds[type(node)]


def _count(node: Node) -> int:
    match node:
        case AtLeast(count, _):
            return count
        case For(_, bars) | Within(_, bars):
            return bars
        case _:
            return 0
