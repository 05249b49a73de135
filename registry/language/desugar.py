"""From what was written to what is judged: every node of ``registry.language.surface`` in terms of canonical nodes.

    between   all(x >= a, x <= b)                       outside   any(x < a, x > b)
    crosses   any(x crosses_above y, x crosses_below y)
    enters    between, and outside one step before      exits     outside, and between one step before
    rising N  (x > x[1]) for N bars                     falling N (x < x[1]) for N bars
    a then b within N     all(b, before(a) within N bars)
    rises_by d within N   any over j = 1..N of x - x[j] >= d
    rises_by d% within N  any over j = 1..N of all(x[j] > 0, x - x[j] >= x[j] * d/100)

and ``falls_by`` with ``x[j] - x``.

"One step before" means a step of the condition's own series, as for crossings. If all variables are read from that
series, it is ``[1]`` on each of them. But ``[1]`` on ``rsi@4h`` would go back a whole 4h candle, and ``rsi@4h enters 40
and 60`` on 1h would be TRUE four times; there, ``within 2 bars`` says the same: while x is inside now, "outside at one
of the last two candles" can only mean the earlier one. (If x is UNKNOWN now and was not outside before, the result is
UNKNOWN, not FALSE.)

A condition must fire as it was written, even when it is judged from its canonical text alone. So the tree of a
momentary condition that does not look momentary once it is desugared (``enters`` is a plain ``all``) is wrapped in
``every(...)``, and an ``every`` around a momentary tree is dropped. A condition that is not momentary never turns into
a momentary tree: only crossings make a tree momentary, and they come only from crossings, from ``crosses``, and from
``any``, ``all`` or ``k of`` around those.
"""

from registry.groups import Series
from registry.language.arithmetic import shifted
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend
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
    Node,
    Not,
    Number,
    Operand,
    Within,
    variables,
)


def desugar(node: SurfaceNode, base: Series) -> Node:  # noqa: PLR0911, PLR0912 - one return for each kind of node
    """``node`` in terms of canonical nodes; ``base`` is the series of the condition."""
    match node:
        case Comparison() | During():
            return node
        case Crosses(left, right):
            return Any((Comparison("crosses_above", left, right), Comparison("crosses_below", left, right)))
        case Channel():
            return _channel(node, base)
        case PriceMove():
            return _move(node)
        case Trend(operator, value, bars):
            return For(Comparison(">" if operator == "rising" else "<", value, shifted(value, 1)), bars)
        case All(children):
            return All(tuple(desugar(child, base) for child in children))
        case Any(children):
            return Any(tuple(desugar(child, base) for child in children))
        case AtLeast(count, children):
            return AtLeast(count, tuple(desugar(child, base) for child in children))
        case Not(child):
            return Not(desugar(child, base))
        case For(child, bars):
            return For(desugar(child, base), bars)
        case Within(child, bars):
            return Within(desugar(child, base), bars)
        case Before(child):
            return Before(desugar(child, base))
        case Then():
            return desugar(node.unfolded(), base)
        case Every(child):
            return Every(desugar(child, base))


def _channel(channel: Channel, base: Series) -> Node:
    value, low, high = channel.value, channel.low, channel.high
    match channel.operator:
        case "between":
            return _between(value, low, high)
        case "outside":
            return _outside(value, low, high)
    now, before = (_between, _outside) if channel.operator == "enters" else (_outside, _between)
    if all(variable.series == base for part in (value, low, high) for variable in variables(part)):
        earlier = before(shifted(value, 1), shifted(low, 1), shifted(high, 1))
    else:
        earlier = Within(before(value, low, high), 2)
    return All((now(value, low, high), earlier))


def _between(value: Operand, low: Operand, high: Operand) -> Node:
    return All((Comparison(">=", value, low), Comparison("<=", value, high)))


def _outside(value: Operand, low: Operand, high: Operand) -> Node:
    return Any((Comparison("<", value, low), Comparison(">", value, high)))


def _move(move: PriceMove) -> Node:
    moves: list[Node] = []
    for steps in range(1, move.bars + 1):
        before = shifted(move.value, steps)
        sides = (move.value, before) if move.operator == "rises_by" else (before, move.value)
        difference = Arithmetic("-", *sides)
        if move.percent:
            share = Arithmetic("/", move.amount, Number(100))
            risen = Comparison(">=", difference, Arithmetic("*", before, share))
            moves.append(All((Comparison(">", before, Number(0)), risen)))
        else:
            moves.append(Comparison(">=", difference, move.amount))
    return Any(tuple(moves))
