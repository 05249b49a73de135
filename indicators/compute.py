"""Runs the history kernels: a whole series, or a series in spans.

However a series is cut, and candle by candle in ``indicators.lanes``, the bits are the same. Arrays are float64; numba
is imported by the first call that computes.
"""

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import PRICES, Indicator, IndicatorError, Parameters, find

Array = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)

_WARMING = 3
"""Candles that a chain of a history kernel warms up with, in settling times: enough for states to meet to the last bit
nearly always. Where they do not, the kernel takes longer and gives the same."""

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


def compute(
    name: str,
    candles: Candles,
    *,
    source: str | None = None,
    out: Mapping[str, Array] | None = None,
    **parameters: float,
) -> dict[str, Array]:
    """The outputs of an indicator over the candles of one series, NaN where there is no value.

    ``candles`` needs only the columns that are used. ``source`` is the price to compute from (one of ``PRICES``,
    ``close`` by default) for the indicators that have one. ``out`` takes the outputs by name, float64[n] each, instead
    of new arrays: fresh memory often costs more than the values. Raises :class:`IndicatorError`.
    """
    indicator = find(name)
    given = indicator.complete(parameters)
    inputs = input_arrays(indicator, candles, source)
    names = [output.name for output in indicator.outputs]
    if out is None:
        outputs = tuple(np.empty((len(names), inputs[0].size)))
    else:
        outputs = _given_outputs(indicator, out, inputs[0].size)
    scan_into(indicator, given, start(indicator, given), inputs, outputs)
    return dict(zip(names, outputs, strict=True))


def _given_outputs(indicator: Indicator, out: Mapping[str, Array], count: int) -> tuple[Array, ...]:
    names = [output.name for output in indicator.outputs]
    if set(out) != set(names):
        raise IndicatorError(f"out must have an array for each of {', '.join(names)}, got {', '.join(out) or 'none'}")
    for name, array in out.items():
        if array.shape != (count,) or array.dtype != _FLOAT64 or not array.flags.carray:
            raise IndicatorError(f"out[{name!r}] must be a contiguous, writable float64 array of {count} values")
    return tuple(out[name] for name in names)


def input_arrays(indicator: Indicator, candles: Candles, source: str | None = None) -> tuple[Array, ...]:
    """The arrays that an indicator is computed from, in the order of its inputs; raises :class:`IndicatorError`.

    Its input ``day`` is the column of that name or else the UTC day of ``open_time``: whole milliseconds since 1970, a
    polars Datetime or a numpy datetime64.
    """
    if indicator.has_source:
        price = source_array(candles, source or "close")
        if indicator.inputs == ("source",):
            return (price,)
        others = {name: candles[name] for name in indicator.inputs if name in candles}
        return _columns(others | {"source": price}, indicator.inputs)
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
        total = total + column
    return total / (len(others) + 1) if others else total


def _columns(candles: Candles, names: Iterable[str]) -> tuple[Array, ...]:
    """Arrays that the kernels are compiled for; frames hand out read-only views, of which copies are made."""
    columns: dict[str, Array] = {}
    for name in names:
        if name not in candles:
            raise IndicatorError(f"the candles have no column {name!r}")
        try:
            columns[name] = _kernel_ready(np.asarray(candles[name]))
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
    """The next candles of one series: float64[n_outputs, n]. See :func:`scan_into`."""
    outputs = np.empty((len(indicator.outputs), inputs[0].size))
    scan_into(indicator, parameters, carry, inputs, tuple(outputs))
    return outputs


def scan_into(
    indicator: Indicator,
    parameters: Parameters,
    carry: Carry,
    inputs: tuple[Array, ...],
    outputs: tuple[Array, ...],
) -> None:
    """Compute the next candles of one series. ``carry`` becomes the one after them.

    ``parameters`` are complete; ``inputs`` and ``outputs`` are in the record's order, float64[n] each. How a series is
    cut into spans does not change a bit of the result. Raises ``ValueError`` for arrays or a carry that do not fit:
    kernels read beyond the end of what is too short.
    """
    arrays = tuple(_kernel_ready(array) for array in inputs)
    _check_arrays(indicator, arrays, outputs)
    check_carry(indicator, parameters, carry)
    values = np.array(list(parameters.values()), dtype=np.float64)
    seed, warm_up = indicator.lookback(parameters) + 1, _WARMING * indicator.settle(parameters)
    kernels(indicator.name).history(arrays, values, carry.state, carry.windows, outputs, seed, warm_up)


def _check_arrays(indicator: Indicator, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
    wanted = [(inputs[0].size,)] * (len(indicator.inputs) + len(indicator.outputs))
    if len(inputs) != len(indicator.inputs) or [array.shape for array in (*inputs, *outputs)] != wanted:
        shapes = ", ".join(str(array.shape) for array in (*inputs, *outputs))
        raise ValueError(
            f"{indicator.name} needs {len(indicator.inputs)} inputs and {len(indicator.outputs)} outputs of one length,"
            f" got {shapes}"
        )


def check_carry(indicator: Indicator, parameters: Parameters, carry: Carry) -> None:
    """Raises ``ValueError`` for a carry of another indicator or other parameters."""
    found = [array.shape for array in (carry.state, *carry.windows)]
    wanted = [(size,) for size in (len(indicator.start), *(length - 1 for length in indicator.lengths(parameters)))]
    if found != wanted:
        raise ValueError(f"the carry is not one of {indicator.name} with these parameters: {found} is not {wanted}")


def _kernel_ready(array: NDArray[Any]) -> Array:
    """The array itself, or a copy if the kernels are not compiled for its layout."""
    if array.flags.carray and array.dtype == _FLOAT64:
        return array
    return np.array(array, dtype=np.float64, order="C")


@cache
def kernels(name: str) -> Any:
    """The generated module of an indicator."""
    return importlib.import_module(f"indicators._kernels.{name}")
