"""What the judging kernels execute: truths as columns, in runs of one kind.

A truth is a comparison or a composite; its index is its place in the columns. A run is a stretch of truths that one
tight loop judges in the same way. A truth comes after everything that it depends on. Truths are only ever added; when
many small additions have left many short runs, :meth:`Program.compact` sorts all of them again.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from indicators.kernels.pools import Pool
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    AtLeast,
    Before,
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
"""Truths, ordered so that Kleene's *and* is the minimum and *or* the maximum."""

NEVER = 65_535
"""Age, in steps, of a truth that was never seen or not for a very long time: longer than anything looks back."""

COMPARISON_CODES: tuple[Operator, ...] = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")
"""Position = code of a comparison."""

ALL, ANY, NOT, AT_LEAST, FOR, WITHIN, EVERY, BEFORE = range(len(COMPARISON_CODES), len(COMPARISON_CODES) + 8)
"""Codes of composites."""

SLOTS, CONSTANTS, ONE_SLOT, COMPOSITES = range(4)
"""Forms of a run: slot against slot, slots against constants, one slot against constants, and composites."""

_CONSTANTS_A_SLOT = 8
"""With at least this many constants for one slot, a run of their own is faster."""

_SHORT_RUNS = 512
"""With more runs than this beyond what a sorted program needs, sorting it again pays."""

ComparedNode = Comparison | During
"""What is judged by comparing slots: the slot of a time window is 1 inside and 0 outside."""

BasedNode = tuple[int, Node]
"""The index of a base series and a node of a condition on it: ``for``, ``within`` and ``before`` look back over the
base's steps."""


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
        """(code, form, first truth, one past the last, one more): of ``ONE_SLOT`` its slot, with the constants in
        order; of ``COMPOSITES`` how many children each has, all contiguous; else -1."""
        self._numbers: dict[BasedNode, int] = {}
        self._places = Pool(np.int64)
        """Number of a node -> its truth. Nodes keep their numbers when truths are sorted."""
        self._leaves: dict[tuple[int, int, int, float], int] = {}
        self._sorted_runs = 0

    @property
    def size(self) -> int:
        """Number of truths."""
        return self.code.size

    @property
    def slots(self) -> NDArray[np.int64]:
        """The slots that comparisons read, in order."""
        is_leaf = self.code.array < ALL
        read = np.concatenate([self.left.array[is_leaf], self.right.array[is_leaf]])
        return np.unique(read[read >= 0])

    def __contains__(self, based: BasedNode) -> bool:
        return based in self._numbers

    def place(self, based: BasedNode) -> int:
        """The truth of a node."""
        return int(self._places.array[self._numbers[based]])

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The truths of nodes by their numbers."""
        truths: NDArray[np.int64] = self._places.array[numbers]
        return truths

    def number_of(self, based: BasedNode) -> int:
        """The number of a node, which stays the same when truths are sorted."""
        return self._numbers[based]

    @property
    def remembering(self) -> Mapping[BasedNode, int]:
        """The truths of ``for``, ``within`` and ``before``, which remember earlier steps."""
        return {
            based: int(self._places.array[number])
            for based, number in self._numbers.items()
            if isinstance(based[1], For | Within | Before)
        }

    def extend(self, roots: Sequence[BasedNode], slot_of: Callable[[int, Operand | During], int]) -> list[int]:
        """Add whatever the trees of conditions need that is not there yet; returns the numbers of their nodes.

        ``slot_of(base, operand)`` is the slot in which conditions of a base series read an operand, or a time window.
        """
        levels: dict[BasedNode, int] = {}
        for based in roots:
            # Nearly all conditions are a single comparison.
            if not isinstance(based[1], ComparedNode):
                self._find(based, levels)
            elif based not in self._numbers:
                levels[based] = 0
        first = self.size
        rows: list[tuple[int, int, int, float, int, int, int]] = []
        nodes: list[list[BasedNode]] = []
        new_leaves: dict[tuple[int, int, int, float], int] = {}
        for based in levels:
            if isinstance(based[1], ComparedNode):
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
        self._add_composites(levels)
        if self.size > first:
            self.runs = np.concatenate([self.runs, _find_runs(self, first)])
        if first == 0:
            self._sorted_runs = len(self.runs)
        return [self._numbers[root] for root in roots]

    def _add_composites(self, levels: Mapping[BasedNode, int]) -> None:
        composites = [based for based in levels if not isinstance(based[1], ComparedNode)]
        for level in sorted({levels[based] for based in composites}):
            here = [(base, node) for base, node in composites if levels[base, node] == level]
            here.sort(key=lambda based: (_kind(based[1]), len(children(based[1]))))
            rows: list[tuple[int, int, int, float, int, int, int]] = []
            below: list[int] = []
            for base, node in here:
                at = self.children.size + len(below)
                below += [self.place((base, child)) for child in children(node)]
                count = self.children.size + len(below) - at
                rows.append((_kind(node), at, count, np.nan, _count(node), base, level))
            self.children.add(below)
            self._append(rows, [[based] for based in here])

    @property
    def is_scattered(self) -> bool:
        """Whether additions have made so many short runs that :meth:`compact` pays."""
        return len(self.runs) > 2 * self._sorted_runs + _SHORT_RUNS

    def compact(self) -> NDArray[np.int64]:
        """Sort the truths into as few runs as possible; truth -> its new place."""
        # Slots against slots first, then by the slots that are read; composites by kind and number of children.
        is_leaf = self.code.array < ALL
        order = np.lexsort(
            (
                np.where(is_leaf, self.right.array, 0),
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
        self._sort_children(moved)
        self._places.replace(moved[self._places.array])
        self.runs = _find_runs(self, 0)
        self._sorted_runs = len(self.runs)
        return moved

    def _sort_children(self, moved: NDArray[np.int64]) -> None:
        """Put the children into the order of their parents, which are sorted already."""
        composites = np.flatnonzero(self.code.array >= ALL)
        counts = self.right.array[composites]
        starts = np.cumsum(counts) - counts
        picked = np.repeat(self.left.array[composites] - starts, counts) + np.arange(self.children.size)
        self.children.replace(moved[self.children.array[picked]])
        self.left.array[composites] = starts

    def arrays(self) -> tuple[NDArray[np.generic], ...]:
        """The columns in the order of the kernels' arguments; places as uint32, to need less memory."""
        return (
            self.runs,
            self.left.array.astype(np.uint32),
            self.right.array.astype(np.uint32),
            self.constant.array,
            self.number.array.astype(np.int32),
            self.base.array.astype(np.uint32),
            self.children.array.astype(np.uint32),
        )

    def _find(self, based: BasedNode, levels: dict[BasedNode, int]) -> int:
        """Note the levels of nodes that are not there yet: a comparison has 0, a composite is above its children."""
        if based in levels:
            return levels[based]
        base, node = based
        level = 1 + max((self._find((base, child), levels) for child in children(node)), default=-1)
        if based not in self._numbers:
            levels[based] = level
        return level

    def _append(
        self, rows: Sequence[tuple[int, int, int, float, int, int, int]], nodes: Sequence[list[BasedNode]]
    ) -> None:
        if not rows:
            return
        first = self.size
        columns = list(zip(*rows, strict=True))
        pools = (self.code, self.left, self.right, self.constant, self.number, self.base, self.level)
        for pool, column in zip(pools, columns, strict=True):
            pool.add(column)
        numbered = self._places.add([first + offset for offset, same in enumerate(nodes) for _ in same])
        self._numbers |= {based: number for number, based in enumerate(chain.from_iterable(nodes), numbered)}

    def _number(self, based: BasedNode, truth: int) -> None:
        self._numbers[based] = self._places.add([truth])


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below a node."""
    match node:
        case Not(child) | For(child) | Within(child) | Before(child) | Every(child):
            return (child,)
        case All(below) | Any(below) | AtLeast(_, below):
            return below
        case Comparison() | During():
            return ()


def _leaf_key(based: BasedNode, slot_of: Callable[[int, Operand | During], int]) -> tuple[int, int, int, float]:
    """(code, left slot, right slot or -1, constant). Two bases that read the same slots share the comparison."""
    base, leaf = based
    if isinstance(leaf, During):
        return COMPARISON_CODES.index(">"), slot_of(base, leaf), -1, 0.0
    assert isinstance(leaf, Comparison)
    left = slot_of(base, leaf.left)
    if isinstance(leaf.right, Number):
        return COMPARISON_CODES.index(leaf.operator), left, -1, leaf.right.value
    return COMPARISON_CODES.index(leaf.operator), left, slot_of(base, leaf.right), 0.0


def _run_key(row: tuple[int, int, int, float, int, int, int]) -> tuple[int, bool, int, float]:
    code, left, right, constant = row[:4]
    return code, right < 0, left, constant


def _find_runs(program: Program, first: int) -> NDArray[np.int64]:
    """The runs of the truths from ``first`` onwards."""
    pools = (program.code, program.left, program.right, program.level)
    code, left, right, level = (pool.array[first:] for pool in pools)
    form = np.where(code >= ALL, COMPOSITES, np.where(right < 0, CONSTANTS, SLOTS))
    more = np.select([form == COMPOSITES, form == CONSTANTS], [right, left], -1)
    # A slot that is compared with many constants gets a run of its own.
    starts = np.flatnonzero(_changes(code, form, level, more))
    lengths = np.diff([*starts, code.size])
    many = np.repeat((form[starts] == CONSTANTS) & (lengths >= _CONSTANTS_A_SLOT), lengths)
    form = np.where(many, ONE_SLOT, form)
    more = np.where(form == CONSTANTS, -1, more)
    starts = np.flatnonzero(_changes(code, form, level, more))
    stops = np.append(starts[1:], code.size)
    return np.column_stack([code[starts], form[starts], starts + first, stops + first, more[starts]])


def _changes(*columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    changes = np.ones(columns[0].size, np.bool_)
    changes[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return changes


_KINDS: dict[type, int] = {
    All: ALL,
    Any: ANY,
    Not: NOT,
    AtLeast: AT_LEAST,
    For: FOR,
    Within: WITHIN,
    Every: EVERY,
    Before: BEFORE,
}


def _kind(node: Node) -> int:
    return _KINDS[type(node)]


def _count(node: Node) -> int:
    match node:
        case AtLeast(count, _):
            return count
        case For(_, bars) | Within(_, bars):
            return bars
        case _:
            return 0
