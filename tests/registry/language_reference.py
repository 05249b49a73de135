"""What the tests of the condition language measure it against: any tree, any spelling, and Kleene's logic."""

import math
from collections.abc import Callable

from hypothesis import strategies as st

from indicators.catalogue import PRICES, catalogue
from registry.expression import All, Any, Comparison, IndicatorOutput, Node, Not, Number, Operand, Price, Series
from registry.instruments import Instrument
from registry.vocabulary import OPERATORS

SERIES = Series(Instrument("BINANCE", "BTCUSDT"), "1h")

Values = Callable[[Operand, int], float]
"""Operand and steps back (0 or 1) -> value."""


def truth(node: Node, value: Values) -> bool | None:
    """Kleene's truth of a tree, ``None`` being UNKNOWN; knows nothing of the code under test but its nodes."""
    match node:
        case Not(child):
            inner = truth(child, value)
            return None if inner is None else not inner
        case All(children):
            found = [truth(child, value) for child in children]
            return False if False in found else None if None in found else True
        case Any(children):
            found = [truth(child, value) for child in children]
            return True if True in found else None if None in found else False
        case Comparison("crosses_above", left, right):
            steps = _compare(">", left, right, value, 0), _compare("<=", left, right, value, 1)
            return False if False in steps else None if None in steps else True
        case Comparison("crosses_below", left, right):
            steps = _compare("<", left, right, value, 0), _compare(">=", left, right, value, 1)
            return False if False in steps else None if None in steps else True
        case Comparison(operator, left, right):
            return _compare(operator, left, right, value, 0)


def _compare(operator: str, left: Operand, right: Operand, value: Values, step: int) -> bool | None:
    a = left.value if isinstance(left, Number) else value(left, step)
    b = right.value if isinstance(right, Number) else value(right, step)
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


@st.composite
def indicator_outputs(draw: st.DrawFn) -> IndicatorOutput:
    record = draw(st.sampled_from(list(catalogue().values())))
    given: dict[str, float] = {}
    for parameter in draw(st.sets(st.sampled_from(record.parameters))) if record.name != "macd" else ():
        number = st.integers(int(parameter.low), int(parameter.high)) if parameter.whole else st.floats(0.01, 100)
        given[parameter.name] = draw(number)
    source = draw(st.sampled_from(PRICES)) if record.has_source else None
    output = draw(st.sampled_from(record.outputs)).name
    return IndicatorOutput(SERIES, record.name, tuple(record.complete(given).items()), source, output)


numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 30.0, 1e15, -1e15, 1e-7, 0.1]),
    st.floats(-1e15, 1e15),
    st.integers(-100, 100).map(float),
).map(Number)
prices = st.sampled_from(PRICES).map(lambda field: Price(SERIES, field))
variables = st.one_of(prices, indicator_outputs())
operators = st.sampled_from(sorted(set(OPERATORS.values()) - {"crosses"}))
comparisons = st.one_of(
    st.builds(Comparison, operators, variables, variables),
    st.builds(Comparison, operators, variables, numbers),
    st.builds(Comparison, operators, numbers, variables),
)


def trees(leaves: st.SearchStrategy[Comparison] = comparisons) -> st.SearchStrategy[Node]:
    """Trees of at most six levels and about a dozen comparisons."""
    level: st.SearchStrategy[Node] = leaves
    for _ in range(4):
        children = st.lists(level, min_size=1, max_size=3).map(tuple)
        level = st.one_of(leaves, level.map(Not), children.map(All), children.map(Any))
    return level.filter(lambda tree: _size(tree) <= 24)


def _size(node: Node) -> int:
    match node:
        case Not(child):
            return _size(child)
        case All(children) | Any(children):
            return sum(_size(child) for child in children)
    return 1
