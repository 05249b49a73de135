"""Candles and indicators that were computed before, kept for the next question about the same series.

Somebody who tries out a condition changes a threshold, and then another one: with the values of its indicators at hand,
that costs a comparison. What is kept is bounded in bytes, and the least recently used goes first. Nothing of a user is
in it, so all users share it: candles of a series from its anchor on, and the outputs of calculations on them.

When candles have come, what is kept is continued with them; when any of the kept ones has changed, it is dropped.
Candles that were judged never change but by a rebase, so only those after them are read again and compared.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from analysis.stretches import (
    Calculation,
    Stretch,
    begin,
    columns_of,
    moved,
    outputs_by_calculation,
    runs_after,
)
from analysis.valuation import wanted_of
from candles.epochs import StoredHistory
from candles.series import SeriesReader
from common.candle_columns import VALUES
from engine.calendars import SeriesCalendar
from engine.candle_history import open_times
from indicators.catalogue import find
from indicators.compute import Array, Carry, source_array
from registry.conditions import Condition
from registry.groups import Series
from registry.language.tree import IndicatorOutput, Price, Variable, variables
from registry.store.protocol import Store

_ROW = 64
"""Bytes that the candle of one slot takes at most."""
_SHARE = 2
"""A series may take one in so many of the bytes; a longer one is not kept."""


@dataclass(frozen=True, slots=True)
class SeriesSource:
    """Where the candles of a series come from, and what says whether they are those that are kept."""

    history: StoredHistory
    calendar: SeriesCalendar
    version: int
    """Of the stored candles, read before them."""
    state: Hashable
    """Anchor, grid and the like: with another one, these are other candles."""
    judged: Callable[[], Sequence[tuple[int, int]]]
    """Asks between which open times stored candles never change any more."""

    def frozen_until(self) -> int:
        """Up to which time slots have to be over, so that their candles never change any more."""
        first = self.history.first_open_ms
        return max((until for begins, until in self.judged() if begins <= first), default=first)


@dataclass(frozen=True, slots=True)
class _Candles:
    """The candles of a series as they were read: one row each in ``opens``, ``runs`` and the columns."""

    version: int
    state: Hashable
    generation: int
    """The same as long as candles were only added."""
    opens: NDArray[np.int64]
    runs: NDArray[np.int64]
    columns: Mapping[str, Array]
    frozen_until: int
    """As it was when they were read: a candle after it may have changed since, and have been judged then."""

    @property
    def nbytes(self) -> int:
        return self.opens.nbytes + self.runs.nbytes + sum(column.nbytes for column in self.columns.values())


@dataclass(frozen=True, slots=True)
class _Outputs:
    """The outputs of a calculation on the first rows of a series, and what they continue from."""

    rows: int
    carry: Carry
    columns: Mapping[IndicatorOutput, Array]

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self.columns.values())


class KeptSeries:
    """Values of series, for any number of threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: LRUCache[Hashable, _Candles | _Outputs] = LRUCache(most_bytes, lambda item: item.nbytes)
        self._lock = Lock()
        self._generations = count()

    @property
    def nbytes(self) -> int:
        """Bytes that are in use."""
        return int(self._kept.currsize)

    def stretches(self, condition: Condition, sources: Mapping[Series, SeriesSource]) -> dict[Series, Stretch] | None:
        """All candles of a condition's series with the values that its tree reads.

        ``None`` if a series is too long to be kept: then they have to be read block by block.
        """
        if any(self._size(source) * _SHARE > self._most_bytes for source in sources.values()):
            return None
        wanted = wanted_of(condition, dict.fromkeys(variables(condition.tree)))
        stretches: dict[Series, Stretch] = {}
        for series, source in sources.items():
            candles = self._candles(series, source)
            if not candles.opens.size:
                return None
            stretches[series] = Stretch(
                calendar=source.calendar,
                opens=candles.opens,
                runs=candles.runs,
                earlier=0,
                total=candles.opens.size,
                first_open_ms=int(candles.opens[0]),
                last_open_ms=int(candles.opens[-1]),
                values=self._values(series, candles, wanted[series]),
            )
        return stretches

    def _size(self, source: SeriesSource) -> int:
        slots = source.calendar.slots
        first, last = source.history.first_open_ms, source.history.last_open_ms
        return (slots.number(last) - slots.number(first) + 1) * _ROW

    def _candles(self, series: Series, source: SeriesSource) -> _Candles:
        before = self._get(series)
        if not isinstance(before, _Candles) or before.state != source.state:
            before = None
        if before is not None and before.version == source.version:
            return before
        continued = None if before is None else _continued(before, source)
        candles = _read(source, next(self._generations)) if continued is None else continued
        self._put(series, candles)
        return candles

    def _values(self, series: Series, candles: _Candles, wanted: Mapping[Variable, None]) -> dict[Variable, Array]:
        values: dict[Variable, Array] = {
            variable: source_array(candles.columns, variable.field)
            for variable in wanted
            if isinstance(variable, Price)
        }
        for calculation, outputs in outputs_by_calculation(wanted).items():
            columns = self._outputs(series, candles, calculation, outputs[0], values).columns
            values |= {output: columns[output] for output in outputs}
        return values

    def _outputs(
        self,
        series: Series,
        candles: _Candles,
        calculation: Calculation,
        example: IndicatorOutput,
        values: Mapping[Variable, Array],
    ) -> _Outputs:
        key = series, candles.generation, calculation
        before, rows = self._get(key), candles.opens.size
        if isinstance(before, _Outputs) and before.rows >= rows:
            # Another thread may have seen candles that came after these.
            return replace(before, columns={name: column[:rows] for name, column in before.columns.items()})
        all_outputs = [replace(example, output=output.name) for output in find(calculation[0]).outputs]
        if not isinstance(before, _Outputs):
            before = _Outputs(0, begin(calculation), {output: np.zeros(0) for output in all_outputs})
        done, carry = before.rows, before.carry.copy()
        fresh = moved(
            calculation,
            carry,
            all_outputs,
            {name: column[done:] for name, column in candles.columns.items()},
            {variable: column[done:] for variable, column in values.items()},
        )
        columns = {output: _joined(before.columns[output], fresh[output]) for output in all_outputs}
        outputs = _Outputs(rows, carry, columns)
        self._put(key, outputs)
        return outputs

    def _get(self, key: Hashable) -> _Candles | _Outputs | None:
        with self._lock:
            return self._kept.get(key)

    def _put(self, key: Hashable, item: _Candles | _Outputs) -> None:
        if item.nbytes <= self._most_bytes:
            with self._lock:
                self._kept[key] = item


def sources_of(store: Store, reader: SeriesReader, condition: Condition) -> dict[Series, SeriesSource]:
    """Where the candles of a condition's series come from now; series without candles are left out."""
    anchors, rebase = store.ticks.anchors(), store.ticks.last_rebase()
    stored = {series: reader.stored(series) for series in condition.all_series}
    # Before anything else is asked about candles: what is read may be newer than its version, never older.
    versions = {series: store.candles.version([stored[series]]) for series in condition.all_series}
    sources: dict[Series, SeriesSource] = {}
    for series in condition.all_series:
        extent = reader.extent(series)
        if extent is None:
            continue
        first, calendar = anchors.get(series, extent[0]), reader.calendar(series)
        sources[series] = SeriesSource(
            StoredHistory(reader, series, first, extent[1]),
            calendar,
            versions[series],
            (first, stored[series], str(calendar.grid), calendar.has_sessions, rebase),
            partial(store.candles.judged, stored[series]),
        )
    return sources


def _read(source: SeriesSource, generation: int) -> _Candles:
    frozen_until = source.frozen_until()
    opens, columns = _columns(source.history)
    none = np.zeros(0, np.int64)
    runs = runs_after(source.calendar, none, none, opens)
    return _Candles(source.version, source.state, generation, opens, runs, columns, frozen_until)


def _columns(history: StoredHistory) -> tuple[NDArray[np.int64], dict[str, Array]]:
    parts = [(open_times(block), columns_of(block)) for block in history.blocks()]
    if not parts:
        return np.zeros(0, np.int64), {name: np.zeros(0) for name in ("open_time", *VALUES)}
    names = parts[0][1]
    return (
        np.concatenate([opens for opens, _ in parts]),
        {name: np.concatenate([columns[name] for _, columns in parts]) for name in names},
    )


def _continued(before: _Candles, source: SeriesSource) -> _Candles | None:
    """The kept candles with those that have come since; ``None`` if one of them has changed."""
    frozen_until = source.frozen_until()
    # Of a candle that is built, all parts have to be among those that never change.
    last_frozen = source.calendar.last_open(before.frozen_until)
    row = int(np.searchsorted(before.opens, last_frozen, side="right"))
    kept = before.opens.size - row
    from_ms = max(source.history.first_open_ms, last_frozen + 1)
    opens, columns = _columns(replace(source.history, first_open_ms=from_ms))
    same = opens.size >= kept and np.array_equal(opens[:kept], before.opens[row:])
    if not same or any(
        not np.array_equal(column[:kept], before.columns[name][row:]) for name, column in columns.items()
    ):
        return None
    fresh = opens[kept:]
    runs = runs_after(source.calendar, before.opens, before.runs, fresh)
    return replace(
        before,
        version=source.version,
        opens=_joined(before.opens, fresh),
        runs=_joined(before.runs, runs),
        columns={name: _joined(column, columns[name][kept:]) for name, column in before.columns.items()},
        frozen_until=frozen_until,
    )


def _joined(before: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([before, fresh]) if fresh.size else before
