"""Conditions judged straight from the words of the language: slow, and sharing nothing with the engine.

It takes candles and a canonical tree. Indicators come from ``oracle_formulae``, steps and views from the calendars as
the design states them, truth from Kleene's tables. Of the product it uses the nodes of ``registry.language.tree``, the
name of an operand, and how many candles an indicator says it needs to settle.

Truth is FALSE 0, UNKNOWN 1, TRUE 2: ``all`` is the smallest, ``any`` the largest, ``k of`` the k-th largest.

**Margins.** The engine and the oracle round differently. Where the sides of a comparison are closer to each other than
their errors (``oracle_formulae``: together 1e-9 of their scale), the two may differ: the comparison is FALSE *or* TRUE,
and so is everything that depends on it. Every truth is therefore a pair, the least and the greatest it may be. A candle
is *near* where a condition may fire but need not. Prices, constants and exact arithmetic on them have no error, so
their equality is exact.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from common.grids import UTC_GRID, Grid
from common.zones import zone
from registry.conditions import Condition
from registry.groups import Series
from registry.language.as_text.text import to_text
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
)
from tests.engine.oracle_formulae import Value, price, values_of
from tests.engine.oracle_slots import first_after, last_closed, slot_at

FALSE, UNKNOWN, TRUE = 0, 1, 2
NAMES = ("FALSE", "UNKNOWN", "TRUE")

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
_UNIT_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS, "mo": 31 * DAY_MS}
_FIRST_MONDAY_MS = 4 * DAY_MS

Rows = NDArray[np.int64]
Element = TypeVar("Element", bound=np.generic)
Truths = tuple[NDArray[np.int8], NDArray[np.int8]]
"""The least and the greatest truth on every candle."""


def length_of(timeframe: str) -> int:
    """Milliseconds of ``15m``, by which timeframes divide each other."""
    count = "".join(filter(str.isdigit, timeframe))
    return int(count) * _UNIT_MS[timeframe.removeprefix(count)]


def floor_to(time_ms: int, timeframe: str) -> int:
    """The open time of a slot on UTC's grid; weeks start on Monday."""
    shift = _FIRST_MONDAY_MS if timeframe == "1w" else 0
    return (time_ms - shift) // length_of(timeframe) * length_of(timeframe) + shift


@dataclass(frozen=True)
class Verdict:
    """What a condition does on every candle of its series."""

    opens: Rows
    fires: NDArray[np.bool_]
    may_fire: NDArray[np.bool_]
    """Fires unless a rounding error says otherwise; where only this is set the candle is near."""
    settled: NDArray[np.bool_]
    truths: Truths
    before: Rows
    """Row of the candle one step before, -1 without one."""

    @property
    def near(self) -> NDArray[np.bool_]:
        return self.may_fire & ~self.fires

    def words(self, open_ms: int) -> str:
        """The truths on a candle and one step before it, for people."""
        row = int(np.searchsorted(self.opens, open_ms))
        if row == self.opens.size or self.opens[row] != open_ms:
            return "no such candle"
        return f"one step before {self._word(int(self.before[row]))}, now {self._word(row)}"

    def _word(self, row: int) -> str:
        if row < 0:
            return "no candle"
        least, greatest = (NAMES[truth[row]] for truth in self.truths)
        return least if least == greatest else f"{least}..{greatest}"


class Oracle:
    """Judges conditions on histories: series -> its candles from its anchor on, oldest first."""

    def __init__(
        self,
        histories: Mapping[Series, pl.DataFrame],
        calendars: Mapping[str, str],
        grids: Mapping[str, Grid] = MappingProxyType({}),
    ) -> None:
        self._calendars = calendars
        self._grids = grids
        self._histories = histories
        self._read_candles: dict[Series, _Candles] = {}
        self._truths: dict[tuple[Series, Node], Truths] = {}
        self._values: dict[tuple[Series, Operand], Value] = {}
        self._views: dict[tuple[Series, Series], Rows] = {}

    def fires(self, condition: Condition) -> list[int]:
        """Open times of the candles on which a condition fires."""
        verdict = self.verdict(condition)
        opens: list[int] = verdict.opens[verdict.fires].tolist()
        return opens

    def near(self, condition: Condition) -> list[int]:
        """Open times of the candles on which a rounding error decides."""
        verdict = self.verdict(condition)
        opens: list[int] = verdict.opens[verdict.near].tolist()
        return opens

    def verdict(self, condition: Condition) -> Verdict:
        """What a condition does on every candle."""
        base, tree = condition.series, condition.tree
        candles = self._candles(base)
        least, greatest = self._truth(base, tree)
        fires, may_fire = least == TRUE, greatest == TRUE
        if not is_momentary(tree):
            fires = fires & (_at(greatest, candles.before, UNKNOWN) == FALSE)
            may_fire = may_fire & (_at(least, candles.before, UNKNOWN) == FALSE)
        settled = self._settled(base, tree)
        return Verdict(candles.opens, fires, may_fire, settled, (least, greatest), candles.before)

    def shown(self, condition: Condition, open_ms: int) -> dict[str, tuple[float, float]]:
        """Operand -> its value on a candle and the error of that."""
        base = condition.series
        row = int(np.searchsorted(self._candles(base).opens, open_ms))
        operands = {}
        for operand in _operands(condition.tree):
            if not isinstance(operand, Number):
                values, errors = self._value(base, operand)
                operands[to_text(operand, base)] = (float(values[row]), float(errors[row]))
        return operands

    def value(self, base: Series, operand: Operand) -> Value:
        """An operand on every candle of a series."""
        return self._value(base, operand)

    def open_of(self, series: Series, close_ms: int) -> int:
        """Open time of the candle that closes at a time."""
        return last_closed(close_ms, series.timeframe, self._grid(series))[0]

    def end_of(self, series: Series, open_ms: int) -> int:
        """When the candle closes that opens at a time."""
        candles = self._candles(series)
        return int(candles.ends[np.searchsorted(candles.opens, open_ms)])

    def close(self, series: Series, open_ms: int) -> float:
        """The close of a candle."""
        candles = self._candles(series)
        return float(candles.columns["close"][np.searchsorted(candles.opens, open_ms)])

    # Truth.

    def _truth(self, base: Series, node: Node) -> Truths:
        if (base, node) not in self._truths:
            self._truths[base, node] = self._judge(base, node)
        return self._truths[base, node]

    def _judge(self, base: Series, node: Node) -> Truths:
        match node:
            case Comparison(operator, left, right):
                return self._comparison(base, operator, left, right)
            case During():
                inside = [is_open(node, open_ms) for open_ms in self._candles(base).opens.tolist()]
                truths = np.where(inside, TRUE, FALSE).astype(np.int8)
                return truths, truths
            case Every(child):
                return self._truth(base, child)
            case Not(child):
                least, greatest = self._truth(base, child)
                return TRUE - greatest, TRUE - least
            case All(children):
                return _ranked([self._truth(base, child) for child in children], len(children))
            case Any(children):
                return _ranked([self._truth(base, child) for child in children], 1)
            case AtLeast(count, children):
                return _ranked([self._truth(base, child) for child in children], count)
            case Before(child):
                return _shifted(self._truth(base, child), self._candles(base).before)
            case For(child, bars):
                return _ranked(self._last(base, child, bars), bars)
            case Within(child, bars):
                return _ranked(self._last(base, child, bars), 1)
        raise TypeError(node)

    def _last(self, base: Series, node: Node, bars: int) -> list[Truths]:
        """Truths at the last slots; from the first missing one on they are unknown."""
        truths, before = self._truth(base, node), self._candles(base).before
        shifted = [truths]
        for _ in range(bars - 1):
            shifted.append(_shifted(shifted[-1], before))
        return shifted

    def _comparison(self, base: Series, operator: str, left: Operand, right: Operand) -> Truths:
        a, b = self._value(base, left), self._value(base, right)
        if operator == "crosses_above":
            return _ranked([_compare(">", a, b), _shifted(_compare("<=", a, b), self._candles(base).before)], 2)
        if operator == "crosses_below":
            return _ranked([_compare("<", a, b), _shifted(_compare(">=", a, b), self._candles(base).before)], 2)
        return _compare(operator, a, b)

    # Values.

    def _value(self, base: Series, operand: Operand) -> Value:
        if (base, operand) not in self._values:
            self._values[base, operand] = self._read(base, operand)
        return self._values[base, operand]

    def _read(self, base: Series, operand: Operand) -> Value:
        count = self._candles(base).opens.size
        match operand:
            case Number(value):
                return np.full(count, value), np.zeros(count)
            case Arithmetic(operator, left, right):
                return _calculate(operator, self._value(base, left), self._value(base, right))
            case Function(name, parts):
                return _apply(name, [self._value(base, part) for part in parts])
        candles = self._candles(operand.series)
        values, errors = candles.read(operand)
        rows = self._view(base, operand.series)
        for _ in range(operand.offset):
            rows = _at(candles.before, rows, -1)
        return _at(values, rows, math.nan), _at(errors, rows, 0.0)

    def _view(self, base: Series, series: Series) -> Rows:
        """The row of another series that each candle sees: its last closed slot, -1 if that has no candle."""
        if (base, series) not in self._views:
            times = self._candles(base).ends.tolist()
            if base == series:
                rows = np.arange(len(times))
            else:
                rows = np.array([self._candles(series).last_closed(time_ms) for time_ms in times], np.int64)
            self._views[base, series] = rows
        return self._views[base, series]

    def _candles(self, series: Series) -> "_Candles":
        if series not in self._read_candles:
            has_sessions = self._calendars.get(str(series.instrument)) == "sessions"
            history, grid = self._histories[series], self._grid(series)
            self._read_candles[series] = _Candles(history, series.timeframe, grid, has_sessions)
        return self._read_candles[series]

    def _grid(self, series: Series) -> Grid:
        return self._grids.get(str(series.instrument), UTC_GRID)

    # Settling.

    def _settled(self, base: Series, tree: Node) -> NDArray[np.bool_]:
        """Whether there are as many candles since the anchor as the indicators need to settle, plus the steps that are
        looked back."""
        times = self._candles(base).ends
        settled = np.ones(times.size, np.bool_)
        for variable, steps in _paths(tree, 0):
            candles = self._candles(variable.series)
            settle = _settle(variable)
            if settle is None:
                settled[:] = False
                continue
            is_month = variable.series.timeframe == "1mo"
            length = 28 * DAY_MS if is_month else length_of(variable.series.timeframe)
            ratio = max(1, length // length_of(base.timeframe))
            needed = settle + variable.offset + math.ceil(steps / ratio)
            counts = np.searchsorted(candles.ends, times, side="right")
            settled &= counts >= needed
        return settled


class _Candles:
    """One series: candles, and the steps between them."""

    def __init__(self, history: pl.DataFrame, timeframe: str, grid: Grid, has_sessions: bool) -> None:
        self.opens = history["open_time"].dt.epoch("ms").to_numpy()
        slots = [slot_at(open_ms, timeframe, grid) for open_ms in self.opens.tolist()]
        assert [slot and slot[0] for slot in slots] == self.opens.tolist(), "every candle opens with a slot"
        self.ends = np.array([slot[1] for slot in slots if slot], np.int64)
        """Close times."""
        self.columns = {name: history[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
        self.columns["open_time"] = self.opens
        self._timeframe = timeframe
        self._grid = grid
        self._has_sessions = has_sessions
        self._read: dict[Variable, dict[str, Value]] = {}

    @cached_property
    def before(self) -> Rows:
        """Row of the candle one step before each: in the slot before, or of a session market at most a week ago."""
        rows = np.full(self.opens.size, -1, np.int64)
        for row in range(1, self.opens.size):
            is_next = first_after(int(self.ends[row - 1]), self._timeframe, self._grid)[0] == self.opens[row]
            if is_next or (self._has_sessions and self.opens[row] - self.opens[row - 1] <= WEEK_MS):
                rows[row] = row - 1
        return rows

    def last_closed(self, time_ms: int) -> int:
        """Row of the candle in the slot with the greatest close time by ``time_ms``, -1 if it is missing."""
        row = int(np.searchsorted(self.ends, time_ms, side="right")) - 1
        if row < 0:
            return -1
        is_recent = self._has_sessions and time_ms - int(self.ends[row]) <= WEEK_MS
        is_last = int(self.opens[row]) == last_closed(time_ms, self._timeframe, self._grid)[0]
        return row if is_recent or is_last else -1

    def read(self, variable: Variable) -> Value:
        """A price or an indicator on every candle, steps back aside."""
        if isinstance(variable, Price):
            values = price(self.columns, variable.field)
            return values, np.zeros(values.size)
        key = replace(variable, offset=0, output="")
        if key not in self._read:
            parameters = tuple(value for _, value in variable.parameters)
            source = variable.source
            if source is not None and not isinstance(source, str):
                self._read[key] = values_of(variable.indicator, self.columns, self._source(source), parameters)
            else:
                self._read[key] = values_of(variable.indicator, self.columns, source, parameters)
        return self._read[key][variable.output]

    def _source(self, operand: Operand) -> Value:
        """What an indicator is computed from, on every candle."""
        match operand:
            case Number(value):
                return np.full(self.opens.size, value), np.zeros(self.opens.size)
            case Arithmetic(operator, left, right):
                return _calculate(operator, self._source(left), self._source(right))
            case Function(name, parts):
                return _apply(name, [self._source(part) for part in parts])
        return self.read(operand)


def is_open(window: During, open_ms: int) -> bool:
    """Whether a time is inside a window that began on one of its days, yesterday or today."""
    clock = datetime.fromtimestamp(open_ms / 1000, zone(window.zone))
    minute = clock.hour * 60 + clock.minute + clock.second / 60
    began_today = clock.weekday() in window.days and window.start <= minute
    if window.start < window.end:
        return began_today and minute < window.end
    return began_today or ((clock.weekday() - 1) % 7 in window.days and minute < window.end)


def is_momentary(node: Node) -> bool:
    """Whether it fires on every TRUE candle: a crossing, ``every``, an ``any`` or ``k of`` of only such, an ``all``
    with one of them."""
    match node:
        case Every():
            return True
        case Comparison(operator):
            return operator in ("crosses_above", "crosses_below")
        case All(children):
            return any(map(is_momentary, children))
        case Any(children) | AtLeast(_, children):
            return all(map(is_momentary, children))
    return False


def _compare(operator: str, left: Value, right: Value) -> Truths:
    (a, error_a), (b, error_b) = left, right
    known = np.isfinite(a) & np.isfinite(b)
    with np.errstate(invalid="ignore"):
        verdict = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
        error = error_a + error_b
        near = known & (error > 0) & (np.abs(a - b) <= error)
    truth = np.where(known, np.where(verdict, TRUE, FALSE), UNKNOWN).astype(np.int8)
    # An infinite error belongs to a quotient whose divisor may be 0: it may even be UNKNOWN.
    near |= np.isinf(error)
    return np.where(near, FALSE, truth).astype(np.int8), np.where(near, TRUE, truth).astype(np.int8)


def _calculate(operator: str, left: Value, right: Value) -> Value:
    """What is calculated from something that is not finite, or is not finite itself, is not known."""
    (a, error_a), (b, error_b) = left, right
    with np.errstate(all="ignore"):
        match operator:
            case "+":
                return _known(a + b, [a, b]), error_a + error_b
            case "-":
                return _known(a - b, [a, b]), error_a + error_b
            case "*":
                error = np.where(error_a > 0, np.abs(b) * error_a, 0) + np.where(error_b > 0, np.abs(a) * error_b, 0)
                return _known(a * b, [a, b]), error + error_a * error_b
            case _:
                least = np.abs(b) - error_b
                spread = error_a + np.where(error_b > 0, np.abs(a / b) * error_b, 0)
                error = np.where(spread == 0, 0, np.where(least <= 0, np.inf, spread / least))
                return _known(a / b, [a, b]), error


def _apply(name: str, operands: list[Value]) -> Value:
    """``abs``, ``min`` or ``max``, none of which is further off than the operand that is furthest off."""
    columns = [values for values, _ in operands]
    results: NDArray[np.float64]
    match name:
        case "abs":
            results = np.abs(columns[0])
        case "min":
            results = np.min(columns, axis=0)
        case _:
            results = np.max(columns, axis=0)
    return _known(results, columns), np.max([errors for _, errors in operands], axis=0)


def _known(results: NDArray[np.float64], operands: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """NaN wherever an operand or the result is not finite."""
    unknown = ~np.isfinite(results)
    for column in operands:
        unknown |= ~np.isfinite(column)
    return np.where(unknown, math.nan, results)


def _ranked(pairs: list[Truths], rank: int) -> Truths:
    """The ``rank``-th largest truth: ``any`` is the first, ``all`` the last, ``k of`` the k-th."""
    least, greatest = (np.sort(np.array([pair[side] for pair in pairs]), axis=0)[-rank] for side in (0, 1))
    return least, greatest


def _shifted(truths: Truths, before: Rows) -> Truths:
    """Truths one step before, UNKNOWN where there is no such candle."""
    return _at(truths[0], before, UNKNOWN), _at(truths[1], before, UNKNOWN)


def _at(values: NDArray[Element], rows: Rows, otherwise: float) -> NDArray[Element]:
    """``values[rows]``; ``otherwise`` where the row is -1."""
    taken = np.full(rows.size, otherwise, values.dtype)
    taken[rows >= 0] = values[rows[rows >= 0]]
    return taken


def _operands(node: Node) -> dict[Operand, None]:
    match node:
        case Comparison(_, left, right):
            return {left: None, right: None}
        case During():
            return {}
        case Not(child) | Every(child) | Before(child) | For(child, _) | Within(child, _):
            return _operands(child)
        case All(children) | Any(children) | AtLeast(_, children):
            return {operand: None for child in children for operand in _operands(child)}
    raise TypeError(node)


def _paths(node: Node, steps: int) -> list[tuple[Variable, int]]:
    """Every price and indicator that is read, with the steps of the base that are looked back from it."""
    match node:
        case Comparison(operator, left, right):
            back = steps + operator.startswith("crosses")
            return [(variable, back) for side in (left, right) for variable in _variables(side)]
        case During():
            return []
        case Not(child) | Every(child):
            return _paths(child, steps)
        case Before(child):
            return _paths(child, steps + 1)
        case For(child, bars) | Within(child, bars):
            return _paths(child, steps + bars - 1)
        case All(children) | Any(children) | AtLeast(_, children):
            return [path for child in children for path in _paths(child, steps)]
    raise TypeError(node)


def _variables(operand: Operand) -> list[Variable]:
    if isinstance(operand, Arithmetic):
        return _variables(operand.left) + _variables(operand.right)
    if isinstance(operand, Function):
        return [variable for part in operand.operands for variable in _variables(part)]
    return [] if isinstance(operand, Number) else [operand]


def _settle(variable: Variable) -> int | None:
    """Candles until it has settled: those of an indicator and of its source add up where that is known to be enough."""
    if not isinstance(variable, IndicatorOutput):
        return 0
    from indicators.catalogue import catalogue
    from indicators.nested_settling import ADDS_UP

    # Measured when the indicator was written, and tested there; only its use is judged here.
    own = catalogue()[variable.indicator].settle(dict(variable.parameters))
    source = variable.source
    inner = [] if source is None or isinstance(source, str) else _indicators(source)
    if not inner:
        return own
    if variable.output not in ADDS_UP.get(variable.indicator, ()) and not all(map(_is_window, [variable, *inner])):
        return None
    needed = [_settle(each) for each in inner]
    return own + max(each for each in needed if each is not None) if None not in needed else None


def _indicators(operand: Operand) -> list[IndicatorOutput]:
    """The indicators that an operand reads."""
    return [variable for variable in _variables(operand) if isinstance(variable, IndicatorOutput)]


def _is_window(variable: IndicatorOutput) -> bool:
    """Whether it depends on a fixed number of candles only."""
    from indicators.catalogue import catalogue

    record = catalogue()[variable.indicator]
    source = variable.source
    inner = [] if source is None or isinstance(source, str) else _indicators(source)
    parameters = dict(variable.parameters)
    is_window = not record.start and record.settle(parameters) == record.lookback(parameters)
    return is_window and all(map(_is_window, inner))
