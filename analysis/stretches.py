"""Consecutive candles of a series, with the values of what is read of it: what :mod:`analysis.valuation` judges."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.calendars import SeriesCalendar
from engine.candle_history import AnyHistory, as_history, open_times
from indicators.catalogue import find
from indicators.compute import Array, Candles, Carry, input_arrays, scan, source_array, start
from registry.language.tree import (
    Arithmetic,
    Function,
    IndicatorOutput,
    Number,
    Operand,
    Price,
    Variable,
    parts_of,
)

Calculation = tuple[str, tuple[tuple[str, float], ...], str | Operand | None]
"""Indicator, parameters, source."""

_COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
_OPERATIONS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
_FUNCTIONS: dict[str, Callable[[list[Array]], Array]] = {
    "abs": lambda parts: np.abs(parts[0]),
    "min": np.minimum.reduce,
    "max": np.maximum.reduce,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive candles of a series: ``opens``, ``runs`` and the columns of ``values`` have one row each."""

    calendar: SeriesCalendar
    opens: NDArray[np.int64]
    runs: NDArray[np.int64]
    """How many consecutive steps lead to each candle."""
    earlier: int
    """Candles from the anchor on before the first row."""
    total: int
    """Candles of the whole history, with those that are too new."""
    first_open_ms: int
    """Of the whole history, as ``last_open_ms``."""
    last_open_ms: int
    values: Mapping[Variable, Array]
    """float64[n] of what is read, without steps back."""

    def closed_by(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """At each time: the row of the last closed slot's candle, -1 if it has none, and how many of the rows had
        closed."""
        if not self.opens.size:
            return np.full(times.size, -1), np.zeros(times.size, np.int64)
        return self.calendar.last_closed(self.opens, times)

    def part(self, begin: int, stop: int) -> "Stretch":
        """Its rows from one up to another; shares their memory."""
        return replace(
            self,
            opens=self.opens[begin:stop],
            runs=self.runs[begin:stop],
            earlier=self.earlier + begin,
            values={variable: column[begin:stop] for variable, column in self.values.items()},
        )


Outputs = Mapping[IndicatorOutput, Array]
Compute = Callable[[Calculation, Sequence[IndicatorOutput], Candles, Mapping[Variable, Array]], Outputs]
"""(calculation, its outputs that are read, candles, what it is computed from) -> values of those outputs."""


def computed(
    calculation: Calculation, outputs: Sequence[IndicatorOutput], columns: Candles, values: Mapping[Variable, Array]
) -> Outputs:
    """The outputs of a calculation on a whole history."""
    return moved(calculation, begin(calculation), outputs, columns, values)


def whole_stretch(
    candles: pl.DataFrame, calendar: SeriesCalendar, wanted: Collection[Variable], compute: Compute = computed
) -> Stretch:
    """All candles of a history, oldest first, with values that ``compute`` may take from elsewhere.

    ``wanted`` is what is read, without steps back; what an indicator is computed from comes before it.
    """
    columns, opens = columns_of(candles), open_times(candles)
    values: dict[Variable, Array] = {
        variable: source_array(columns, variable.field) for variable in wanted if isinstance(variable, Price)
    }
    for calculation, outputs in outputs_by_calculation(wanted).items():
        fresh = compute(calculation, outputs, columns, values)
        values |= {output: fresh[output] for output in outputs}
    none = np.zeros(0, np.int64)
    first, last = (int(opens[0]), int(opens[-1])) if opens.size else (0, 0)
    return Stretch(calendar, opens, runs_after(calendar, none, none, opens), 0, opens.size, first, last, values)


class StretchReader:
    """Moves over a history block by block, and keeps of it what the last candles need."""

    def __init__(self, wanted: Iterable[Variable], calendar: SeriesCalendar) -> None:
        """``wanted`` is what is read, without steps back; what an indicator is computed from comes before it."""
        self._calendar = calendar
        self._opens = np.zeros(0, np.int64)
        self._runs = np.zeros(0, np.int64)
        self._earlier = self._total = 0
        self._first_open_ms = self._last_open_ms = 0
        wanted = list(wanted)
        self._values: dict[Variable, Array] = {variable: np.zeros(0) for variable in wanted}
        self._prices = [variable for variable in wanted if isinstance(variable, Price)]
        self._outputs = outputs_by_calculation(wanted)
        self._carries = {calculation: begin(calculation) for calculation in self._outputs}

    def read(self, candles: AnyHistory, until_ms: int | None, first_needed: Callable[[NDArray[np.int64]], int]) -> None:
        """Move over a history. ``first_needed`` says from which of the candles so far they may be needed still; those
        that open after ``until_ms`` are only counted."""
        for block in as_history(candles).blocks():
            opens = open_times(block)
            if not self._total:
                self._first_open_ms = int(opens[0])
            self._total += opens.size
            self._last_open_ms = int(opens[-1])
            count = opens.size if until_ms is None else int(np.searchsorted(opens, until_ms, side="right"))
            if count:
                self._take(block[:count], opens[:count])
                self._drop(max(0, first_needed(self._opens)))

    def stretch(self) -> Stretch:
        """The candles that are kept."""
        return Stretch(
            self._calendar,
            self._opens,
            self._runs,
            self._earlier,
            self._total,
            self._first_open_ms,
            self._last_open_ms,
            self._values,
        )

    def _take(self, block: pl.DataFrame, opens: NDArray[np.int64]) -> None:
        columns = columns_of(block)
        values: dict[Variable, Array] = {price: source_array(columns, price.field) for price in self._prices}
        for calculation, outputs in self._outputs.items():
            fresh = moved(calculation, self._carries[calculation], outputs, columns, values)
            values |= {output: fresh[output] for output in outputs}
        self._runs = np.concatenate([self._runs, runs_after(self._calendar, self._opens, self._runs, opens)])
        self._opens = np.concatenate([self._opens, opens])
        for variable, column in values.items():
            self._values[variable] = np.concatenate([self._values[variable], column])

    def _drop(self, count: int) -> None:
        # The newest candle stays, however old it is: what comes next has to be compared with it.
        count = min(count, self._opens.size - 1)
        self._earlier += count
        self._opens, self._runs = self._opens[count:].copy(), self._runs[count:].copy()
        self._values = {variable: column[count:].copy() for variable, column in self._values.items()}


def undelayed(variable: Variable) -> Variable:
    """A variable without its steps back."""
    return replace(variable, offset=0) if variable.offset else variable


def columns_of(candles: pl.DataFrame) -> dict[str, NDArray[np.generic]]:
    """The columns of a candle frame from which values are computed."""
    return {name: candles[name].to_numpy() for name in _COLUMNS}


def outputs_by_calculation(wanted: Iterable[Variable]) -> dict[Calculation, list[IndicatorOutput]]:
    """What has to be computed for variables, in their order, and which of them each calculation gives."""
    outputs: dict[Calculation, list[IndicatorOutput]] = {}
    for variable in wanted:
        if isinstance(variable, IndicatorOutput):
            calculation = variable.indicator, variable.parameters, variable.source
            outputs.setdefault(calculation, []).append(variable)
    return outputs


def begin(calculation: Calculation) -> Carry:
    """What a calculation continues from at the first candle."""
    return start(find(calculation[0]), dict(calculation[1]))


def moved(
    calculation: Calculation,
    carry: Carry,
    outputs: Sequence[IndicatorOutput],
    columns: Candles,
    values: Mapping[Variable, Array],
) -> Outputs:
    """Outputs of a calculation on the next candles; ``carry`` moves on. ``values`` has what it is computed from."""
    name, parameters, source = calculation
    indicator = find(name)
    chosen = source if source is None or isinstance(source, str) else source_values(source, columns, values)
    computed = scan(indicator, dict(parameters), carry, input_arrays(indicator, columns, chosen))
    by_name = {output.name: column for output, column in zip(indicator.outputs, computed, strict=True)}
    return {output: by_name[output.output] for output in outputs}


def runs_after(
    calendar: SeriesCalendar,
    opens_before: NDArray[np.int64],
    runs_before: NDArray[np.int64],
    opens: NDArray[np.int64],
) -> NDArray[np.int64]:
    """How many consecutive steps lead to each of the candles that follow others."""
    steps = calendar.adjacent(opens, int(opens_before[-1]) if opens_before.size else None)
    runs = age(~steps)
    if opens_before.size:
        # Up to the first missing step, the run goes on from the candles before.
        unbroken = np.minimum.accumulate(steps)
        runs = np.where(unbroken, runs_before[-1] + 1 + np.arange(opens.size), runs)
    return runs


def calculated(operand: Arithmetic | Function, parts: list[Array]) -> Array:
    """An operation on the values of its operands, NaN where it or one of them is not finite."""
    with np.errstate(all="ignore"):
        if isinstance(operand, Arithmetic):
            result = _OPERATIONS[operand.operator](*parts)
        else:
            result = _FUNCTIONS[operand.name](parts)
    is_known = np.logical_and.reduce([np.isfinite(column) for column in (result, *parts)])
    return np.where(is_known, result, np.nan)


def age(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Candles since the last mark, 0 on it; before the first mark more than there are candles."""
    positions = np.arange(marks.size)
    last: NDArray[np.int64] = np.maximum.accumulate(np.where(marks, positions, -1 - marks.size))
    return positions - last


def source_values(source: Operand, columns: Candles, values: Mapping[Variable, Array]) -> Array:
    """The values of a source on some candles."""
    match source:
        case Number(value):
            return np.full(len(columns["close"]), value)
        case Price(field=field):
            return source_array(columns, field)
        case Arithmetic() | Function():
            return calculated(source, [source_values(part, columns, values) for part in parts_of(source)])
    return values[source]
