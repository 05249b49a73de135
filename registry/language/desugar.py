"""From what was written to what is judged: every node of ``registry.language.surface`` in terms of canonical ones.

    between   all(x >= a, x <= b)                       outside   any(x < a, x > b)
    crosses   any(x crosses_above y, x crosses_below y)
    enters    between, and outside one step before      exits     outside, and between one step before
    rising N  (x > x[1]) for N bars                     falling N (x < x[1]) for N bars
    rises_by d within N   any over j = 1..N of x - x[j] >= d
    rises_by d% within N  any over j = 1..N of all(x[j] > 0, x - x[j] >= x[j] * d/100)

and ``falls_by`` with ``x[j] - x``.

One step before is a step of the condition's own series, as for crossings. Where all variables are read from it that is
``[1]`` on each of them. ``[1]`` on ``rsi@4h`` would go back a whole 4h candle, and ``rsi@4h enters 40 and 60`` on 1h
would be TRUE four times; there, ``within 2 bars`` says the same: while x is inside now, "outside at one of the last two
candles" can only mean the one before. (Where x is UNKNOWN now and was not outside before, that is UNKNOWN, not FALSE.)

What fires as it is written must fire as it is judged, from the canonical text alone. So the tree of a momentary
condition that does not look momentary once it is desugared (``enters`` is a plain ``all``) is put into ``every(...)``,
and an ``every`` around what is momentary anyway is dropped. A condition that is not momentary never turns into a tree
that is: only crossings make a tree momentary, and nothing but a crossing, ``crosses`` or ``any``, ``all``, ``k of``
around them comes down to one.
"""

from registry.groups import Series
from registry.language.arithmetic import shifted
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Trend
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
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


def desugar(node: SurfaceNode, base: Series) -> Node:  # noqa: PLR0911 - one return for each kind of node
    """``node`` in terms of canonical nodes; ``base`` is the series of the condition."""
    match node:
        case Comparison():
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
    found: list[Node] = []
    for steps in range(1, move.bars + 1):
        before = shifted(move.value, steps)
        sides = (move.value, before) if move.operator == "rises_by" else (before, move.value)
        difference = Arithmetic("-", *sides)
        if move.percent:
            share = Arithmetic("/", move.amount, Number(100))
            risen = Comparison(">=", difference, Arithmetic("*", before, share))
            found.append(All((Comparison(">", before, Number(0)), risen)))
        else:
            found.append(Comparison(">=", difference, move.amount))
    return Any(tuple(found))
