"""How many candles a condition needs before it can be judged, and until their beginning no longer matters.

Both add up where an indicator is computed from another one; :mod:`indicators.nested_settling` says for which outputs
the sum is enough to have settled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from common.errors import ConditionError
from common.timeframes import DURATION_MS
from indicators.catalogue import catalogue
from indicators.nested_settling import ADDS_UP, forgets_exactly
from registry.groups import Series
from registry.language.arithmetic import shifted
from registry.language.desugar import desugar
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Then, Trend
from registry.language.tree import (
    CROSSINGS,
    All,
    Any,
    AtLeast,
    Before,
    Comparison,
    Every,
    For,
    IndicatorOutput,
    Node,
    Not,
    Variable,
    Within,
    nested_source,
    readings,
    variables,
)

_SHORTEST_MONTH_MS = 28 * DURATION_MS["1d"]
LONGEST_LOOKBACK = 20_000
"""How many candles of one series a condition may look back."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Candles of one series: ``lookback`` before the first verdict, ``settle`` for its indicators to settle.

    ``settles`` is whether it is known that they have settled then; otherwise it is not known that they ever do.
    """

    lookback: int
    settle: int
    settles: bool = True

    @property
    def settled_after(self) -> int | None:
        """Candles after which the indicators have settled; ``None`` if that is not known."""
        return self.settle if self.settles else None


def candles_needed(tree: Node, base: Series) -> dict[Series, Needed]:
    """Series -> candles of that series, the condition's own first, the others sorted by their text."""
    needed = {base: Needed(0, 0)}
    for variable, bars in sorted(_paths(tree, 0, base), key=lambda path: path[0].series):
        ratio = _ratio(variable, base)
        # Any step of the condition's timeframe may be the one on which a longer candle closes.
        steps = variable.offset + -(-bars // ratio)
        own = _of(variable)
        known = needed.get(variable.series, Needed(0, 0))
        needed[variable.series] = Needed(
            max(known.lookback, own.lookback + steps),
            max(known.settle, own.settle + steps),
            known.settles and own.settles,
        )
    return needed


def check_lookback(written: SurfaceNode, base: Series) -> None:
    """Raises :class:`ConditionError` for a condition that looks back more than 20,000 candles of a series."""
    for variable, bars in _paths(written, 0, base):
        lookback = _of(variable).lookback + variable.offset + -(-bars // _ratio(variable, base))
        if lookback > LONGEST_LOOKBACK:
            raise ConditionError(
                f"the condition looks back {lookback} candles of {variable.series.timeframe}; at most"
                f" {LONGEST_LOOKBACK} are allowed: judge it on a longer timeframe, or look back less far"
            )


def _paths(node: Node | SurfaceNode, bars: int, base: Series) -> Iterator[tuple[Variable, int]]:
    """Every variable, with how many steps of the condition's timeframe the nodes above it go back.

    Of the many candles that ``rises_by`` and ``falls_by`` look at, only the newest and the oldest are told.
    """
    match node:
        case PriceMove(_, value, amount, _, moved):
            for side in (value, shifted(value, moved), amount):
                for variable in variables(side):
                    yield variable, bars
        case Crosses() | Channel() | Trend() | Then():
            yield from _paths(desugar(node, base), bars, base)
        case Comparison(operator, left, right):
            for side in (left, right):
                for variable in variables(side):
                    yield variable, bars + (operator in CROSSINGS)
        case Not(child) | Every(child):
            yield from _paths(child, bars, base)
        case Before(child):
            yield from _paths(child, bars + 1, base)
        case For(child, lasting) | Within(child, lasting):
            yield from _paths(child, bars + lasting - 1, base)
        case All(children) | Any(children) | AtLeast(_, children):
            for child in children:
                yield from _paths(child, bars, base)


def lookback_of(variable: Variable) -> int:
    """Candles of its own series before a variable's first value, not counting its steps back."""
    return _of(variable).lookback


def _of(variable: Variable) -> Needed:
    """What a variable needs of its own series, without its steps back."""
    if not isinstance(variable, IndicatorOutput):
        return Needed(0, 0)
    record, parameters = catalogue()[variable.indicator], dict(variable.parameters)
    lookback, settle = record.lookback(parameters), record.settle(parameters)
    source = nested_source(variable)
    inner = [] if source is None else [read for read in variables(source) if isinstance(read, IndicatorOutput)]
    if not inner:
        return Needed(lookback, settle)
    needed = [_of(read) for read in inner]
    exact = forgets_exactly(record, parameters) and all(map(_forgets_exactly, inner))
    adds_up = exact or variable.output in ADDS_UP.get(record.name, ())
    return Needed(
        lookback + max(each.lookback for each in needed),
        settle + max(each.settle for each in needed),
        adds_up and all(each.settles for each in needed),
    )


def _forgets_exactly(variable: IndicatorOutput) -> bool:
    indicators = [read for read in readings(variable) if isinstance(read, IndicatorOutput)]
    return all(forgets_exactly(catalogue()[read.indicator], dict(read.parameters)) for read in indicators)


def _ratio(variable: Variable, base: Series) -> int:
    """How many steps of the condition's timeframe a candle of a variable lasts at least, by nominal lengths."""
    timeframe = variable.series.timeframe
    length = _SHORTEST_MONTH_MS if timeframe == "1mo" else DURATION_MS[timeframe]
    return max(1, length // DURATION_MS[base.timeframe])
