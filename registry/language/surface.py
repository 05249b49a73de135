"""What a trader can write: the nodes of a canonical tree, and those that ``registry.language.desugar`` reduces to them.

    rsi between 40 and 60                Channel("between", rsi, 40, 60)
    close crosses sma(50)                Crosses(close, sma(50))
    rsi < 30 then close > open within 3 bars     Then(rsi < 30, close > open, 3)
    close rises_by 5% within 3 bars      PriceMove("rises_by", close, 5, percent=True, bars=3)
    volume rising 3 bars                 Trend("rising", volume, 3)

A meaningless node raises :class:`ConditionError` when it is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from common.errors import ConditionError
from registry.language.arithmetic import folded
from registry.language.limits import (
    LEVELS_OF_THEN,
    MOST_UNFOLDED,
    Limits,
    check_bars,
    too_deep,
    too_many,
    too_many_operands,
)
from registry.language.time_windows import During, check_timeframe
from registry.language.tree import (
    CROSSINGS,
    All,
    Any,
    Arithmetic,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    Function,
    IndicatorOutput,
    Not,
    Number,
    Operand,
    Within,
    nested_source,
    parts_of,
)

ChannelOperator = Literal["between", "outside", "enters", "exits"]
MoveOperator = Literal["rises_by", "falls_by"]
TrendOperator = Literal["rising", "falling"]


@dataclass(frozen=True, slots=True)
class Crosses:
    """A crossing in either direction."""

    left: Operand
    right: Operand

    def __post_init__(self) -> None:
        _refuse_constants(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Channel:
    """Where ``value`` is, or goes, relative to the channel from ``low`` to ``high``, bounds included."""

    operator: ChannelOperator
    value: Operand
    low: Operand
    high: Operand

    def __post_init__(self) -> None:
        low, high = folded(self.low), folded(self.high)
        _refuse_constants(self.value, low)
        _refuse_constants(self.value, high)
        if isinstance(low, Number) and isinstance(high, Number) and low.value > high.value:
            raise ConditionError(
                f"the channel from {low.value:g} to {high.value:g} is empty; write the lower bound first"
            )


@dataclass(frozen=True, slots=True)
class PriceMove:
    """Whether ``value`` is ``amount``, or ``amount`` percent, above (below) what it was at one of ``bars`` steps."""

    operator: MoveOperator
    value: Operand
    amount: Operand
    percent: bool = False
    bars: int = 1

    def __post_init__(self) -> None:
        amount = folded(self.amount)
        if isinstance(folded(self.value), Number):
            raise ConditionError("a number does not move; name a price or an indicator")
        if self.percent and not isinstance(self.amount, Number):
            raise ConditionError("a percentage is a number such as 5%")
        if isinstance(amount, Number) and amount.value <= 0:
            other = "falls_by" if self.operator == "rises_by" else "rises_by"
            raise ConditionError(f"{self.operator} needs an amount above 0, got {amount.value:g}; see {other}")
        check_bars(self.bars)


@dataclass(frozen=True, slots=True)
class Trend:
    """Whether ``value`` was above (below) the one before on each of the last ``bars`` candles."""

    operator: TrendOperator
    value: Operand
    bars: int = 1

    def __post_init__(self) -> None:
        if isinstance(folded(self.value), Number):
            raise ConditionError("a number neither rises nor falls; name a price or an indicator")
        check_bars(self.bars)


@dataclass(frozen=True, slots=True)
class Then:
    """``second`` now, and ``first`` on one of the ``bars`` steps before: ``second and before(first) within N bars``."""

    first: "SurfaceNode"
    second: "SurfaceNode"
    bars: int

    def unfolded(self) -> "All[SurfaceNode]":
        """The same in terms of other nodes."""
        return All((self.second, Within(Before(self.first), self.bars)))


Leaf = Comparison | Crosses | Channel | PriceMove | Trend
SurfaceNode = (
    Leaf
    | During
    | All["SurfaceNode"]
    | Any["SurfaceNode"]
    | Not["SurfaceNode"]
    | AtLeast["SurfaceNode"]
    | For["SurfaceNode"]
    | Within["SurfaceNode"]
    | Before["SurfaceNode"]
    | Then
    | Every["SurfaceNode"]
)


def check_comparison(node: Comparison) -> Comparison:
    """``node``; refused if, once folded, it compares only constants."""
    _refuse_constants(node.left, node.right)
    return node


def children_of(node: SurfaceNode) -> tuple[SurfaceNode, ...]:
    """The nodes directly below ``node``."""
    match node:
        case Not(child) | For(child) | Within(child) | Before(child) | Every(child):
            return (child,)
        case Then(first, second):
            return (first, second)
        case All(children) | Any(children) | AtLeast(_, children):
            return children
        case _:
            return ()


def check_windows(node: SurfaceNode, timeframe: str) -> None:
    """Refuses a condition of nothing but time windows, and a window in which no candle of its timeframe opens.

    Behind a ``not``, the window that stands for the opposite is looked at too.
    """
    waiting, has_comparison = [(node, False)], False
    while waiting:
        part, negated = waiting.pop()
        if isinstance(part, During):
            check_timeframe(part, timeframe)
            if negated and (opposite := part.opposite()) is not None:
                check_timeframe(opposite, timeframe)
        has_comparison |= isinstance(part, Comparison | Crosses | Channel | PriceMove | Trend)
        waiting += [(child, negated is not isinstance(part, Not)) for child in reversed(children_of(part))]
    if not has_comparison:
        raise ConditionError(
            "a time window is part of a condition, never all of it; join it with what should happen then:"
            " close > sma(200) and during(08:00-16:00)"
        )


def check_size(node: SurfaceNode, limits: Limits) -> None:
    """Refuses a tree that is too deep, has too many comparisons or reduces to too many operands.

    Nothing is built to count them, and rewriting to the canonical tree only ever drops some. So what is accepted as it
    was written is accepted again as the canonical text that is stored. Does not recurse: the tree may have been built
    by a program.
    """
    leaves = reduced = 0
    waiting: list[tuple[SurfaceNode, int]] = [(node, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > limits.levels:
            raise ConditionError(too_deep(limits))
        if isinstance(part, Comparison | Crosses | Channel | PriceMove | Trend | During):
            leaves += 1
            if leaves > limits.leaves:
                raise ConditionError(too_many(limits))
            if isinstance(part, During):
                continue
            operands = sum(map(_size, operands_of(part)))
            if operands > limits.operands:
                raise ConditionError(too_many_operands(limits))
            reduced += _reduced(part)
        elif isinstance(part, Then):
            waiting += [(part.second, depth + 1), (part.first, depth + LEVELS_OF_THEN)]
        else:
            waiting += [(child, depth + 1) for child in children_of(part)]
    if reduced > MOST_UNFOLDED:
        raise ConditionError(
            f"the condition reduces to {reduced} operands, as rises_by and falls_by look at every candle; at most"
            f" {MOST_UNFOLDED} are allowed: look back over fewer bars, or register its parts as conditions of their own"
        )


def momentary(node: SurfaceNode, *, negated: bool = False) -> bool:  # noqa: PLR0911 - one return for each kind of node
    """Whether what was written fires on every TRUE candle instead of when it becomes TRUE.

    Crossings, ``crosses``, ``enters``, ``exits`` and ``every`` do; so does an ``any`` or ``k of`` of only these, and an
    ``all`` with one of them. Spellings that share a canonical text must share the answer, so the rewriting that is not
    desugaring is taken into account: ``not`` is pushed down first (``not not x`` is ``x``, ``not any(not x, not y)`` is
    ``all(x, y)``), ``n of n`` is ``all``, ``1 of`` is ``any``, and ``x for 1`` or ``x within 1`` is ``x``.
    """
    match node:
        case Every():
            return True
        case Comparison(operator):
            return operator in CROSSINGS and not negated
        case Crosses() | Channel("enters") | Channel("exits"):
            return not negated
        case Not(child):
            return momentary(child, negated=not negated)
        case For(child, bars) | Within(child, bars):
            return bars == 1 and momentary(child, negated=negated)
        case Then():
            return momentary(node.unfolded(), negated=negated)
        case All(children):
            answers = [momentary(child, negated=negated) for child in children]
            return all(answers) if negated else any(answers)
        case Any(children):
            answers = [momentary(child, negated=negated) for child in children]
            return any(answers) if negated else all(answers)
        case AtLeast(count, children):
            answers = [momentary(child, negated=negated) for child in children]
            whole = count == (1 if negated else len(children))
            return any(answers) if whole else all(answers)
        case _:
            return False


def operands_of(leaf: Leaf) -> tuple[Operand, ...]:
    """The operands as written, from left to right."""
    match leaf:
        case Comparison(_, left, right) | Crosses(left, right):
            return (left, right)
        case Channel(_, value, low, high):
            return (value, low, high)
        case PriceMove(_, value, amount):
            return (value, amount)
        case Trend(_, value):
            return (value,)


def atoms(operand: Operand) -> Iterator[Operand]:
    """The numbers and variables of an operand from left to right; does not recurse."""
    waiting = [operand]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Arithmetic | Function):
            waiting += reversed(parts_of(part))
        else:
            yield part


def _reduced(leaf: Leaf) -> int:
    """The number of operands that ``leaf`` reduces to; ``registry.language.desugar`` says to which comparisons."""
    sizes = [_size(operand) for operand in operands_of(leaf)]
    match leaf:
        case PriceMove(percent=True):
            return leaf.bars * (4 * sizes[0] + 2)
        case PriceMove():
            return leaf.bars * (2 * sizes[0] + sizes[1])
        case Channel(operator):
            value, low, high = sizes
            return (2 * value + low + high) * (2 if operator in ("enters", "exits") else 1)
        case Comparison():
            return sum(sizes)
        case Crosses() | Trend():
            return 2 * sum(sizes)


def _size(operand: Operand) -> int:
    """The numbers and variables of an operand and of its sources."""
    if isinstance(operand, IndicatorOutput):
        source = nested_source(operand)
        return 1 if source is None else 1 + _size(source)
    return sum(map(_size, atoms(operand))) if isinstance(operand, Arithmetic | Function) else 1


def _refuse_constants(left: Operand, right: Operand) -> None:
    # Both are folded first, so that a division by zero is refused on either side.
    if all([isinstance(folded(left), Number), isinstance(folded(right), Number)]):
        raise ConditionError(
            "both sides of the comparison are numbers, so it never changes; compare a price or an indicator"
        )
