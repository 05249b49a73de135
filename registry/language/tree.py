"""The tree of a condition: frozen values, equal when they mean the same node.

    BTCUSDT 1h: rsi(14)@4h < 30 and close crosses_above sma(20)[1]

    All(Comparison("<", IndicatorOutput(BTCUSDT 4h, rsi, ...), Number(30)),
        Comparison("crosses_above", Price(BTCUSDT 1h, close), IndicatorOutput(BTCUSDT 1h, sma, ..., offset=1)))

Every operand carries its own series, so nothing above it has to know where a value comes from: two conditions of
different series never share a node, and one comparison may read several series.

These few nodes are all that is judged. Whatever else can be written (``between``, ``rises_by``, ...) is in
``registry.language.surface`` and is reduced to them. Time windows are in ``registry.language.time_windows``.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from common.errors import ConditionError
from registry.groups import Series
from registry.language.time_windows import During

LARGEST_NUMBER = 1e15

ArithmeticOperator = Literal["+", "-", "*", "/"]
FunctionName = Literal["abs", "min", "max"]
Operator = Literal["<", "<=", ">", ">=", "crosses_above", "crosses_below"]

CROSSINGS: frozenset[Operator] = frozenset({"crosses_above", "crosses_below"})
"""Operators that look one step back: ``a crosses_above b`` is ``a > b`` and, one step before, ``a <= b``."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant; raises :class:`ConditionError` unless it is a number from -1e15 to 1e15."""

    value: float

    def __post_init__(self) -> None:
        if math.isnan(self.value):
            raise ConditionError("nothing can be compared with nan; write a number")
        if abs(self.value) > LARGEST_NUMBER:
            raise ConditionError(f"number {self.value:g} is too large; numbers go from -1e15 to 1e15")


@dataclass(frozen=True, slots=True)
class Price:
    """A column of a candle, or a mean of columns: ``open high low close volume hl2 hlc3 ohlc4``.

    ``offset`` is the number of steps back on the operand's own series.
    """

    series: Series
    field: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class IndicatorOutput:
    """One output of a catalogue entry, ``offset`` steps back on its own series.

    ``parameters`` is complete and in the catalogue's order. ``source`` is what it is computed from: the name of a
    price, or any other operand of the same series without steps back (:mod:`registry.language.sources`); ``None`` for
    indicators that always read the same columns.
    """

    series: Series
    indicator: str
    parameters: tuple[tuple[str, float], ...]
    source: "str | Operand | None"
    output: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two operands combined in float64; not known where an operand or the result is not finite."""

    operator: ArithmeticOperator
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Function:
    """``abs`` of one operand, ``min`` or ``max`` of two or more; not known where one of them is not finite.

    Raises :class:`ConditionError` for another number of operands.
    """

    name: FunctionName
    operands: "tuple[Operand, ...]"

    def __post_init__(self) -> None:
        count = len(self.operands)
        if self.name == "abs" and count != 1:
            raise ConditionError(f"abs takes one operand, got {count}; write abs(close - open)")
        if self.name != "abs" and count < 2:
            raise ConditionError(f"{self.name} takes two or more operands, got {count}; write {self.name}(open, close)")


Variable = Price | IndicatorOutput
Operand = Number | Variable | Arithmetic | Function


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


Child_co = TypeVar("Child_co", covariant=True)
"""What composites consist of: canonical nodes here, nodes as written in ``registry.language.surface``."""


@dataclass(frozen=True, slots=True)
class All(Generic[Child_co]):
    """FALSE if a child is FALSE, else UNKNOWN if one is UNKNOWN, else TRUE."""

    children: tuple[Child_co, ...]


@dataclass(frozen=True, slots=True)
class Any(Generic[Child_co]):
    """TRUE if a child is TRUE, else UNKNOWN if one is UNKNOWN, else FALSE."""

    children: tuple[Child_co, ...]


@dataclass(frozen=True, slots=True)
class Not(Generic[Child_co]):
    """TRUE and FALSE swapped, UNKNOWN kept."""

    child: Child_co


@dataclass(frozen=True, slots=True)
class AtLeast(Generic[Child_co]):
    """TRUE if ``count`` children are TRUE, FALSE if not even the UNKNOWN ones could make up ``count``, else UNKNOWN."""

    count: int
    children: tuple[Child_co, ...]


@dataclass(frozen=True, slots=True)
class For(Generic[Child_co]):
    """``All`` of the child at the last ``bars`` slots of the base series; UNKNOWN from the first missing slot on."""

    child: Child_co
    bars: int


@dataclass(frozen=True, slots=True)
class Within(Generic[Child_co]):
    """``Any`` of the child at the last ``bars`` slots of the base series; UNKNOWN from the first missing slot on."""

    child: Child_co
    bars: int


@dataclass(frozen=True, slots=True)
class Before(Generic[Child_co]):
    """The child's truth one step of the base series earlier; UNKNOWN if that slot is missing."""

    child: Child_co


@dataclass(frozen=True, slots=True)
class Every(Generic[Child_co]):
    """The child's truth, fired on every candle on which it is TRUE; only at the top of a tree."""

    child: Child_co


Node = (
    Comparison
    | During
    | All["Node"]
    | Any["Node"]
    | Not["Node"]
    | AtLeast["Node"]
    | For["Node"]
    | Within["Node"]
    | Before["Node"]
    | Every["Node"]
)


def comparisons(node: Node) -> Iterator[Comparison]:
    """The comparisons of a tree from left to right, including repetitions."""
    match node:
        case Comparison():
            yield node
        case During():
            return
        case Not(child) | For(child) | Within(child) | Before(child) | Every(child):
            yield from comparisons(child)
        case All(children) | Any(children) | AtLeast(_, children):
            for child in children:
                yield from comparisons(child)


def windows(node: Node) -> Iterator[During]:
    """The time windows of a tree from left to right, including repetitions."""
    match node:
        case During():
            yield node
        case Comparison():
            return
        case Not(child) | For(child) | Within(child) | Before(child) | Every(child):
            yield from windows(child)
        case All(children) | Any(children) | AtLeast(_, children):
            for child in children:
                yield from windows(child)


def operands(node: Node) -> Iterator[Operand]:
    """The two sides of each comparison from left to right, including repetitions."""
    for comparison in comparisons(node):
        yield comparison.left
        yield comparison.right


def parts_of(operand: Operand) -> "tuple[Operand, ...]":
    """The operands that an operand is calculated from, from left to right; none of a number or a variable."""
    match operand:
        case Arithmetic(_, left, right):
            return left, right
        case Function(_, inner):
            return inner
        case _:
            return ()


def variables(part: Node | Operand) -> Iterator[Variable]:
    """The prices and indicator outputs of a tree or an operand from left to right, including repetitions.

    What their sources are computed from is not among them: see :func:`readings`.
    """
    match part:
        case Price() | IndicatorOutput():
            yield part
        case Number():
            return
        case Arithmetic() | Function():
            for inner in parts_of(part):
                yield from variables(inner)
        case _:
            for operand in operands(part):
                yield from variables(operand)


def nested_source(variable: Variable) -> Operand | None:
    """The operand that an indicator is computed from; ``None`` for prices, and for indicators of columns of candles."""
    if isinstance(variable, Price) or variable.source is None or isinstance(variable.source, str):
        return None
    return variable.source


def readings(part: Node | Operand) -> Iterator[Variable]:
    """The variables of a tree or an operand and those that their sources are computed from, inner ones first."""
    for variable in variables(part):
        source = nested_source(variable)
        if source is not None:
            yield from readings(source)
        yield variable


def is_momentary(node: Node) -> bool:
    """Whether the condition fires on every TRUE candle instead of when it becomes TRUE.

    The tree must be canonical, so that two spellings of a condition get the same answer.
    """
    match node:
        case Every():
            return True
        case Comparison(operator):
            return operator in CROSSINGS
        case All(children):
            return any(is_momentary(child) for child in children)
        case Any(children) | AtLeast(_, children):
            return all(is_momentary(child) for child in children)
        case Not() | For() | Within() | Before() | During():
            return False
