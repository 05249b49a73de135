"""Random conditions: any tree that can be written, on few or on all operands."""

import os
from typing import get_args

from hypothesis import settings
from hypothesis import strategies as st

from common.errors import ConditionError
from indicators.catalogue import PRICES, catalogue
from registry.groups import Series
from registry.language.functions import check_function
from registry.language.surface import (
    Channel,
    ChannelOperator,
    Crosses,
    Leaf,
    MoveOperator,
    PriceMove,
    SurfaceNode,
    Then,
    Trend,
    TrendOperator,
    check_comparison,
    children_of,
)
from registry.language.time_windows import During
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    ArithmeticOperator,
    AtLeast,
    Before,
    Comparison,
    For,
    Function,
    FunctionName,
    IndicatorOutput,
    Not,
    Number,
    Operand,
    Operator,
    Price,
    Within,
)
from tests.registry.language.reference import LONGER, OTHER, SERIES


def examples(count: int) -> settings:
    """That many examples, times ``HUB_TEST_EFFORT`` from the environment for a long run."""
    return settings(max_examples=count * int(os.environ.get("HUB_TEST_EFFORT", "1")), deadline=None)


LINES = ("line", "signal", "histogram")
MACD = (("fast", 12), ("slow", 26), ("signal", 9))
COMPARISONS: tuple[Operator, ...] = get_args(Operator)


@st.composite
def sources(draw: st.DrawFn, series: Series, levels: int) -> str | Operand:
    """What an indicator on ``series`` may be computed from, with at most so many levels below it."""
    price = draw(st.sampled_from(PRICES))
    kind = draw(st.sampled_from(["price", "price", "indicator", "arithmetic", "function"]))
    if levels == 0 or kind == "price":
        return price
    if kind == "indicator":
        return draw(indicator_outputs(series, levels - 1, source_only=True))
    others: list[Operand] = [Number(draw(st.sampled_from([0.5, 2.0, -1.0]))), Price(series, "low")]
    of_series: Operand = Price(series, price)
    if levels > 1 and draw(st.booleans()):
        of_series = draw(indicator_outputs(series, levels - 2, source_only=True))
    left, right = draw(st.permutations([of_series, draw(st.sampled_from(others))]))
    if kind == "function":
        if draw(st.booleans()):
            return Function("abs", (of_series,))
        name = draw(st.sampled_from(get_args(FunctionName)[1:]))
        return Function(name, (of_series, *draw(st.lists(st.sampled_from(others), min_size=1, max_size=2))))
    return Arithmetic(draw(st.sampled_from(get_args(ArithmeticOperator))), left, right)


@st.composite
def indicator_outputs(
    draw: st.DrawFn, series: Series | None = None, levels: int = 2, *, source_only: bool = False
) -> IndicatorOutput:
    """Any output of any indicator; of those that are a source of another one on ``series``, with ``source_only``."""
    records = [record for record in catalogue().values() if record.has_source or not source_only]
    record = draw(st.sampled_from(records))
    values: dict[str, float] = {}
    free = record.parameters if record.rule is None else ()
    for parameter in draw(st.sets(st.sampled_from(free))) if free else ():
        low, high = parameter.low, parameter.high
        whole = st.integers(int(low), int(high))
        values[parameter.name] = draw(whole if parameter.whole else st.floats(max(low, 0.01), min(high, 100.0)))
    output = draw(st.sampled_from(record.outputs)).name
    offset = 0 if source_only else draw(st.sampled_from([0, 0, 1, 500]))
    if series is None:
        series = draw(st.sampled_from([SERIES, SERIES, LONGER, OTHER]))
    source = draw(sources(series, levels)) if record.has_source else None
    return IndicatorOutput(series, record.name, tuple(record.complete(values).items()), source, output, offset)


numbers = st.one_of(
    st.sampled_from([0.0, -0.0, 30.0, 1e15, -1e15, 1e-7, 0.1]),
    st.floats(-1e15, 1e15),
    st.integers(-100, 100).map(float),
).map(Number)
prices = st.builds(
    Price, st.sampled_from([SERIES, SERIES, LONGER, OTHER]), st.sampled_from(PRICES), st.sampled_from([0, 0, 1, 7])
)
all_operands = st.one_of(numbers, prices, prices, indicator_outputs())

few_numbers = st.sampled_from([0.0, -0.0, 1.0, 2.0, -1.0, 0.1]).map(Number)
few_variables = st.one_of(
    st.builds(Price, st.just(SERIES), st.sampled_from(["close", "open"]), st.sampled_from([0, 0, 0, 1, 2])),
    st.builds(
        IndicatorOutput, st.just(SERIES), st.just("macd"), st.just(MACD), st.just("close"), st.sampled_from(LINES)
    ),
)
few_elsewhere = st.builds(Price, st.sampled_from([LONGER, OTHER]), st.just("close"), st.sampled_from([0, 0, 1]))
few_operands = st.one_of(few_numbers, few_variables, few_variables, few_variables)
few_anywhere = st.one_of(few_operands, few_elsewhere)


def arithmetic(atoms: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
    """Operands of up to four of ``atoms``, mostly one."""
    level: st.SearchStrategy[Operand] = atoms
    for _ in range(2):
        level = st.one_of(atoms, atoms, st.builds(Arithmetic, st.sampled_from("+-*/"), level, level), functions(level))
    return level


def functions(operands: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
    """``abs``, ``min`` and ``max`` of up to three of ``operands``."""
    several = st.lists(operands, min_size=2, max_size=3).map(tuple).filter(is_writable)
    return st.one_of(
        st.builds(Function, st.just("abs"), st.tuples(operands)),
        st.builds(Function, st.sampled_from(["min", "max"]), several),
    )


def is_writable(operands: tuple[Operand, ...]) -> bool:
    """Whether ``max`` of these is not refused because it looks like ``highest(20, high)``."""
    try:
        check_function("max", operands)
    except ConditionError:
        return False
    return True


@st.composite
def leaves(draw: st.DrawFn, atoms: st.SearchStrategy[Operand], *, most_bars: int = 3) -> Leaf:
    operand = arithmetic(atoms)
    bars = st.integers(1, most_bars)
    kind = draw(st.sampled_from(["comparison", "comparison", "crosses", "channel", "move", "trend"]))
    try:
        match kind:
            case "comparison":
                comparison = draw(st.sampled_from(COMPARISONS))
                return check_comparison(Comparison(comparison, draw(operand), draw(operand)))
            case "crosses":
                return Crosses(draw(operand), draw(operand))
            case "channel":
                channel: ChannelOperator = draw(st.sampled_from(get_args(ChannelOperator)))
                return Channel(channel, draw(operand), draw(operand), draw(operand))
            case "move":
                percent = draw(st.booleans())
                amount = draw(st.sampled_from([0.1, 1.0, 50.0]).map(Number) if percent else operand)
                move: MoveOperator = draw(st.sampled_from(get_args(MoveOperator)))
                return PriceMove(move, draw(operand), amount, percent, draw(bars))
        trend: TrendOperator = draw(st.sampled_from(get_args(TrendOperator)))
        return Trend(trend, draw(operand), draw(bars))
    except ConditionError:
        # Two constants, an empty channel or a constant beyond 1e15, none of which can be written.
        return Comparison("<", draw(atoms.filter(lambda atom: not isinstance(atom, Number))), Number(30.0))


@st.composite
def windows(draw: st.DrawFn) -> During:
    """A window that lasts for an hour at least, and so does its opposite: hourly candles open in both."""
    day = st.sampled_from([(0, 1440), (0, 60), (22 * 60 + 30, 90), (23 * 60, 1440), (180, 120), (600, 1230)])
    start, end = draw(day)
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    if (start, end) == (0, 1440) and len(days) == 7:
        days.remove(draw(st.sampled_from(sorted(days))))
    zones = ["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati"]
    return During(start, end, tuple(days), draw(st.sampled_from(zones)))


def trees(of: st.SearchStrategy[Leaf], *, most_bars: int = 3, levels: int = 2) -> st.SearchStrategy[SurfaceNode]:
    """Trees of at most ``levels`` levels above comparisons, and a dozen comparisons."""
    bars = st.integers(1, most_bars)
    gate: st.SearchStrategy[SurfaceNode] = st.one_of(
        windows(), windows().map(Not), windows().map(Before), st.builds(For, windows(), bars)
    )
    level: st.SearchStrategy[SurfaceNode] = of
    for _ in range(levels):
        children = st.lists(level, min_size=1, max_size=3).map(tuple)
        counted = children.flatmap(lambda nodes: st.builds(AtLeast, st.integers(1, len(nodes)), st.just(nodes)))
        level = st.one_of(
            of,
            level.map(Not),
            children.map(All),
            children.map(Any),
            counted,
            st.builds(For, level, bars),
            st.builds(Within, level, bars),
            st.builds(Before, level),
            st.builds(Then, level, level, bars),
            st.builds(Then, gate, level, bars),
            st.tuples(gate, level).map(All),
            st.tuples(gate, level).map(Any),
        )
    return level.filter(lambda tree: size(tree) <= 12)


def size(node: SurfaceNode) -> int:
    """Comparisons of a tree."""
    return sum(map(size, children_of(node))) or 1


any_tree = trees(leaves(all_operands))
few_trees = trees(leaves(few_operands))
