"""What the judging kernels run: comparisons as columns, then composites level by level."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any as Anything

import numpy as np
from numpy.typing import NDArray

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
"""Position = code in a program's segments."""

ALL, ANY, NOT, AT_LEAST, FOR, WITHIN, EVERY = range(7)
"""Codes of composites."""

Based = tuple[int, Node]
"""A node of a condition with a base series: what looks back does so over the base's steps."""


@dataclass(frozen=True)
class Program:
    """Columns for the judging kernels.

    A segment is (operator code, 1 if against constants, first leaf, one past the last leaf). Leaf ``i`` compares slot
    ``left[i]`` with slot ``right[i]`` or with ``constants[i]``. Composite ``j`` has the truth index ``leaves + j``, the
    children ``children[starts[j]:starts[j + 1]]``, which are truth indices below its own, a ``number`` (of children or
    bars) where its kind has one, and the base series ``bases[j]`` whose steps it follows.
    """

    segments: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    constants: NDArray[np.float64]
    kinds: NDArray[np.int64]
    numbers: NDArray[np.int64]
    bases: NDArray[np.int64]
    starts: NDArray[np.int64]
    children: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of truths: leaves and composites."""
        return self.left.size + self.kinds.size

    def arrays(self) -> tuple[NDArray[Anything], ...]:
        """The columns in the order that the kernels take them."""
        return (
            self.segments,
            self.left,
            self.right,
            self.constants,
            self.kinds,
            self.numbers,
            self.bases,
            self.starts,
            self.children,
        )


def compile_program(roots: Sequence[Based], slot_of: Callable[[int, Operand], int]) -> tuple[Program, dict[Based, int]]:
    """The program for the trees of conditions, and the truth index of each of their nodes.

    ``slot_of(base, operand)`` is the slot in which conditions of a base series find an operand.
    """
    levels: dict[Based, int] = {}
    for base, tree in roots:
        _level(base, tree, levels)

    def leaf_key(based: Based) -> tuple[int, int, int, float]:
        base, leaf = based
        assert isinstance(leaf, Comparison)
        constant = isinstance(leaf.right, Number)
        right = leaf.right.value if isinstance(leaf.right, Number) else slot_of(base, leaf.right)
        return OPERATORS.index(leaf.operator), int(constant), slot_of(base, leaf.left), right

    # Leaves of one operator and kind of right side stand together, sorted by what they read. Two bases that read the
    # same slot in the same way share the leaf.
    keys = sorted({leaf_key(based) for based in levels if isinstance(based[1], Comparison)})
    leaf_of = {key: position for position, key in enumerate(keys)}
    truth_of = {based: leaf_of[leaf_key(based)] for based in levels if isinstance(based[1], Comparison)}
    composites = sorted((based for based in levels if based not in truth_of), key=lambda based: levels[based])
    below: list[int] = []
    starts = [0]
    for base, node in composites:
        truth_of[base, node] = len(keys) + len(starts) - 1
        below += [truth_of[base, child] for child in children(node)]
        starts.append(len(below))
    program = Program(
        segments=_segments(keys),
        left=np.array([key[2] for key in keys], np.int64),
        right=np.array([0 if key[1] else key[3] for key in keys], np.int64),
        constants=np.array([key[3] if key[1] else np.nan for key in keys], np.float64),
        kinds=np.array([_kind(node) for _, node in composites], np.int64),
        numbers=np.array([_number(node) for _, node in composites], np.int64),
        bases=np.array([base for base, _ in composites], np.int64),
        starts=np.array(starts, np.int64),
        children=np.array(below, np.int64),
    )
    return program, truth_of


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below a node."""
    match node:
        case Not(child) | For(child) | Within(child) | Every(child):
            return (child,)
        case All(below) | Any(below) | AtLeast(_, below):
            return below
        case Comparison():
            return ()


def _level(base: int, node: Node, levels: dict[Based, int]) -> int:
    if (base, node) not in levels:
        levels[base, node] = 1 + max((_level(base, child, levels) for child in children(node)), default=-1)
    return levels[base, node]


def _segments(keys: Sequence[tuple[int, int, int, float]]) -> NDArray[np.int64]:
    segments: list[list[int]] = []
    for position, (code, constant, _, _) in enumerate(keys):
        if not segments or segments[-1][:2] != [code, constant]:
            segments.append([code, constant, position, position])
        segments[-1][3] = position + 1
    return np.array(segments, np.int64).reshape(-1, 4)


def _kind(node: Node) -> int:
    kinds: dict[type, int] = {All: ALL, Any: ANY, Not: NOT, AtLeast: AT_LEAST, For: FOR, Within: WITHIN, Every: EVERY}
    return kinds[type(node)]


def _number(node: Node) -> int:
    match node:
        case AtLeast(count, _):
            return count
        case For(_, bars) | Within(_, bars):
            return bars
        case _:
            return 0
