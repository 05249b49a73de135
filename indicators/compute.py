"""Runs the kernels: a whole history, a history in spans, or many instruments candle by candle.

All three give the same bits. Arrays are float64; numba is imported by the first call that computes.
"""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import NAMES, PRICES, Indicator, IndicatorError, Parameters, find

Array = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)

_SPAN = 16_384
"""Candles per call of a history kernel: the arrays between its stages then stay in the second-level cache."""

_DAY_MS = 86_400_000

_MEANS = {"hl2": ("high", "low"), "hlc3": ("high", "low", "close"), "ohlc4": ("open", "high", "low", "close")}


class Candles(Protocol):
    """Columns by name: a mapping of arrays or a data frame."""

    def __getitem__(self, column: str, /) -> Any: ...

    def __contains__(self, column: Any, /) -> bool: ...


@dataclass(eq=False)
class Carry:
    """All that one series' later values depend on.

    ``state`` float64[n_state]; ``windows`` one float64[length - 1] per ring of the record, oldest value first.
    """

    state: Array
    windows: tuple[Array, ...]

    def copy(self) -> "Carry":
        """A carry that shares no memory with this one."""
        return Carry(self.state.copy(), tuple(values.copy() for values in self.windows))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Carry):
            return NotImplemented
        mine, theirs = (self.state, *self.windows), (other.state, *other.windows)
        return [array.tobytes() for array in mine] == [array.tobytes() for array in theirs]

    __hash__ = None  # type: ignore[assignment]


def compute(name: str, candles: Candles, *, source: str | None = None, **parameters: float) -> dict[str, Array]:
    """The outputs of an indicator over the candles of one series, NaN where there is no value.

    ``candles`` needs only the columns that are used. ``source`` is the price to compute from (one of ``PRICES``,
    ``close`` by default) for the indicators that have one. Raises :class:`IndicatorError`.
    """
    indicator = find(name)
    given = indicator.complete(parameters)
    inputs = input_arrays(indicator, candles, source)
    outputs = scan(indicator, given, start(indicator, given), inputs)
    return {output.name: outputs[index] for index, output in enumerate(indicator.outputs)}


def input_arrays(indicator: Indicator, candles: Candles, source: str | None = None) -> tuple[Array, ...]:
    """The arrays that an indicator is computed from, in the order of its inputs; raises :class:`IndicatorError`.

    Its input ``day`` is the column of that name or else the UTC day of ``open_time``: whole milliseconds since 1970, a
    polars Datetime or a numpy datetime64.
    """
    if indicator.has_source:
        return (source_array(candles, source or "close"),)
    if source is not None:
        raise IndicatorError(f"{indicator.name} has no source: it is computed from {', '.join(indicator.inputs)}")
    if "day" in indicator.inputs and "day" not in candles:
        columns = {name: candles[name] for name in indicator.inputs if name in candles}
        return _columns(columns | {"day": _days(candles)}, indicator.inputs)
    return _columns(candles, indicator.inputs)


def _days(candles: Candles) -> Array:
    """The numbers of the UTC days since 1970 on which the candles opened; NaN where that is not known."""
    if "open_time" not in candles:
        raise IndicatorError("the candles have no column 'day', nor a column 'open_time' that tells it")
    times = np.asarray(candles["open_time"])
    if times.dtype.kind == "i":
        return np.asarray(times // _DAY_MS, dtype=np.float64)
    if times.dtype.kind != "M":
        raise IndicatorError(f"column 'open_time' must hold whole milliseconds or times, got {times.dtype}")
    return np.where(np.isnat(times), np.nan, times.astype("datetime64[D]").astype(np.int64))


def source_array(candles: Candles, source: str) -> Array:
    """A price as an array of its own, float64[n]; means are summed from left to right."""
    if source not in PRICES:
        raise IndicatorError(f"unknown source {source!r}; a source is one of {', '.join(PRICES)}")
    total, *others = _columns(candles, _MEANS.get(source, (source,)))
    for column in others:
        total += column
    return total / (len(others) + 1) if others else total


def _columns(candles: Candles, names: Iterable[str]) -> tuple[Array, ...]:
    """Contiguous, writable copies: the kernels are compiled for those alone, and frames hand out read-only views."""
    columns: dict[str, Array] = {}
    for name in names:
        if name not in candles:
            raise IndicatorError(f"the candles have no column {name!r}")
        try:
            columns[name] = np.array(candles[name], dtype=np.float64, order="C")
        except (TypeError, ValueError) as error:
            raise IndicatorError(f"column {name!r} does not hold numbers: {error}") from error
        if columns[name].ndim != 1:
            raise IndicatorError(f"column {name!r} must have one dimension, got {columns[name].ndim}")
    if len({column.size for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {column.size}" for name, column in columns.items())
        raise IndicatorError(f"the columns differ in length: {lengths}")
    return tuple(columns.values())


def start(indicator: Indicator, parameters: Parameters) -> Carry:
    """The carry before the first candle."""
    return Carry(
        np.array(indicator.start, dtype=np.float64),
        tuple(np.full(length - 1, np.nan) for length in indicator.lengths(parameters)),
    )


def scan(indicator: Indicator, parameters: Parameters, carry: Carry, inputs: tuple[Array, ...]) -> Array:
    """The next candles of one series: float64[n_outputs, n]. ``carry`` becomes the one after them.

    ``parameters`` are complete; ``inputs`` are in the record's order, float64[n] each. How a series is cut into spans
    does not change a bit of the result. Raises ``ValueError`` for inputs or a carry that do not fit: kernels read
    beyond the end of what is too short.
    """
    arrays = tuple(_kernel_ready(array) for array in inputs)
    count = arrays[0].size
    _check_inputs(indicator, arrays, count)
    _check_carry(indicator, carry, start(indicator, parameters))
    outputs = np.empty((len(indicator.outputs), count))
    history = _kernels(indicator.name).history
    values = np.array(list(parameters.values()), dtype=np.float64)
    for begin in range(0, count, _SPAN):
        span = slice(begin, begin + _SPAN)
        parts = tuple(array[span] for array in arrays)
        history(parts, values, carry.state, carry.windows, tuple(row[span] for row in outputs))
    return outputs


class Lanes:
    """All instruments with the same indicator and parameters, moved together candle by candle.

    ``outputs`` float64[n_outputs, lanes] holds the values of the last :meth:`advance`; a lane without one has NaN.
    """

    def __init__(self, indicator: Indicator, parameters: Parameters, size: int) -> None:
        self.indicator = indicator
        self.parameters = dict(parameters)
        self.outputs = np.empty((len(indicator.outputs), 0))
        self._start = start(indicator, parameters)
        self._values = np.array(list(parameters.values()), dtype=np.float64)
        self._turn = 0
        self._state = np.empty((self._start.state.size, 0))
        self._rings: tuple[Array, ...] = tuple(np.empty((values.size + 1, 0)) for values in self._start.windows)
        self.grow(size)

    @property
    def size(self) -> int:
        """The number of lanes."""
        return self.outputs.shape[1]

    def grow(self, size: int) -> None:
        """Append lanes that have seen no candle until there are ``size``; raises ``ValueError`` if there are more."""
        more = size - self.size
        if more < 0:
            raise ValueError(f"there are {self.size} lanes already, more than {size}")
        self._state = np.hstack([self._state, np.tile(self._start.state[:, None], more)])
        self._rings = tuple(np.hstack([ring, np.full((ring.shape[0], more), np.nan)]) for ring in self._rings)
        self.outputs = np.hstack([self.outputs, np.full((self.outputs.shape[0], more), np.nan)])
        self._output_rows = tuple(self.outputs)

    def fill(self, lane: int, carry: Carry) -> None:
        """Let a lane go on from a carry; its outputs are NaN until it advances.

        Raises ``ValueError`` for a carry of another indicator or other parameters.
        """
        _check_carry(self.indicator, carry, self._start)
        self._state[:, lane] = carry.state
        for ring, values in zip(self._rings, carry.windows, strict=True):
            ring[:, lane] = np.nan
            ring[self._rows(ring), lane] = values
        self.outputs[:, lane] = np.nan

    def carry(self, lane: int) -> Carry:
        """What a lane would go on from: a copy."""
        windows = tuple(ring[self._rows(ring), lane] for ring in self._rings)
        return Carry(self._state[:, lane].copy(), windows)

    def _rows(self, ring: Array) -> NDArray[np.intp]:
        """The rows of all values but the one to be written over next, oldest first."""
        oldest = (self._turn + 1) % ring.shape[0]
        return np.roll(np.arange(ring.shape[0]), -oldest)[:-1]

    def advance(self, inputs: tuple[Array, ...], present: NDArray[np.bool_] | None = None) -> None:
        """Move the lanes by one candle; ``inputs`` are in the record's order, float64[lanes] each.

        Lanes with ``present`` (bool[lanes]) False have no candle: their inputs do not count, their state and windows
        stay as they are, and their outputs are NaN. Raises ``ValueError`` for shapes that do not fit.
        """
        arrays = tuple([_kernel_ready(array) for array in inputs])
        _check_inputs(self.indicator, arrays, self.size)
        if present is None or present.all():
            self._live(arrays)
            return
        if present.shape != (self.size,):
            raise ValueError(f"present must have {self.size} lanes, got shape {present.shape}")
        absent = np.flatnonzero(~present)
        state = self._state[:, absent]
        replaced = [ring[self._turn % ring.shape[0], absent] for ring in self._rings]
        turn = self._turn
        self._live(arrays)
        self._state[:, absent] = state
        self.outputs[:, absent] = np.nan
        for ring, values in zip(self._rings, replaced, strict=True):
            _windows().hold(ring, turn, values, absent)

    def _live(self, inputs: tuple[Array, ...]) -> None:
        live = _kernels(self.indicator.name).live
        live(inputs, self._values, self._state, self._rings, self._turn, self._output_rows)
        self._turn += 1


def warm(names: Iterable[str] | None = None, progress: Callable[[str], object] | None = None) -> None:
    """Compile the kernels, or load them from numba's cache; ``progress`` is called with each name before its turn."""
    for name in NAMES if names is None else names:
        indicator = find(name)
        if progress is not None:
            progress(indicator.name)
        parameters = indicator.complete({})
        inputs = tuple(np.zeros(1) for _ in indicator.inputs)
        scan(indicator, parameters, start(indicator, parameters), inputs)
        Lanes(indicator, parameters, 1).advance(inputs, np.zeros(1, np.bool_))


def _check_inputs(indicator: Indicator, arrays: tuple[Array, ...], size: int) -> None:
    if [array.shape for array in arrays] != [(size,)] * len(indicator.inputs):
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise ValueError(f"{indicator.name} needs {len(indicator.inputs)} arrays of {size} values, got {shapes}")


def _check_carry(indicator: Indicator, carry: Carry, model: Carry) -> None:
    found = [array.shape for array in (carry.state, *carry.windows)]
    wanted = [array.shape for array in (model.state, *model.windows)]
    if found != wanted:
        raise ValueError(f"the carry is not one of {indicator.name} with these parameters: {found} is not {wanted}")


def _kernel_ready(array: Array) -> Array:
    """The array itself, or a copy if the kernels are not compiled for its layout."""
    if array.flags.carray and array.dtype == _FLOAT64:
        return array
    return np.array(array, dtype=np.float64, order="C")


@cache
def _kernels(name: str) -> Any:
    return importlib.import_module(f"indicators._kernels.{name}")


@cache
def _windows() -> Any:
    return importlib.import_module("indicators.windows")
