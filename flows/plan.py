"""From conditions of one timeframe to what has to be computed for them, each thing once.

    conditions -> series -> indicator blocks (one indicator, its series as lanes) -> slots of values
               -> comparisons as columns, grouped by operator and sorted by slot -> composites by level

Equal nodes of the trees are one dictionary key, so what two conditions share exists once. The plan is pure data:
``flows.evaluate`` runs it candle by candle, ``flows.scan`` over a history.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import Indicator, find
from registry.conditions import Condition
from registry.expression import (
    All,
    Any,
    Comparison,
    IndicatorOutput,
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Price,
    Series,
    operands,
)

OPERATORS: tuple[Operator, ...] = ("<", "<=", ">", ">=", "crosses_above", "crosses_below")
"""Position = code in a program's segments."""

ALL, ANY, NOT = 0, 1, 2
"""Codes of composites."""


@dataclass(frozen=True)
class PriceBlock:
    """One price of several series; the value of ``series[i]`` is in slot ``first_slot + i``."""

    field: str
    series: NDArray[np.int64]
    first_slot: int


@dataclass(frozen=True)
class IndicatorBlock:
    """One indicator over several series; output ``o`` of ``series[i]`` is in slot ``first_slot + o * lanes + i``."""

    indicator: Indicator
    parameters: dict[str, float]
    source: str | None
    series: NDArray[np.int64]
    first_slot: int

    @property
    def lanes(self) -> int:
        return self.series.size

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.indicator.outputs) * self.lanes


@dataclass(frozen=True)
class Program:
    """Columns for the judging kernels.

    A segment is (operator code, 1 if against constants, first leaf, one past the last leaf). Leaf ``i`` compares slot
    ``left[i]`` with slot ``right[i]`` or with ``constants[i]``. Composite ``j`` has the truth index ``leaves + j`` and
    the children ``children[starts[j]:starts[j + 1]]``, which are truth indices below its own.
    """

    segments: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    constants: NDArray[np.float64]
    kinds: NDArray[np.int64]
    starts: NDArray[np.int64]
    children: NDArray[np.int64]

    @property
    def size(self) -> int:
        """Number of truths: leaves and composites."""
        return self.left.size + self.kinds.size


@dataclass(frozen=True)
class Plan:
    """Everything that judging ``conditions`` needs. Arrays named after conditions are in their order (by id)."""

    timeframe: str
    conditions: tuple[Condition, ...]
    series: tuple[Series, ...]
    prices: tuple[PriceBlock, ...]
    indicators: tuple[IndicatorBlock, ...]
    slots: int
    slot_series: NDArray[np.int64]
    """Slot -> index of its series."""
    program: Program
    roots: NDArray[np.int64]
    """Condition -> truth index."""
    momentary: NDArray[np.bool_]
    base: NDArray[np.int64]
    """Condition -> index of its base series."""
    settle: NDArray[np.int64]
    """Condition -> candles after which all of its indicators have settled."""
    indicator_counts: NDArray[np.int64]
    """Condition -> distinct indicators that it reads."""
    operand_slots: dict[Operand, int]

    @property
    def lanes(self) -> NDArray[np.int64]:
        """Series -> indicators computed for it."""
        counts = np.zeros(len(self.series), np.int64)
        for block in self.indicators:
            counts[block.series] += 1
        return counts


def make_plan(conditions: Iterable[Condition]) -> Plan:
    """The plan for conditions of one timeframe; equal ones are planned once. At least one is needed."""
    unique = sorted({condition.id: condition for condition in conditions}.values(), key=lambda condition: condition.id)
    timeframe = unique[0].timeframe
    if any(condition.timeframe != timeframe for condition in unique):
        raise ValueError("a plan is made for the conditions of one timeframe")
    read = list(dict.fromkeys(operand for condition in unique for operand in operands(condition.tree)))
    variables = [operand for operand in read if not isinstance(operand, Number)]
    series = tuple(sorted({operand.series for operand in variables}, key=str))
    index = {held: position for position, held in enumerate(series)}
    prices, indicators, slot_of, slot_series = _lay_out(variables, index)
    program, truth_of = _compile([condition.tree for condition in unique], slot_of)
    return Plan(
        timeframe=timeframe,
        conditions=tuple(unique),
        series=series,
        prices=prices,
        indicators=indicators,
        slots=slot_series.size,
        slot_series=slot_series,
        program=program,
        roots=np.array([truth_of[condition.tree] for condition in unique], np.int64),
        momentary=np.array([condition.momentary for condition in unique], np.bool_),
        base=np.array([index[condition.series] for condition in unique], np.int64),
        settle=np.array([settle(condition) for condition in unique], np.int64),
        indicator_counts=np.array([len(indicator_nodes(condition)) for condition in unique], np.int64),
        operand_slots=slot_of,
    )


IndicatorNode = tuple[str, tuple[tuple[str, float], ...], str | None, Series]
"""What is computed once: indicator, parameters, source, series."""


def indicator_nodes(condition: Condition) -> set[IndicatorNode]:
    """The distinct indicators that a condition reads; several outputs of one are one computation."""
    return {
        (operand.indicator, operand.parameters, operand.source, operand.series)
        for operand in operands(condition.tree)
        if isinstance(operand, IndicatorOutput)
    }


def settle(condition: Condition) -> int:
    """Candles since the anchor after which all indicators of a condition have settled."""
    return max(
        (find(name).settle(dict(parameters)) for name, parameters, _, _ in indicator_nodes(condition)), default=0
    )


def _lay_out(
    variables: Sequence[Price | IndicatorOutput], index: dict[Series, int]
) -> tuple[tuple[PriceBlock, ...], tuple[IndicatorBlock, ...], dict[Operand, int], NDArray[np.int64]]:
    """Blocks, the slot of each operand, and the series of each slot."""
    fields: dict[str, set[int]] = {}
    nodes: dict[tuple[str, tuple[tuple[str, float], ...], str | None], set[int]] = {}
    for operand in variables:
        if isinstance(operand, Price):
            fields.setdefault(operand.field, set()).add(index[operand.series])
        else:
            key = (operand.indicator, operand.parameters, operand.source)
            nodes.setdefault(key, set()).add(index[operand.series])
    prices: dict[str, PriceBlock] = {}
    indicators: dict[tuple[str, tuple[tuple[str, float], ...], str | None], IndicatorBlock] = {}
    slot_series: list[NDArray[np.int64]] = []
    slots = 0
    for field, held in sorted(fields.items()):
        lanes = np.array(sorted(held), np.int64)
        prices[field] = PriceBlock(field, lanes, slots)
        slot_series.append(lanes)
        slots += lanes.size
    for key, held in sorted(nodes.items(), key=str):
        name, parameters, source = key
        block = IndicatorBlock(find(name), dict(parameters), source, np.array(sorted(held), np.int64), slots)
        indicators[key] = block
        slot_series.append(np.tile(block.series, len(block.indicator.outputs)))
        slots = block.stop_slot
    slot_of: dict[Operand, int] = {}
    for operand in variables:
        if isinstance(operand, Price):
            price = prices[operand.field]
            slot_of[operand] = price.first_slot + int(np.searchsorted(price.series, index[operand.series]))
        else:
            block = indicators[operand.indicator, operand.parameters, operand.source]
            output = [output.name for output in block.indicator.outputs].index(operand.output)
            lane = int(np.searchsorted(block.series, index[operand.series]))
            slot_of[operand] = block.first_slot + output * block.lanes + lane
    return (
        tuple(prices.values()),
        tuple(indicators.values()),
        slot_of,
        np.concatenate(slot_series) if slot_series else np.zeros(0, np.int64),
    )


def _compile(trees: Sequence[Node], slot_of: dict[Operand, int]) -> tuple[Program, dict[Node, int]]:
    """The columns, and the truth index of each node."""
    levels: dict[Node, int] = {}
    for tree in trees:
        _level(tree, levels)
    leaves = sorted(
        (node for node in levels if isinstance(node, Comparison)), key=lambda leaf: _leaf_key(leaf, slot_of)
    )
    truth_of: dict[Node, int] = {leaf: position for position, leaf in enumerate(leaves)}
    segments: list[list[int]] = []
    for position, leaf in enumerate(leaves):
        kind = [OPERATORS.index(leaf.operator), int(isinstance(leaf.right, Number))]
        if not segments or segments[-1][:2] != kind:
            segments.append([*kind, position, position])
        segments[-1][3] = position + 1
    composites = sorted((node for node in levels if not isinstance(node, Comparison)), key=lambda node: levels[node])
    children: list[int] = []
    starts = [0]
    for node in composites:
        truth_of[node] = len(leaves) + len(starts) - 1
        children += [truth_of[child] for child in _children(node)]
        starts.append(len(children))
    program = Program(
        segments=np.array(segments, np.int64).reshape(-1, 4),
        left=np.array([slot_of[leaf.left] for leaf in leaves], np.int64),
        right=np.array([slot_of.get(leaf.right, 0) for leaf in leaves], np.int64),
        constants=np.array(
            [leaf.right.value if isinstance(leaf.right, Number) else np.nan for leaf in leaves], np.float64
        ),
        kinds=np.array([_kind(node) for node in composites], np.int64),
        starts=np.array(starts, np.int64),
        children=np.array(children, np.int64),
    )
    return program, truth_of


def _level(node: Node, levels: dict[Node, int]) -> int:
    if node not in levels:
        levels[node] = 1 + max((_level(child, levels) for child in _children(node)), default=-1)
    return levels[node]


def _children(node: Node) -> tuple[Node, ...]:
    match node:
        case Comparison():
            return ()
        case Not(child):
            return (child,)
        case All(children) | Any(children):
            return children


def _kind(node: Node) -> int:
    match node:
        case All():
            return ALL
        case Any():
            return ANY
        case Not():
            return NOT
        case Comparison():
            raise TypeError("a comparison is a leaf")


def _leaf_key(leaf: Comparison, slot_of: dict[Operand, int]) -> tuple[int, int, int, float]:
    """Leaves of one operator and kind of right side stand together, sorted by what they read."""
    constant = isinstance(leaf.right, Number)
    right = leaf.right.value if isinstance(leaf.right, Number) else slot_of[leaf.right]
    return OPERATORS.index(leaf.operator), int(constant), slot_of[leaf.left], right
