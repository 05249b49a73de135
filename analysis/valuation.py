"""Values and truths of one condition's tree on the candles of its series, straight from the language's definition.

``engine.evaluate`` and ``engine.history`` run a plan that thousands of conditions share, and keep only what fired. This
module evaluates one condition, node by node, and has nothing but the indicators in common with them: much slower, but
able to say what each part of the tree was. A test holds both to the same result.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.calendars import AnyCalendars, SeriesCalendar, as_calendars
from engine.candle_history import AnyHistory, as_history, open_times
from engine.plan import memory
from engine.program import FALSE, TRUE, UNKNOWN
from engine.time_windows import open_inside
from indicators.catalogue import find
from indicators.compute import Array, Candles, input_arrays, scan, source_array, start
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
    IndicatorOutput,
    Node,
    Not,
    Number,
    Operand,
    Price,
    Variable,
    Within,
    parts_of,
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
        self.condition = condition
        base = condition.series
        written = desugar(condition.surface, base)
        read = dict.fromkeys((*variables(condition.tree), *variables(written), *_read_as_written(condition.surface)))
        reach: dict[Series, int] = dict.fromkeys(condition.all_series, 1)
        for variable in read:
            reach[variable.series] = max(reach[variable.series], variable.offset + 1)
        kept = None if last is None else last + max(memory(condition.tree), memory(written)) + 1
        wanted = {
            series: dict.fromkeys(
                inner for variable in read if variable.series == series for inner in readings(_undelayed(variable))
            )
            for series in condition.all_series
        }
        close = Price(base, "close", 0)
        wanted[base][close] = None
        self._series: dict[Series, _Stretch] = {}
        known = as_calendars(calendars)
        for series in (base, *condition.all_series[1:]):
            stretch = _Stretch(wanted[series], known.of(series))
            if series == base:
                stretch.read(histories[series], until_ms, lambda opens: opens.size - kept - reach[base] if kept else 0)
                self.opens = stretch.opens
                self.closes = stretch.calendar.close(self.opens)
            else:
                stretch.read(histories[series], self._last_close(), self._before(stretch.calendar, kept, reach[series]))
            self._series[series] = stretch
        self._views: dict[Series, NDArray[np.int64]] = {}
        self._truths: dict[Node, TruthColumn] = {}
        self.close = self._own_values(close)
        self.steps_back = self.stretch(base).runs
        """How many consecutive steps lead to each candle: beyond them a candle is missing."""

    def _last_close(self) -> int:
        return int(self.closes[-1]) if self.closes.size else -1

    def _before(self, calendar: SeriesCalendar, kept: int | None, reach: int) -> Callable[[NDArray[np.int64]], int]:
        """Where another series' candles begin to be needed."""
        if kept is None or not self.closes.size:
            return lambda opens: 0  # noqa: ARG005 - all of them are
        last_open = calendar.last_open(int(self.closes[0]))
        return lambda opens: int(np.searchsorted(opens, last_open, side="right")) - 1 - reach

    def stretch(self, series: Series) -> "_Stretch":
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
            return _calculated(operand, [self.value(operand.left), self.value(operand.right)])
        if isinstance(operand, Function):
            return _calculated(operand, [self.value(part) for part in operand.operands])
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

    def settled(self, row: int) -> bool:
        """Whether there are enough candles since the anchors for the indicators to have settled."""
        return all(
            needed.settled_after is not None and self.candles(series, row) >= needed.settled_after
            for series, needed in self.condition.needed.items()
        )

    def _own_values(self, variable: Variable) -> Array:
        """The values on the candles of the variable's own series."""
        stretch = self.stretch(variable.series)
        now = stretch.values[_undelayed(variable)]
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
        decided = _age(truths == deciding) <= reach
        unknown = (_age(truths == UNKNOWN) <= reach) | (reach < bars - 1)
        return np.where(decided, deciding, np.where(unknown, UNKNOWN, TRUE - deciding)).astype(np.uint8)


class _Stretch:
    """The last candles of a series, with the values of what is read of it."""

    def __init__(self, wanted: Iterable[Variable], calendar: SeriesCalendar) -> None:
        """``wanted`` is what is read, without steps back; what an indicator is computed from comes before it."""
        self.calendar = calendar
        self.opens = np.zeros(0, np.int64)
        self.runs = np.zeros(0, np.int64)
        """How many consecutive steps lead to each candle."""
        self.earlier = 0
        """Candles from the anchor on that are not kept."""
        self.total = 0
        """Candles of the whole history, with those that are too new."""
        self.first_open_ms = self.last_open_ms = 0
        """Of the whole history."""
        self.values: dict[Variable, Array] = {}
        """float64[n] for each candle that is kept."""
        self._prices = [variable for variable in wanted if isinstance(variable, Price)]
        self._computations: dict[_Computation, list[IndicatorOutput]] = {}
        for variable in wanted:
            self.values[variable] = np.zeros(0)
            if isinstance(variable, IndicatorOutput):
                key = variable.indicator, variable.parameters, variable.source
                self._computations.setdefault(key, []).append(variable)
        self._carries = {key: start(find(key[0]), dict(key[1])) for key in self._computations}

    def read(self, candles: AnyHistory, until_ms: int | None, first_needed: Callable[[NDArray[np.int64]], int]) -> None:
        """Move over a history. ``first_needed`` says from which of the candles so far they may be needed still; those
        that open after ``until_ms`` are only counted."""
        for block in as_history(candles).blocks():
            opens = open_times(block)
            if not self.total:
                self.first_open_ms = int(opens[0])
            self.total += opens.size
            self.last_open_ms = int(opens[-1])
            count = opens.size if until_ms is None else int(np.searchsorted(opens, until_ms, side="right"))
            if count:
                self._take(block[:count], opens[:count])
                self._drop(max(0, first_needed(self.opens)))

    def closed_by(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At each time: the row of the last closed slot's candle, -1 if it has none, and how many candles that are kept
        had closed."""
        if not self.opens.size:
            return np.full(times.size, -1), np.zeros(times.size, np.int64)
        return self.calendar.last_closed(self.opens, times)

    def _take(self, block: pl.DataFrame, opens: NDArray[np.int64]) -> None:
        steps = self.calendar.adjacent(opens, int(self.opens[-1]) if self.opens.size else None)
        runs = _age(~steps)
        if self.opens.size:
            # Up to the block's first missing step, the run goes on from the block before.
            unbroken = np.minimum.accumulate(steps)
            runs = np.where(unbroken, self.runs[-1] + 1 + np.arange(opens.size), runs)
        columns = {name: block[name].to_numpy() for name in _COLUMNS}
        values: dict[Variable, Array] = {price: source_array(columns, price.field) for price in self._prices}
        for key, outputs in self._computations.items():
            indicator = find(key[0])
            (source,) = {output.source for output in outputs}
            if source is not None and not isinstance(source, str):
                inputs = input_arrays(indicator, columns, _of_block(source, columns, values))
            else:
                inputs = input_arrays(indicator, columns, source)
            computed = scan(indicator, dict(key[1]), self._carries[key], inputs)
            by_name = {output.name: column for output, column in zip(indicator.outputs, computed, strict=True)}
            values |= {variable: by_name[variable.output] for variable in outputs}
        self.opens = np.concatenate([self.opens, opens])
        self.runs = np.concatenate([self.runs, runs])
        for variable, column in values.items():
            self.values[variable] = np.concatenate([self.values[variable], column])

    def _drop(self, count: int) -> None:
        # The newest candle stays, however old it is: what comes next has to be compared with it.
        count = min(count, self.opens.size - 1)
        self.earlier += count
        self.opens, self.runs = self.opens[count:].copy(), self.runs[count:].copy()
        self.values = {variable: column[count:].copy() for variable, column in self.values.items()}


def _undelayed(variable: Variable) -> Variable:
    return replace(variable, offset=0) if variable.offset else variable


def _read_as_written(node: SurfaceNode) -> Iterator[Variable]:
    """What a node's own operands read, which its canonical form may spell another way."""
    if isinstance(node, Comparison | Crosses | Channel | PriceMove | Trend):
        for operand in operands_of(node):
            yield from variables(operand)
    for child in children_of(node):
        yield from _read_as_written(child)


_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
_Computation = tuple[str, tuple[tuple[str, float], ...], str | Operand | None]
"""Indicator, parameters, source."""

_OPERATIONS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
_FUNCTIONS: dict[str, Callable[[list[Array]], Array]] = {
    "abs": lambda parts: np.abs(parts[0]),
    "min": np.minimum.reduce,
    "max": np.maximum.reduce,
}
_COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def _calculated(operand: Arithmetic | Function, parts: list[Array]) -> Array:
    """An operation on the values of its operands, NaN where it or one of them is not finite."""
    with np.errstate(all="ignore"):
        if isinstance(operand, Arithmetic):
            result = _OPERATIONS[operand.operator](*parts)
        else:
            result = _FUNCTIONS[operand.name](parts)
    is_known = np.logical_and.reduce([np.isfinite(column) for column in (result, *parts)])
    return np.where(is_known, result, np.nan)


def _of_block(source: Operand, columns: Candles, values: Mapping[Variable, Array]) -> Array:
    """The values of a source on the candles of a block."""
    match source:
        case Number(value):
            return np.full(len(columns["close"]), value)
        case Price(field=field):
            return source_array(columns, field)
        case Arithmetic() | Function():
            return _calculated(source, [_of_block(part, columns, values) for part in parts_of(source)])
    return values[source]


def _compare(operator: str, left: Array, right: Array) -> TruthColumn:
    with np.errstate(all="ignore"):
        truths = np.where(_COMPARISONS[operator](left, right), TRUE, FALSE)
    return np.where(np.isfinite(left) & np.isfinite(right), truths, UNKNOWN).astype(np.uint8)


def _age(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Candles since the last mark, 0 on it; before the first mark more than there are candles."""
    positions = np.arange(marks.size)
    last: NDArray[np.int64] = np.maximum.accumulate(np.where(marks, positions, -1 - marks.size))
    return positions - last
