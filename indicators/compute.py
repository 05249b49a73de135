"""Runs the history kernels: a whole series, or a series in spans.

However a series is cut, and also candle by candle in ``indicators.kernels.lanes``, the results are the same to the bit.
Arrays are float64; numba is imported by the first call that computes.
"""

import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import PRICES, Indicator, IndicatorError, Parameters, find

Array = NDArray[np.float64]

_FLOAT64 = np.dtype(np.float64)

_WARMING = 3
"""Candles that a stretch of a long series is warmed up with, in settling times: nearly always enough for states to
agree to the last bit. Where they do not, the kernel takes longer and gives the same results."""

_DAY_MS = 86_400_000

_MEANS = {"hl2": ("high", "low"), "hlc3": ("high", "low", "close"), "ohlc4": ("open", "high", "low", "close")}


class Candles(Protocol):
    """Columns by name: a mapping of arrays or a data frame."""

    def __getitem__(self, column: str, /) -> Any: ...

    def __contains__(self, column: Any, /) -> bool: ...


@dataclass(eq=False)
class Carry:
    """Everything that a series' later values depend on.

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
    source: str | Array | None = None,
    out: Mapping[str, Array] | None = None,
    **parameters: float,
) -> dict[str, Array]:
    """The outputs of an indicator over the candles of one series, NaN where there is no value.

    ``candles`` needs only the columns that are used. ``source`` is what to compute from, for the indicators that have
    one: a price (one of ``PRICES``, by default the record's ``default_source``) or an array of values, one a candle,
    such as an output of another indicator. ``out`` takes the outputs by name, float64[n] each, instead of new arrays:
    fresh memory often costs more than the values. Raises :class:`IndicatorError`.
    """
    indicator, source = _record(name, source)
    completed = indicator.complete(parameters)
    inputs = input_arrays(indicator, candles, source)
    names = [output.name for output in indicator.outputs]
    outputs = _outputs(indicator, out, inputs)
    scan_into(indicator, completed, start(indicator, completed), inputs, outputs)
    return dict(zip(names, outputs, strict=True))


def compute_many(
    name: str,
    candles: Mapping[str, Any],
    *,
    source: str | Array | None = None,
    out: Mapping[str, Array] | None = None,
    **parameters: float,
) -> dict[str, Array]:
    """The outputs of an indicator over the candles of several series of equal length, one series per row.

    The values are those of :func:`compute`, to the last bit. The columns of ``candles`` are float64[series, n], and so
    are the outputs and the arrays of ``out``. A recursion over several series takes little more time than over one,
    because they are moved side by side. Raises :class:`IndicatorError`.
    """
    indicator, source = _record(name, source)
    completed = indicator.complete(parameters)
    inputs = input_arrays(indicator, candles, source, dimensions=2)
    names = [output.name for output in indicator.outputs]
    outputs = _outputs(indicator, out, inputs)
    plan = _plan(indicator, tuple(completed.values()))
    series = inputs[0].shape[0]
    carries = tuple(np.full((series, size), np.nan) for size in plan.windows)
    state = np.tile(plan.state, (series, 1))
    history = getattr(kernels(indicator.name), f"{indicator.history}_many")
    history(inputs, plan.values, state, carries, outputs, plan.seed, plan.warm)
    return dict(zip(names, outputs, strict=True))


def _record(name: str, source: str | Array | None) -> tuple[Indicator, str | Array | None]:
    """The record that computes from a source, and the source: none where the record computes it by itself."""
    indicator = find(name)
    is_default = source is None or (isinstance(source, str) and source == indicator.default_source)
    return (indicator.of_prices, None) if is_default and indicator.source_step is not None else (indicator, source)


def _outputs(indicator: Indicator, out: Mapping[str, Array] | None, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
    """The arrays for the outputs, in the record's order: new ones, or the caller's."""
    names, shape = [output.name for output in indicator.outputs], inputs[0].shape
    if out is None:
        return tuple(np.empty((len(names), *shape)))
    if set(out) != set(names):
        raise IndicatorError(f"out must have an array for each of {', '.join(names)}, got {', '.join(out) or 'none'}")
    for name, array in out.items():
        if array.shape != shape or array.dtype != _FLOAT64 or not array.flags.carray:
            raise IndicatorError(
                f"out[{name!r}] must be a contiguous, writable float64 array of {_spelled(shape)} values"
            )
        if any(np.may_share_memory(array, values) for values in inputs):
            raise IndicatorError(f"out[{name!r}] must not share memory with the candles")
    return tuple(out[name] for name in names)


def input_arrays(
    indicator: Indicator, candles: Candles, source: str | Array | None = None, dimensions: int = 1
) -> tuple[Array, ...]:
    """The arrays that an indicator is computed from, in the order of its inputs; raises :class:`IndicatorError`.

    ``source`` is the name of a price, or values, of which those that are not finite are taken as missing. The input
    ``day`` is the column of that name, or else the UTC day of ``open_time``: whole milliseconds since 1970, a polars
    Datetime or a numpy datetime64.
    """
    if indicator.has_source:
        if isinstance(source, np.ndarray):
            (values,) = _columns({"source": source}, ("source",), dimensions)
            values = _finite(values)
        else:
            values = source_array(candles, source or indicator.default_source, dimensions)
        if indicator.inputs == ("source",):
            return (values,)
        others = {name: candles[name] for name in indicator.inputs if name in candles}
        return _columns(others | {"source": values}, indicator.inputs, dimensions)
    if source is not None:
        raise IndicatorError(f"{indicator.name} has no source: it is computed from {', '.join(indicator.inputs)}")
    if "day" in indicator.inputs and "day" not in candles:
        columns = {name: candles[name] for name in indicator.inputs if name in candles}
        return _columns(columns | {"day": _days(candles)}, indicator.inputs, dimensions)
    return _columns(candles, indicator.inputs, dimensions)


def _days(candles: Candles) -> Array:
    """The numbers of the UTC days since 1970 on which the candles opened; NaN where unknown."""
    if "open_time" not in candles:
        raise IndicatorError("the candles have no column 'day', and no column 'open_time' to derive it from")
    times = np.asarray(candles["open_time"])
    if times.dtype == object:
        # pandas shows times with a zone as objects unless it is asked for UTC times.
        try:
            times = np.asarray(candles["open_time"], dtype="datetime64[ms]")
        except (TypeError, ValueError) as error:
            raise IndicatorError(f"column 'open_time' does not hold times: {error}") from error
    if times.dtype.kind == "i":
        return np.asarray(times // _DAY_MS, dtype=np.float64)
    if times.dtype.kind != "M":
        raise IndicatorError(f"column 'open_time' must hold whole milliseconds or times, got {times.dtype}")
    return np.where(np.isnat(times), np.nan, times.astype("datetime64[D]").astype(np.int64))


def source_array(candles: Candles, source: str, dimensions: int = 1) -> Array:
    """A price as one array, float64[n] or, with two ``dimensions``, float64[series, n].

    Means are those of ``indicators/steps/candle.py``, to the last bit, and NaN where the sum overflows.
    """
    if source not in PRICES:
        raise IndicatorError(f"unknown source {source!r}; a source is one of {', '.join(PRICES)}")
    columns = _columns(candles, _MEANS.get(source, (source,)), dimensions)
    if len(columns) == 1:
        return columns[0]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = columns[0] + columns[1]
        for column in columns[2:]:
            mean += column
        mean /= len(columns)
        if source != "hl2":
            _settle_rounding(mean, columns[-1])
    return _finite(mean)


def _finite(values: Array) -> Array:
    """The values, with NaN for those that are not finite."""
    finite = np.isfinite(values)
    if finite.all() or not np.isinf(values).any():
        return values
    return np.where(finite, values, np.nan)


def _settle_rounding(mean: Array, close: Array) -> None:
    """Put the close for the means of which ``or_newest`` in ``indicators/steps/limits.py`` says so."""
    # Few of them come near: the distance in representable numbers, which takes one subtraction, tells which. It is at
    # most 190 within the limit; twice that across a power of two.
    distance = mean.view(np.int64) - close.view(np.int64)
    distance += 512
    near = np.nonzero(distance.view(np.uint64) < 1024)
    if near[0].size:
        average, newest = mean[near], close[near]
        within = np.abs(average - newest) < 1e-14 * np.abs(average) + 1e-14 * np.abs(newest)
        mean[near] = np.where(within, newest, average)


def _columns(candles: Candles, names: Iterable[str], dimensions: int) -> tuple[Array, ...]:
    """Arrays in the layout that the kernels are compiled for; the read-only views that frames return are copied."""
    columns: dict[str, Array] = {}
    for name in names:
        if name not in candles:
            raise IndicatorError(f"the candles have no column {name!r}")
        try:
            columns[name] = _kernel_ready(np.asarray(candles[name]))
        except (TypeError, ValueError) as error:
            raise IndicatorError(f"column {name!r} does not hold numbers: {error}") from error
        if columns[name].ndim != dimensions:
            wanted = "one dimension" if dimensions == 1 else "two dimensions, series and candles"
            raise IndicatorError(f"column {name!r} must have {wanted}, got {columns[name].ndim}")
    if len({column.shape for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {_spelled(column.shape)}" for name, column in columns.items())
        raise IndicatorError(f"the columns differ in length: {lengths}")
    return tuple(columns.values())


def _spelled(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)


@dataclass(frozen=True)
class _Plan:
    """Everything about an indicator with its parameters that is the same for all series."""

    values: Array
    state: Array
    windows: tuple[int, ...]
    """The number of values that each ring carries."""
    seed: int
    warm: int
    """Candles that a stretch of a long series is warmed up with, in whole vectors."""


@lru_cache(maxsize=4096)
def _plan(indicator: Indicator, values: tuple[float, ...]) -> _Plan:
    parameters = dict(zip((parameter.name for parameter in indicator.parameters), values, strict=True))
    return _Plan(
        np.array(values, dtype=np.float64),
        np.array(indicator.start, dtype=np.float64),
        tuple(length - 1 for length in indicator.lengths(parameters)),
        indicator.lookback(parameters) + 1,
        -(-_WARMING * indicator.settle(parameters) // 8) * 8,
    )


def start(indicator: Indicator, parameters: Parameters) -> Carry:
    """The carry before the first candle."""
    plan = _plan(indicator, tuple(parameters.values()))
    return Carry(plan.state.copy(), tuple(np.full(size, np.nan) for size in plan.windows))


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
    """Compute the next candles of one series. ``carry`` is updated to the state after them.

    ``parameters`` are complete; ``inputs`` and ``outputs`` are in the record's order, float64[n] each. How a series is
    cut into spans does not change a bit of the result. Raises ``ValueError`` for arrays or a carry that do not fit,
    because kernels would read beyond the end of arrays that are too short.
    """
    arrays = tuple(_kernel_ready(array) for array in inputs)
    plan = _plan(indicator, tuple(parameters.values()))
    _check_arrays(indicator, arrays, outputs)
    _check_carry(indicator, plan, carry)
    history = getattr(kernels(indicator.name), indicator.history)
    # A kernel runs stretches of a long series side by side only if it has values after as many candles as it needs.
    missing = _missing_at_first(indicator, arrays)
    if missing:
        read, written = tuple(array[:missing] for array in arrays), tuple(array[:missing] for array in outputs)
        history(read, plan.values, carry.state, carry.windows, written, plan.seed, plan.warm)
        arrays, outputs = tuple(array[missing:] for array in arrays), tuple(array[missing:] for array in outputs)
    history(arrays, plan.values, carry.state, carry.windows, outputs, plan.seed, plan.warm)


def _missing_at_first(indicator: Indicator, inputs: tuple[Array, ...]) -> int:
    """With how many candles the series begins before its source does, as the values of another indicator begin."""
    if not indicator.has_source or not inputs[0].size:
        return 0
    source = inputs[indicator.inputs.index("source")]
    return int(np.isnan(source).argmin()) if math.isnan(source[0]) else 0


def _check_arrays(indicator: Indicator, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
    shape = (inputs[0].size,)
    fitting = len(inputs) == len(indicator.inputs) and len(outputs) == len(indicator.outputs)
    if not fitting or any(array.shape != shape for array in (*inputs, *outputs)):
        shapes = ", ".join(str(array.shape) for array in (*inputs, *outputs))
        raise ValueError(
            f"{indicator.name} needs {len(indicator.inputs)} inputs and {len(indicator.outputs)} outputs of one length,"
            f" got {shapes}"
        )


def check_carry(indicator: Indicator, parameters: Parameters, carry: Carry) -> None:
    """Raises ``ValueError`` for a carry of another indicator or other parameters."""
    _check_carry(indicator, _plan(indicator, tuple(parameters.values())), carry)


def _check_carry(indicator: Indicator, plan: _Plan, carry: Carry) -> None:
    shapes = carry.state.shape, *(array.shape for array in carry.windows)
    expected = plan.state.shape, *((size,) for size in plan.windows)
    if shapes != expected:
        raise ValueError(
            f"the carry does not belong to {indicator.name} with these parameters: "
            f"its shapes are {[*shapes]}, expected {[*expected]}"
        )


def _kernel_ready(array: NDArray[Any]) -> Array:
    """The array itself, or a copy if the kernels are not compiled for its layout."""
    if array.flags.carray and array.dtype == _FLOAT64:
        return array
    return np.array(array, dtype=np.float64, order="C")


@cache
def kernels(name: str) -> Any:
    """The generated module of an indicator."""
    return importlib.import_module(f"indicators._kernels.{name}")
