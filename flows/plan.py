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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.layout import ArithmeticSlots, Delays, IndicatorBlock, Layout, PriceBlock, Views
from flows.program import Program, children, compile_program
from registry.conditions import Condition
from registry.expression import (
    For,
    IndicatorOutput,
    Node,
    Number,
    Operand,
    Series,
    Within,
    operands,
    variables,
)


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
    layout = Layout(index)
    layout.read(read)
    slot_of: dict[tuple[Series, Operand], int] = {
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
            tuple((index[held], needed.settle) for held, needed in condition.needed.items()) for condition in unique
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


def memory(node: Node) -> int:
    """Steps before the present one on which a truth depends, offsets of operands aside."""
    below = max((memory(child) for child in children(node)), default=0)
    return below + (node.bars - 1 if isinstance(node, For | Within) else 0)
