"""From conditions of one timeframe to what has to be computed for them, each thing once.

    conditions -> series -> readings: prices and indicators, an indicator's series side by side as lanes
               -> delays `[k]` -> views of other series' values -> arithmetic          (all of these are slots)
               -> comparisons as columns, grouped by operator and sorted by slot -> composites by level

Equal nodes of the trees are one dictionary key, so what two conditions share exists once. Every slot is *owned* by the
series whose steps move it: readings and delays by the series that they read, views, arithmetic and truths by the base
series of their conditions. A view is what a base sees of another series (another instrument, another timeframe): the
value on that series' last closed slot. The plan is pure data: ``flows.evaluate`` runs it candle by candle,
``flows.history`` over a history.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.program import Program, compile_program
from indicators.catalogue import Indicator, find
from registry.conditions import Condition
from registry.expression import (
    Arithmetic,
    For,
    IndicatorOutput,
    Node,
    Number,
    Operand,
    Price,
    Series,
    Within,
    operands,
    variables,
)
from registry.surface import children_of

ARITHMETIC = ("+", "-", "*", "/")
"""Position = code of an arithmetic slot."""

Variable = Price | IndicatorOutput
Computation = tuple[str, tuple[tuple[str, float], ...], str | None, str]
"""What lanes share: indicator, parameters, source, timeframe."""


@dataclass(frozen=True)
class PriceBlock:
    """One price of several series of one timeframe; the value of ``series[i]`` is in slot ``first_slot + i``."""

    field: str
    timeframe: str
    series: NDArray[np.int64]
    first_slot: int

    @property
    def stop_slot(self) -> int:
        return self.first_slot + self.series.size


@dataclass(frozen=True)
class IndicatorBlock:
    """One indicator over several series of one timeframe; output ``o`` of ``series[i]`` is in slot
    ``first_slot + o * lanes + i``."""

    indicator: Indicator
    parameters: dict[str, float]
    source: str | None
    timeframe: str
    series: NDArray[np.int64]
    first_slot: int

    @property
    def lanes(self) -> int:
        return self.series.size

    @property
    def stop_slot(self) -> int:
        return self.first_slot + len(self.indicator.outputs) * self.lanes


@dataclass(frozen=True)
class Delays:
    """Slot ``slots[i]`` holds what slot ``sources[i]`` held ``steps[i]`` steps of its series before."""

    slots: NDArray[np.int64]
    sources: NDArray[np.int64]
    steps: NDArray[np.int64]


@dataclass(frozen=True)
class Views:
    """Slot ``slots[i]`` shows its owner what slot ``sources[i]`` of another series holds."""

    slots: NDArray[np.int64]
    sources: NDArray[np.int64]


@dataclass(frozen=True)
class ArithmeticSlots:
    """Slot ``slots[i]`` is ``left[i] code right[i]``; a side that is not a slot (-1) is its constant. Inputs first."""

    slots: NDArray[np.int64]
    codes: NDArray[np.int64]
    left: NDArray[np.int64]
    left_constants: NDArray[np.float64]
    right: NDArray[np.int64]
    right_constants: NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """Everything that judging ``conditions`` needs. Arrays named after conditions are in their order (by id)."""

    timeframe: str
    conditions: tuple[Condition, ...]
    series: tuple[Series, ...]
    """Base series and all others that are read, sorted by name."""
    is_base: NDArray[np.bool_]
    prices: tuple[PriceBlock, ...]
    indicators: tuple[IndicatorBlock, ...]
    delays: Delays
    views: Views
    arithmetic: ArithmeticSlots
    owners: NDArray[np.int64]
    """Slot -> index of the series whose steps move it."""
    program: Program
    roots: NDArray[np.int64]
    """Condition -> truth index."""
    momentary: NDArray[np.bool_]
    base: NDArray[np.int64]
    """Condition -> index of its base series."""
    settle: tuple[tuple[tuple[int, int], ...], ...]
    """Condition -> (series, candles of it after which its indicators have settled)."""
    indicator_counts: NDArray[np.int64]
    """Condition -> distinct indicators that it reads."""
    series_counts: NDArray[np.int64]
    """Condition -> distinct series that it reads."""
    memory: int
    """Steps of a base series that truths look back over ``for`` and ``within``."""
    shown: tuple[tuple[tuple[Operand, int], ...], ...]
    """Condition -> the operands that it compares, constants aside, and their slots."""

    @property
    def slots(self) -> int:
        return self.owners.size

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Timeframes of the series that are read, the plan's own last."""
        others = {series.timeframe for series in self.series} - {self.timeframe}
        return (*sorted(others), self.timeframe)

    @property
    def is_alone(self) -> bool:
        """Whether every condition reads its base series only."""
        return bool(self.is_base.all()) and self.views.slots.size == 0

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
    bases = {condition.series for condition in unique}
    read = dict.fromkeys(variable for condition in unique for variable in variables(condition.tree))
    series = tuple(sorted(bases | {variable.series for variable in read}, key=str))
    index = {held: position for position, held in enumerate(series)}
    layout = _Layout(index)
    layout.read(read)
    slot_of = {
        (condition.series, operand): layout.slot(condition.series, operand)
        for condition in unique
        for operand in operands(condition.tree)
        if not isinstance(operand, Number)
    }
    roots = [(index[condition.series], condition.tree) for condition in unique]
    program, truth_of = compile_program(roots, lambda base, operand: slot_of[series[base], operand])
    return Plan(
        timeframe=timeframe,
        conditions=tuple(unique),
        series=series,
        is_base=np.array([held in bases for held in series], np.bool_),
        prices=tuple(layout.prices),
        indicators=tuple(layout.indicators),
        delays=layout.delays(),
        views=layout.views(),
        arithmetic=layout.arithmetic(),
        owners=np.array(layout.owners, np.int64),
        program=program,
        roots=np.array([truth_of[root] for root in roots], np.int64),
        momentary=np.array([condition.momentary for condition in unique], np.bool_),
        base=np.array([index[condition.series] for condition in unique], np.int64),
        settle=tuple(
            tuple((index[held], candles) for held, candles in settle(condition).items()) for condition in unique
        ),
        indicator_counts=np.array([len(indicator_nodes(condition)) for condition in unique], np.int64),
        series_counts=np.array([len(condition.all_series) for condition in unique], np.int64),
        memory=max(memory(condition.tree) for condition in unique),
        shown=tuple(
            tuple(
                (operand, slot_of[condition.series, operand])
                for operand in dict.fromkeys(operands(condition.tree))
                if not isinstance(operand, Number)
            )
            for condition in unique
        ),
    )


IndicatorNode = tuple[str, tuple[tuple[str, float], ...], str | None, Series]
"""What is computed once: indicator, parameters, source, series."""


def indicator_nodes(condition: Condition) -> set[IndicatorNode]:
    """The distinct indicators that a condition reads; several outputs of one are one computation."""
    return {
        (variable.indicator, variable.parameters, variable.source, variable.series)
        for variable in variables(condition.tree)
        if isinstance(variable, IndicatorOutput)
    }


def settle(condition: Condition) -> dict[Series, int]:
    """Series -> candles since its anchor after which all indicators of a condition on it have settled."""
    found = dict.fromkeys(condition.all_series, 0)
    for name, parameters, _, series in indicator_nodes(condition):
        found[series] = max(found[series], find(name).settle(dict(parameters)))
    return found


def memory(node: Node) -> int:
    """Steps before the present one on which a truth depends, offsets of operands aside."""
    below = max((memory(child) for child in children_of(node)), default=0)
    return below + (node.bars - 1 if isinstance(node, For | Within) else 0)


class _Layout:
    """Gives each value its slot."""

    def __init__(self, index: dict[Series, int]) -> None:
        self.index = index
        self.prices: list[PriceBlock] = []
        self.indicators: list[IndicatorBlock] = []
        self.owners: list[int] = []
        self._slots: dict[tuple[int | None, Operand], int] = {}
        self._delays: list[tuple[int, int, int]] = []
        self._views: list[tuple[int, int]] = []
        self._arithmetic: list[tuple[int, int, int, float, int, float]] = []

    def read(self, variables_read: Iterable[Variable]) -> None:
        """Blocks for what is read, and its delays."""
        fields: dict[tuple[str, str], set[int]] = {}
        computations: dict[Computation, set[int]] = {}
        present = dict.fromkeys(_undelayed(variable) for variable in variables_read)
        for variable in present:
            timeframe, lane = variable.series.timeframe, self.index[variable.series]
            if isinstance(variable, Price):
                fields.setdefault((variable.field, timeframe), set()).add(lane)
            else:
                computations.setdefault(_computation(variable), set()).add(lane)
        price_of: dict[tuple[str, str], PriceBlock] = {}
        for (field, timeframe), held in sorted(fields.items()):
            price = PriceBlock(field, timeframe, np.array(sorted(held), np.int64), len(self.owners))
            self.prices.append(price)
            price_of[field, timeframe] = price
            self.owners += price.series.tolist()
        block_of: dict[Computation, IndicatorBlock] = {}
        for key, held in sorted(computations.items(), key=str):
            name, parameters, source, timeframe = key
            lanes = np.array(sorted(held), np.int64)
            block = IndicatorBlock(find(name), dict(parameters), source, timeframe, lanes, len(self.owners))
            self.indicators.append(block)
            block_of[key] = block
            self.owners += lanes.tolist() * len(block.indicator.outputs)
        for variable in present:
            lane = self.index[variable.series]
            if isinstance(variable, Price):
                price = price_of[variable.field, variable.series.timeframe]
                self._slots[None, variable] = price.first_slot + int(np.searchsorted(price.series, lane))
            else:
                block = block_of[_computation(variable)]
                output = [output.name for output in block.indicator.outputs].index(variable.output)
                column = int(np.searchsorted(block.series, lane))
                self._slots[None, variable] = block.first_slot + output * block.lanes + column
        for variable in variables_read:
            if variable.offset and (None, variable) not in self._slots:
                source_slot = self._slots[None, _undelayed(variable)]
                slot = self._new((None, variable), self.index[variable.series])
                self._delays.append((slot, source_slot, variable.offset))

    def slot(self, base: Series, operand: Operand) -> int:
        """The slot in which conditions of ``base`` find an operand."""
        owner = self.index[base]
        if isinstance(operand, Arithmetic):
            return self._arithmetic_slot(base, operand)
        if isinstance(operand, Number):
            raise TypeError("a constant has no slot")
        reading = self._slots[None, operand]
        if operand.series == base:
            return reading
        if (owner, operand) not in self._slots:
            self._views.append((self._new((owner, operand), owner), reading))
        return self._slots[owner, operand]

    def _arithmetic_slot(self, base: Series, operand: Arithmetic) -> int:
        owner = self.index[base]
        if (owner, operand) not in self._slots:
            sides = [
                (-1, side.value) if isinstance(side, Number) else (self.slot(base, side), np.nan)
                for side in (operand.left, operand.right)
            ]
            slot = self._new((owner, operand), owner)
            self._arithmetic.append((slot, ARITHMETIC.index(operand.operator), *sides[0], *sides[1]))
        return self._slots[owner, operand]

    def _new(self, key: tuple[int | None, Operand], owner: int) -> int:
        self._slots[key] = len(self.owners)
        self.owners.append(owner)
        return self._slots[key]

    def delays(self) -> Delays:
        """All delays."""
        return Delays(*(np.array(column, np.int64) for column in _transposed(self._delays, 3)))

    def views(self) -> Views:
        """All views."""
        return Views(*(np.array(column, np.int64) for column in _transposed(self._views, 2)))

    def arithmetic(self) -> ArithmeticSlots:
        """All arithmetic, inputs before what uses them."""
        slots, codes, left, left_constants, right, right_constants = _transposed(self._arithmetic, 6)
        return ArithmeticSlots(
            np.array(slots, np.int64),
            np.array(codes, np.int64),
            np.array(left, np.int64),
            np.array(left_constants, np.float64),
            np.array(right, np.int64),
            np.array(right_constants, np.float64),
        )


def _transposed(rows: list[tuple[int, ...]] | list[tuple[int, int, int, float, int, float]], width: int) -> list[list[float]]:
    return [[row[column] for row in rows] for column in range(width)]


def _undelayed(variable: Variable) -> Variable:
    return replace(variable, offset=0) if variable.offset else variable


def _computation(variable: IndicatorOutput) -> Computation:
    return variable.indicator, variable.parameters, variable.source, variable.series.timeframe
