"""One tree for all spellings of a condition; its text is what the id is made of.

Each rule keeps the truth on every candle, UNKNOWN included. A comparison is UNKNOWN exactly while an operand is not
finite, whichever side it stands on and whichever operator compares; all, any and not are Kleene's.

1. ``a < b`` is ``b > a``, and ``a crosses_above b`` is ``b crosses_below a``: both steps of a crossing mirror.
   Constants go to the right; of two other sides the one with the smaller text goes to the left.
2. ``macd.histogram OP 0`` is ``macd.line OP macd.signal``. The histogram is the float64 difference of the two, whose
   sign is exact because of gradual underflow, and the three have their values on the same candles.
3. ``not a < b`` is ``a >= b``. A crossing has no such counterpart: its ``not`` stays.
4. ``not not x`` is ``x``; ``not all(x, y)`` is ``any(not x, not y)`` and the other way round (De Morgan holds for
   Kleene's logic).
5. ``all`` within ``all`` and ``any`` within ``any`` are flattened; children are sorted by their text and equal ones
   dropped (Kleene's ``all`` and ``any`` are associative, commutative and idempotent); a single child stands alone.

No rule uses that a condition is TRUE or FALSE: ``any(x, not x)`` is UNKNOWN while x is, and stays as it is.
"""

from dataclasses import replace

from registry.expression import All, Any, Comparison, IndicatorOutput, Node, Not, Number, Operand, Operator
from registry.text import to_text

_MIRRORED: dict[Operator, Operator] = {
    "<": ">",
    "<=": ">=",
    ">": "<",
    ">=": "<=",
    "crosses_above": "crosses_below",
    "crosses_below": "crosses_above",
}
_NEGATED: dict[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def canonicalise(node: Node) -> Node:
    """The canonical tree; canonicalising it again changes nothing."""
    return _rewrite(node, negated=False)


def _rewrite(node: Node, *, negated: bool) -> Node:
    """The canonical tree of ``node``, or of its negation.

    Children are rewritten before their parent is put together, so one pass reaches the fixpoint.
    """
    match node:
        case Not(child):
            return _rewrite(child, negated=not negated)
        case Comparison(operator, left, right):
            if negated and operator not in _NEGATED:
                return Not(_compare(operator, left, right))
            return _compare(_NEGATED[operator] if negated else operator, left, right)
        case All(children) | Any(children):
            kind = All if isinstance(node, All) is not negated else Any
            return _compose(kind, [_rewrite(child, negated=negated) for child in children])


def _compare(operator: Operator, left: Operand, right: Operand) -> Comparison:
    if isinstance(left, Number):
        operator, left, right = _MIRRORED[operator], right, left
    match left, right:
        case IndicatorOutput(indicator="macd", output="histogram"), Number(value=0):
            left, right = replace(left, output="line"), replace(left, output="signal")
        case _, Number():
            return Comparison(operator, left, right)
    # The operator takes part in the order only for equal sides, where both spellings would be in order.
    straight = (to_text(left), to_text(right), operator)
    mirrored = (straight[1], straight[0], _MIRRORED[operator])
    return Comparison(operator, left, right) if straight <= mirrored else Comparison(mirrored[2], right, left)


def _compose(kind: type[All] | type[Any], children: list[Node]) -> Node:
    by_text: dict[str, Node] = {}
    for child in children:
        for part in child.children if isinstance(child, kind) else (child,):
            by_text[to_text(part)] = part
    if len(by_text) == 1:
        return next(iter(by_text.values()))
    return kind(tuple(by_text[text] for text in sorted(by_text)))
