"""Values and truths of one condition's tree on every candle of its series, straight from the language's definition.

``engine.evaluate`` and ``engine.history`` run a plan that thousands of conditions share, and keep only what fired. This
module evaluates one condition, node by node, and has nothing but the indicators in common with them: much slower, but
able to say what each part of the tree was. A test holds both to the same result.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any as AnyValue

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.timeframes import DURATION_MS
from engine.calendars import SeriesCalendar, calendar_of
from engine.program import FALSE, TRUE, UNKNOWN
from indicators.catalogue import find
from indicators.compute import Array, compute, source_array
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Calendar
from registry.language.tree import (
    All,
    Any,
    Arithmetic,
    AtLeast,
    Comparison,
    Every,
    For,
    IndicatorOutput,
    Node,
    Not,
    Number,
    Operand,
    Price,
    Variable,
    Within,
)

TruthColumn = NDArray[np.uint8]
"""FALSE, UNKNOWN or TRUE for each candle of the base series."""


class Valuation:
    """The values of operands and the truths of nodes, computed on first use and kept."""

    def __init__(
        self, condition: Condition, histories: Mapping[Series, pl.DataFrame], calendars: Mapping[str, Calendar]
    ) -> None:
        """``histories`` has the candles of each series that the condition reads, oldest first, from its anchor on."""
        self.condition = condition
        self._histories = histories
        self._calendars = calendars
        self._times: dict[Series, _Times] = {}
        self._computed: dict[Operand, Array] = {}
        self._values: dict[Operand, Array] = {}
        self._truths: dict[Node, TruthColumn] = {}
        self.opens = self.times(condition.series).opens
        self.closes = self.opens + DURATION_MS[condition.timeframe]
        self.close = source_array(histories[condition.series], "close")
        self.steps_back = self.times(condition.series).runs
        """How many consecutive steps lead to each candle: beyond them a candle is missing."""

    def times(self, series: Series) -> "_Times":
        """The times of a series' candles."""
        if series not in self._times:
            history = self._histories[series]
            opens = history["open_time"].dt.epoch("ms").to_numpy()
            self._times[series] = _Times(opens, calendar_of(series, self._calendars))
        return self._times[series]

    def row(self, series: Series, row: int) -> int:
        """The row of a series that a candle of the base sees: the last slot that has closed, -1 if it has no candle."""
        if series == self.condition.series:
            return row
        rows, _ = self.times(series).calendar.last_closed(self.times(series).opens, self.closes[row : row + 1])
        return int(rows[0])

    def candles(self, series: Series, row: int) -> int:
        """How many candles a series has from its anchor up to a candle of the base."""
        if series == self.condition.series:
            return row + 1
        _, count = self.times(series).calendar.last_closed(self.times(series).opens, self.closes[row : row + 1])
        return int(count[0])

    def value(self, operand: Operand) -> Array:
        """float64, one value for each candle of the base; what is not known is not finite."""
        if operand not in self._values:
            self._values[operand] = self._value(operand)
        return self._values[operand]

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
        return np.where(self.steps_back > 0, np.roll(self.truth(node), 1), UNKNOWN).astype(np.uint8)

    def fires(self) -> NDArray[np.bool_]:
        """Whether the condition fires on each candle."""
        tree = self.condition.tree
        fired: NDArray[np.bool_] = self.truth(tree) == TRUE
        return fired if self.condition.momentary else fired & (self.truth_before(tree) == FALSE)

    def settled(self, row: int) -> bool:
        """Whether there are enough candles since the anchors for the indicators to have settled."""
        return all(self.candles(series, row) >= needed.settle for series, needed in self.condition.needed.items())

    def _value(self, operand: Operand) -> Array:
        if isinstance(operand, Number):
            return np.full(self.opens.size, operand.value)
        if isinstance(operand, Arithmetic):
            left, right = self.value(operand.left), self.value(operand.right)
            with np.errstate(all="ignore"):
                return _OPERATIONS[operand.operator](left, right)
        own = self._own_values(operand)
        if operand.series == self.condition.series:
            return own
        times = self.times(operand.series)
        rows, _ = times.calendar.last_closed(times.opens, self.closes)
        return np.where(rows >= 0, own[rows], np.nan)

    def _own_values(self, variable: Variable) -> Array:
        """The values on the candles of the variable's own series."""
        if variable.offset:
            runs, now = self.times(variable.series).runs, self._own_values(replace(variable, offset=0))
            return np.where(runs >= variable.offset, np.roll(now, variable.offset), np.nan)
        if variable not in self._computed:
            history = self._histories[variable.series]
            if isinstance(variable, Price):
                self._computed[variable] = source_array(history, variable.field)
            else:
                parameters: dict[str, AnyValue] = dict(variable.parameters)
                outputs = compute(variable.indicator, history, source=variable.source, **parameters)
                self._computed.update({replace(variable, output=name): values for name, values in outputs.items()})
        return self._computed[variable]

    def _truth(self, node: Node) -> TruthColumn:  # noqa: PLR0911 - one return for each kind of node
        match node:
            case Comparison():
                return self._compared(node)
            case Not(child):
                return (TRUE - self.truth(child)).astype(np.uint8)
            case Every(child):
                return self.truth(child)
            case All(children):
                lowest: TruthColumn = np.minimum.reduce(self._of(children))
                return lowest
            case Any(children):
                highest: TruthColumn = np.maximum.reduce(self._of(children))
                return highest
            case AtLeast(count, children):
                each = self._of(children)
                true, unknown = (each == TRUE).sum(axis=0), (each == UNKNOWN).sum(axis=0)
                truths = np.where(true >= count, TRUE, np.where(true + unknown < count, FALSE, UNKNOWN))
                return truths.astype(np.uint8)
            case For(child, bars):
                return self._lasting(self.truth(child), bars, FALSE)
            case Within(child, bars):
                return self._lasting(self.truth(child), bars, TRUE)

    def _of(self, nodes: tuple[Node, ...]) -> TruthColumn:
        """Truths of nodes: uint8[nodes, candles]."""
        return np.array([self.truth(node) for node in nodes])

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


class _Times:
    """Open times of a series' candles, and how many consecutive steps lead to each."""

    def __init__(self, opens: NDArray[np.int64], calendar: SeriesCalendar) -> None:
        self.opens = opens
        self.calendar = calendar
        self.runs = _age(~calendar.adjacent(opens, None)) if opens.size else opens


def warm_up(variable: Variable) -> int:
    """How many candles of its own series a variable needs for its first value, not counting its steps back."""
    if isinstance(variable, IndicatorOutput):
        return find(variable.indicator).lookback(dict(variable.parameters)) + 1
    return 1


_OPERATIONS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
_COMPARISONS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def _compare(operator: str, left: Array, right: Array) -> TruthColumn:
    with np.errstate(all="ignore"):
        truths = np.where(_COMPARISONS[operator](left, right), TRUE, FALSE)
    return np.where(np.isfinite(left) & np.isfinite(right), truths, UNKNOWN).astype(np.uint8)


def _age(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Candles since the last mark, 0 on it; before the first mark more than there are candles."""
    positions = np.arange(marks.size)
    last: NDArray[np.int64] = np.maximum.accumulate(np.where(marks, positions, -1 - marks.size))
    return positions - last
