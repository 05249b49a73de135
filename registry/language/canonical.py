"""One tree for all spellings of a condition; the id is made from its text.

Each rule preserves the truth on every candle, including UNKNOWN. A comparison is UNKNOWN exactly while an operand is
not finite, whichever side it is on and whatever the operator; everything above follows Kleene's logic.

1. An operation on nothing but constants is folded in float64; ``+``, ``*``, ``min`` and ``max`` commute: constants go
   to the right, else the smaller text goes to the left. Nothing is reassociated: ``(x * 0.1) * 3`` is not ``x * 0.3``,
   and ``min(x, x)`` or ``min(x, min(y, z))`` stay as they are. The sources of indicators are operands like any other.
2. ``a < b`` is ``b > a``, and ``a crosses_above b`` is ``b crosses_below a``: both steps of a crossing mirror.
   Constants go to the right; of two other sides the one with the smaller text goes to the left.
3. ``macd.histogram OP 0`` is ``macd.line OP macd.signal``. The histogram is the float64 difference of the two, whose
   sign is exact because of gradual underflow, and the three have their values on the same candles.
4. ``not a < b`` is ``a >= b``. A crossing has no such counterpart: its ``not`` stays.
5. ``not not x`` is ``x``; ``not all(x, y)`` is ``any(not x, not y)`` and vice versa; ``not (k of n)`` is
   ``n-k+1 of`` the nots, as k TRUE ones leave n-k that are not; ``not (x for N bars)`` is ``(not x) within N bars``
   and vice versa, as both are ``all`` and ``any`` over candles (De Morgan's laws hold in Kleene's logic).
6. ``all`` within ``all`` and ``any`` within ``any`` are flattened; children are sorted by their text and equal ones
   dropped (Kleene's ``all`` and ``any`` are associative, commutative and idempotent); a single child stands alone.
7. ``1 of`` is ``any`` and ``n of n`` is ``all``, equal children or not. Any other ``k of`` is sorted and keeps equal
   children: each of them counts.
8. ``for 1 bar`` and ``within 1 bar`` are dropped. A ``for`` around another stays: nobody writes that by accident.
9. ``not during(...)`` is the window of all other weekdays, or of the rest of each day, if it is one window; else its
   ``not`` stays.
10. ``not before(x)`` is ``before(not x)``: a missing slot leaves both UNKNOWN. Nothing else moves into or out of
   ``before``.
11. ``every(x)`` is ``x`` where x fires on every TRUE candle anyway (``registry.language.desugar`` says why).

No rule assumes that a condition is TRUE or FALSE: ``any(x, not x)`` is UNKNOWN while x is, and stays as it is.
"""

from dataclasses import replace
from typing import Literal

from registry.groups import Series
from registry.language.arithmetic import folded
from registry.language.as_text.text import TextWriter
from registry.language.time_windows import During
from registry.language.tree import (
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
    Node,
    Not,
    Number,
    Operand,
    Operator,
    Within,
    is_momentary,
    nested_source,
)

_MIRRORED: dict[Operator, Operator] = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "crosses_above": "crosses_below",
    "crosses_below": "crosses_above",
}
_NEGATED: dict[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def canonicalise(node: Node, base: Series, *, momentary: bool = False) -> Node:
    """The canonical tree of a condition of the series ``base``; canonicalising it again changes nothing.

    With ``momentary`` the tree is made momentary if it is not.
    """
    inner = node.child if isinstance(node, Every) else node
    tree = _Rewriting(base).node(inner, negated=False)
    wanted = momentary or isinstance(node, Every)
    return Every(tree) if wanted and not is_momentary(tree) else tree


class _Rewriting:
    """Children are rewritten before their parent is assembled, so one pass reaches the fixpoint."""

    def __init__(self, base: Series) -> None:
        self._text = TextWriter(base).node

    def node(self, node: Node, *, negated: bool) -> Node:  # noqa: PLR0911 - one return for each kind of node
        """The canonical tree of ``node``, or of its negation."""
        match node:
            case Not(child):
                return self.node(child, negated=not negated)
            case Comparison(operator, left, right):
                if negated and operator not in _NEGATED:
                    return Not(self._compare(operator, left, right))
                return self._compare(_NEGATED[operator] if negated else operator, left, right)
            case All(children) | Any(children):
                parts = [self.node(child, negated=negated) for child in children]
                return self._compose("all" if isinstance(node, All) is not negated else "any", parts)
            case AtLeast(count, children):
                parts = [self.node(child, negated=negated) for child in children]
                return self._count(len(parts) - count + 1 if negated else count, parts)
            case For(child, bars) | Within(child, bars):
                inner = self.node(child, negated=negated)
                if bars == 1:
                    return inner
                return (For if isinstance(node, For) is not negated else Within)(inner, bars)
            case During():
                opposite = node.opposite()
                return node if not negated else Not(node) if opposite is None else opposite
            case Before(child):
                return Before(self.node(child, negated=negated))
            case Every():
                raise ValueError("every is allowed only at the top of a tree")

    def _compare(self, operator: Operator, left: Operand, right: Operand) -> Comparison:
        left, right = self._operand(folded(left)), self._operand(folded(right))
        if isinstance(left, Number):
            operator, left, right = _MIRRORED[operator], right, left
        match left, right:
            case IndicatorOutput(indicator="macd", output="histogram"), Number(value=0):
                left, right = replace(left, output="line"), replace(left, output="signal")
            case _, Number():
                return Comparison(operator, left, right)
        # The operator matters to the order only if the sides are equal, where both spellings would be in order.
        straight = (self._text(left), self._text(right), operator)
        mirrored = (straight[1], straight[0], _MIRRORED[operator])
        return Comparison(operator, left, right) if straight <= mirrored else Comparison(mirrored[2], right, left)

    def _operand(self, operand: Operand) -> Operand:
        """``operand`` with everything that commutes in order, in sources too; its constants are folded."""
        if isinstance(operand, IndicatorOutput):
            source = nested_source(operand)
            # Whatever reads it, a source is ordered as on its own series: all who read it share one computation.
            return operand if source is None else replace(operand, source=_Rewriting(operand.series)._operand(source))
        if isinstance(operand, Function):
            parts = [self._operand(part) for part in operand.operands]
            # abs has one operand, which is in order.
            return Function(operand.name, tuple(sorted(parts, key=self._place_among_operands)))
        if not isinstance(operand, Arithmetic):
            return operand
        left, right = self._operand(operand.left), self._operand(operand.right)
        if operand.operator in ("+", "*"):
            left, right = sorted((left, right), key=self._place_among_operands)
        return Arithmetic(operand.operator, left, right)

    def _place_among_operands(self, operand: Operand) -> tuple[bool, float, str]:
        """What operands that commute are sorted by: constants last, in the order of their values."""
        return (True, operand.value, "") if isinstance(operand, Number) else (False, 0.0, self._text(operand))

    def _compose(self, kind: Literal["all", "any"], children: list[Node]) -> Node:
        composite = All if kind == "all" else Any
        by_text: dict[str, Node] = {}
        for child in children:
            for part in child.children if isinstance(child, composite) else (child,):
                by_text[self._text(part)] = part
        if len(by_text) == 1:
            return next(iter(by_text.values()))
        return composite(tuple(by_text[text] for text in sorted(by_text)))

    def _count(self, count: int, children: list[Node]) -> Node:
        if count == 1:
            return self._compose("any", children)
        if count == len(children):
            return self._compose("all", children)
        return AtLeast(count, tuple(sorted(children, key=self._text)))
