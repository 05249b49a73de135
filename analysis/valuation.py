"""Values and truths of one condition's tree on the candles of its series, straight from the language's definition.

``engine.evaluate`` and ``engine.history`` run a plan that thousands of conditions share, and keep only what fired. This
module evaluates one condition, node by node, and has nothing but the indicators in common with them: much slower, but
able to say what each part of the tree was. A test holds both to the same result.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, reduce
from typing import Self

import numpy as np
from numpy.typing import NDArray

from analysis.stretches import Stretch, StretchReader, age, calculated, undelayed
from engine.calendars import AnyCalendars, as_calendars
from engine.candle_history import AnyHistory
from engine.program import FALSE, TRUE, UNKNOWN
from engine.read_alike import memory
from engine.time_windows import open_inside
from indicators.compute import Array
from registry.conditions import Condition
from registry.groups import Series
from registry.language.desugar import desugar
from registry.language.surface import Channel, Crosses, PriceMove, SurfaceNode, Trend, children_of, operands_of
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
    Node,
    Not,
    Number,
    Operand,
    Price,
    Variable,
    Within,
    readings,
    variables,
)

TruthColumn = NDArray[np.uint8]
"""FALSE, UNKNOWN or TRUE for each candle of the base series."""


class Valuation:
    """The values of operands and the truths of nodes on the last candles of a condition's series.

    Indicators are moved over the histories block by block, from the first candle on, and only what the last candles
    need is kept. Truths and values are computed when they are asked for, and only those of whole nodes are kept:
    ``rises_by`` within 500 candles unfolds to thousands of operands.
    """

    def __init__(
        self,
        condition: Condition,
        histories: Mapping[Series, AnyHistory],
        calendars: AnyCalendars,
        *,
        last: int | None = None,
        until_ms: int | None = None,
    ) -> None:
        """``histories`` has the candles of each series that the condition reads, oldest first, from its anchor on.

        The columns have the candles that open by ``until_ms``, by default all that there are. With ``last``, truths and
        values are right on the last so many of them; those before are there to be looked back on.
        """
        base, known = condition.series, as_calendars(calendars)
        written = desugar(condition.surface, base)
        read = dict.fromkeys((*variables(condition.tree), *variables(written), *_read_as_written(condition.surface)))
        wanted = wanted_of(condition, read)
        reach = reach_of(condition, read)
        kept = None if last is None else last + max(memory(condition.tree), memory(written)) + 1
        own = StretchReader(wanted[base], known.of(base))
        own.read(histories[base], until_ms, lambda opens: opens.size - kept - reach[base] if kept else 0)
        stretches = {base: own.stretch()}
        closes = stretches[base].calendar.close(stretches[base].opens)
        last_close = int(closes[-1]) if closes.size else -1
        for series in condition.all_series[1:]:
            reader, calendar = StretchReader(wanted[series], known.of(series)), known.of(series)
            begins = None if kept is None or not closes.size else calendar.last_open(int(closes[0]))
            reader.read(histories[series], last_close, _needed_from(begins, reach[series]))
            stretches[series] = reader.stretch()
        self._begin(condition, stretches)

    @classmethod
    def over(cls, condition: Condition, stretches: Mapping[Series, Stretch]) -> Self:
        """A valuation of stretches of the condition's series, with the values that its tree reads: :func:`wanted_of`.

        Truths and values of the first rows are right as far as the stretches begin early enough for them.
        """
        valuation = cls.__new__(cls)
        valuation._begin(condition, stretches)
        return valuation

    def _begin(self, condition: Condition, stretches: Mapping[Series, Stretch]) -> None:
        self.condition = condition
        self._series = stretches
        own = stretches[condition.series]
        self.opens = own.opens
        self._views: dict[Series, NDArray[np.int64]] = {}
        self._truths: dict[Node, TruthColumn] = {}
        self.close = self._own_values(Price(condition.series, "close", 0))
        self.steps_back = own.runs
        """How many consecutive steps lead to each candle: beyond them a candle is missing."""

    @cached_property
    def closes(self) -> NDArray[np.int64]:
        """Close times of the candles of the base."""
        return self.stretch(self.condition.series).calendar.close(self.opens)

    def stretch(self, series: Series) -> Stretch:
        """The last candles of a series."""
        return self._series[series]

    def row(self, series: Series, row: int) -> int:
        """The row of a series that a candle of the base sees: the last slot that has closed, -1 if it has no candle."""
        if series == self.condition.series:
            return row
        stretch = self.stretch(series)
        rows, _ = stretch.closed_by(self.closes[row : row + 1])
        return int(rows[0])

    def candles(self, series: Series, row: int) -> int:
        """How many candles a series has from its anchor up to a candle of the base."""
        stretch = self.stretch(series)
        if series == self.condition.series:
            return stretch.earlier + row + 1
        _, count = stretch.closed_by(self.closes[row : row + 1])
        return stretch.earlier + int(count[0])

    def value(self, operand: Operand) -> Array:
        """float64, one value for each candle of the base; what is not known is not finite."""
        if isinstance(operand, Number):
            return np.full(self.opens.size, operand.value)
        if isinstance(operand, Arithmetic):
            return calculated(operand, [self.value(operand.left), self.value(operand.right)])
        if isinstance(operand, Function):
            return calculated(operand, [self.value(part) for part in operand.operands])
        own = self._own_values(operand)
        if operand.series == self.condition.series:
            return own
        if operand.series not in self._views:
            stretch = self.stretch(operand.series)
            self._views[operand.series], _ = stretch.closed_by(self.closes)
        rows = self._views[operand.series]
        return np.where(rows >= 0, own[rows], np.nan) if own.size else np.full(rows.size, np.nan)

    def before(self, values: Array) -> Array:
        """The values one step before, NaN where that step is missing."""
        return np.where(self.steps_back > 0, np.roll(values, 1), np.nan)

    def truth(self, node: Node) -> TruthColumn:
        """The truth of a node on each candle."""
        if node not in self._truths:
            self._truths[node] = self._truth(node)
        return self._truths[node]

    def truth_before(self, node: Node) -> TruthColumn:
        """The truth of a node one step before each candle."""
        return self._one_step_before(self.truth(node))

    def fires(self) -> NDArray[np.bool_]:
        """Whether the condition fires on each candle."""
        tree = self.condition.tree
        fired: NDArray[np.bool_] = self.truth(tree) == TRUE
        return fired if self.condition.momentary else fired & (self.truth_before(tree) == FALSE)

    def has_settled(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """:meth:`settled` of several candles of the base."""
        settled = np.ones(rows.size, np.bool_)
        for series, needed in self.condition.needed.items():
            if needed.settled_after is None:
                return np.zeros(rows.size, np.bool_)
            stretch = self.stretch(series)
            counts = rows + 1
            if series != self.condition.series:
                _, counts = stretch.closed_by(self.closes[rows])
            settled &= stretch.earlier + counts >= needed.settled_after
        return settled

    def settled(self, row: int) -> bool:
        """Whether there are enough candles since the anchors for the indicators to have settled."""
        return all(
            needed.settled_after is not None and self.candles(series, row) >= needed.settled_after
            for series, needed in self.condition.needed.items()
        )

    def _own_values(self, variable: Variable) -> Array:
        """The values on the candles of the variable's own series."""
        stretch = self.stretch(variable.series)
        now = stretch.values[undelayed(variable)]
        if not variable.offset:
            return now
        return np.where(stretch.runs >= variable.offset, np.roll(now, variable.offset), np.nan)

    def _truth(self, node: Node) -> TruthColumn:  # noqa: PLR0911 - one return for each kind of node
        match node:
            case Comparison():
                return self._compared(node)
            case Not(child):
                return (TRUE - self._truth(child)).astype(np.uint8)
            case Every(child):
                return self._truth(child)
            case All(children):
                return reduce(np.minimum, map(self._truth, children))
            case Any(children):
                return reduce(np.maximum, map(self._truth, children))
            case AtLeast(count, children):
                true, possible = np.zeros((2, self.opens.size), np.int64)
                for child in children:
                    truths = self._truth(child)
                    true += truths == TRUE
                    possible += truths != FALSE
                return np.where(true >= count, TRUE, np.where(possible < count, FALSE, UNKNOWN)).astype(np.uint8)
            case During():
                return np.where(open_inside(node, self.opens), TRUE, FALSE).astype(np.uint8)
            case Before(child):
                return self._one_step_before(self._truth(child))
            case For(child, bars):
                return self._lasting(self._truth(child), bars, FALSE)
            case Within(child, bars):
                return self._lasting(self._truth(child), bars, TRUE)

    def _one_step_before(self, truths: TruthColumn) -> TruthColumn:
        return np.where(self.steps_back > 0, np.roll(truths, 1), UNKNOWN).astype(np.uint8)

    def _compared(self, node: Comparison) -> TruthColumn:
        left, right = self.value(node.left), self.value(node.right)
        if node.operator == "crosses_above":
            return np.minimum(_compare(">", left, right), _compare("<=", self.before(left), self.before(right)))
        if node.operator == "crosses_below":
            return np.minimum(_compare("<", left, right), _compare(">=", self.before(left), self.before(right)))
        return _compare(node.operator, left, right)

    def _lasting(self, truths: TruthColumn, bars: int, deciding: int) -> TruthColumn:
        """``for`` (deciding FALSE) and ``within`` (deciding TRUE) over the last ``bars`` slots."""
        reach = np.minimum(self.steps_back, bars - 1)
        decided = age(truths == deciding) <= reach
        unknown = (age(truths == UNKNOWN) <= reach) | (reach < bars - 1)
        return np.where(decided, deciding, np.where(unknown, UNKNOWN, TRUE - deciding)).astype(np.uint8)


def wanted_of(condition: Condition, read: Iterable[Variable]) -> dict[Series, dict[Variable, None]]:
    """Series -> what is computed of it so that variables can be read, what something is computed from before it.

    The close of the condition's own series is there as well: it is the price of a trigger.
    """
    wanted: dict[Series, dict[Variable, None]] = {series: {} for series in condition.all_series}
    for variable in read:
        wanted[variable.series] |= dict.fromkeys(readings(undelayed(variable)))
    wanted[condition.series][Price(condition.series, "close", 0)] = None
    return wanted


def reach_of(condition: Condition, read: Iterable[Variable]) -> dict[Series, int]:
    """Series -> how many of its candles up to one that is seen are read with it."""
    reach: dict[Series, int] = dict.fromkeys(condition.all_series, 1)
    for variable in read:
        reach[variable.series] = max(reach[variable.series], variable.offset + 1)
    return reach


def _needed_from(begins: int | None, reach: int) -> Callable[[NDArray[np.int64]], int]:
    """Where another series' candles begin to be needed, if its first one that is seen opens then."""
    if begins is None:
        return lambda opens: 0  # noqa: ARG005 - all of them are
    return lambda opens: int(np.searchsorted(opens, begins, side="right")) - 1 - reach


def _read_as_written(node: SurfaceNode) -> Iterator[Variable]:
    """What a node's own operands read, which its canonical form may spell another way."""
    if isinstance(node, Comparison | Crosses | Channel | PriceMove | Trend):
        for operand in operands_of(node):
            yield from variables(operand)
    for child in children_of(node):
        yield from _read_as_written(child)


_COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def _compare(operator: str, left: Array, right: Array) -> TruthColumn:
    with np.errstate(all="ignore"):
        truths = np.where(_COMPARISONS[operator](left, right), TRUE, FALSE)
    return np.where(np.isfinite(left) & np.isfinite(right), truths, UNKNOWN).astype(np.uint8)
