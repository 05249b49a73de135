"""The tree of a condition: frozen values, equal when they mean the same node.

    BTCUSDT 1h: rsi(14) < 30 and close crosses_above sma(20)

    All(Comparison("<", IndicatorOutput(rsi, ...), Number(30)),
        Comparison("crosses_above", Price(close), IndicatorOutput(sma, ...)))

Every operand carries its own series, so nothing above it has to know where a value comes from: two conditions of
different series never share a node, and one comparison may read several series.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from registry.errors import ConditionError
from registry.instruments import Instrument

LARGEST_NUMBER = 1e15

Operator = Literal["<", "<=", ">", ">=", "crosses_above", "crosses_below"]

CROSSINGS: frozenset[Operator] = frozenset({"crosses_above", "crosses_below"})
"""Operators that look one step back: ``a crosses_above b`` is ``a > b`` and, one step before, ``a <= b``."""


@dataclass(frozen=True, slots=True)
class Series:
    """All candles of one instrument over one timeframe."""

    instrument: Instrument
    timeframe: str

    def __str__(self) -> str:
        return f"{self.instrument} {self.timeframe}"


@dataclass(frozen=True, slots=True)
class Number:
    """A constant; raises :class:`ConditionError` unless it is a number from -1e15 to 1e15."""

    value: float

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise ConditionError("nan cannot be compared with; write a number")
        if abs(self.value) > LARGEST_NUMBER:
            raise ConditionError(f"number {self.value:g} is too large; numbers go from -1e15 to 1e15")


@dataclass(frozen=True, slots=True)
class Price:
    """A column of a candle, or a mean of columns: ``open high low close volume hl2 hlc3 ohlc4``."""

    series: Series
    field: str


@dataclass(frozen=True, slots=True)
class IndicatorOutput:
    """One output of a catalogue entry.

    ``parameters`` is complete and in the catalogue's order. ``source`` is ``None`` for indicators that always read the
    same columns.
    """

    series: Series
    indicator: str
    parameters: tuple[tuple[str, float], ...]
    source: str | None
    output: str


Operand = Number | Price | IndicatorOutput


@dataclass(frozen=True, slots=True)
class Comparison:
    """UNKNOWN while an operand is not finite, exact float64 otherwise.

    Raises :class:`ConditionError` if both sides are constants: such a condition would never change.
    """

    operator: Operator
    left: Operand
    right: Operand

    def __post_init__(self) -> None:
        if isinstance(self.left, Number) and isinstance(self.right, Number):
            raise ConditionError(
                "both sides of the comparison are numbers, so it never changes; compare a price or an indicator"
            )


@dataclass(frozen=True, slots=True)
class All:
    """FALSE if a child is FALSE, else UNKNOWN if one is UNKNOWN, else TRUE."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """TRUE if a child is TRUE, else UNKNOWN if one is UNKNOWN, else FALSE."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """TRUE and FALSE exchanged, UNKNOWN kept."""

    child: "Node"


Node = Comparison | All | Any | Not


def comparisons(node: Node) -> Iterator[Comparison]:
    """The comparisons of a tree from left to right, repeated ones repeatedly."""
    match node:
        case Comparison():
            yield node
        case Not(child):
            yield from comparisons(child)
        case All(children) | Any(children):
            for child in children:
                yield from comparisons(child)


def operands(node: Node) -> Iterator[Operand]:
    """The operands of a tree from left to right, repeated ones repeatedly."""
    for comparison in comparisons(node):
        yield comparison.left
        yield comparison.right


def is_momentary(node: Node) -> bool:
    """Whether the condition fires on every TRUE candle instead of when it becomes TRUE.

    Asked of a canonical tree, so that two spellings of a condition get the same answer.
    """
    match node:
        case Comparison(operator):
            return operator in CROSSINGS
        case All(children):
            return any(is_momentary(child) for child in children)
        case Any(children):
            return all(is_momentary(child) for child in children)
        case Not():
            return False
