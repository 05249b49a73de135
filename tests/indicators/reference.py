"""A second execution of an indicator's record, for comparison: plain Python, one candle after the other."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import Indicator, IndicatorError, Step, Window
from indicators.compute import Array, Candles, Carry, compute
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS

Columns = dict[str, Array]
"""Candle columns by name."""

Case = tuple[Indicator, dict[str, float]]
"""A record with its parameters."""

EXTRA: dict[str, list[dict[str, float]]] = {
    "ema": [{"period": 200}],
    "macd": [{"fast": 3, "slow": 40, "signal": 25}],
    "stoch": [{"smooth": 1, "d": 1}, {"k": 5, "smooth": 2, "d": 9}],
    "hma": [{"period": 3}, {"period": 16}],
    "kama": [{"period": 10}],
    "stochrsi": [{"smooth": 1, "d": 1}, {"period": 7, "k": 20, "smooth": 1, "d": 9}],
    "ppo": [{"fast": 3, "slow": 40, "signal": 25}],
    "ultosc": [{"short": 3, "medium": 4, "long": 60}],
    "psar": [{"step": 0.05, "max": 0.5}],
    "supertrend": [{"period": 14, "multiplier": 1.5}, {"period": 2, "multiplier": 0.05}],
    "ichimoku": [{"conversion": 30, "base": 12, "span": 20}],
    "keltner": [{"period": 5, "atr_period": 40}, {"period": 11, "atr_period": 10}, {"period": 10, "atr_period": 10}],
    "vwap": [{"period": 20}],
    "adx": [{"period": 5, "smoothing": 20}, {"period": 20, "smoothing": 3}],
}
"""Combinations worth a test beyond those that :func:`parameter_sets` derives."""


def parameter_sets(record: Indicator) -> list[dict[str, float]]:
    """The defaults, everything one higher (odd where it was even), the lowest that are allowed, and long windows."""
    choices: list[dict[str, float]] = [{}]
    choices.append({p.name: min(p.default + 1, p.high) for p in record.parameters})
    choices.append({p.name: min(p.low + place, p.high) for place, p in enumerate(record.parameters)})
    choices.append({p.name: min(3 * p.default + 2, p.high) for p in record.parameters if p.whole})
    sets: list[dict[str, float]] = []
    for choice in choices + EXTRA.get(record.name, []):
        try:
            complete = record.complete(choice)
        except IndicatorError:
            continue
        if complete not in sets:
            sets.append(complete)
    return sets


def computed(name: str, columns: Candles, parameters: Mapping[str, float], source: str | None = None) -> Columns:
    """The outputs of an indicator with parameters by name."""
    keywords: dict[str, Any] = dict(parameters)
    return compute(name, columns, source=source, **keywords)


class Lanes:
    """One block of a lane program, moved alone; ``outputs`` is float64[n_outputs, lanes]."""

    def __init__(self, record: Indicator, parameters: dict[str, float], size: int) -> None:
        self.program = LaneProgram()
        # A row that no other input reads, and that the program does not fill in by itself.
        source = ("open" if "close" in record.inputs else "close") if record.has_source else None
        self.block = self.program.add(record, parameters, source, list(range(size)), 0)
        self._rows = [CANDLE_ROWS.index(source or name if name == "source" else name) for name in record.inputs]
        self._slots = np.full((2, len(record.outputs) * size), np.nan)
        self._size = size

    @property
    def outputs(self) -> Array:
        outputs: Array = self._slots[0].reshape(-1, self._size)
        return outputs

    @property
    def before(self) -> Array:
        outputs: Array = self._slots[1].reshape(-1, self._size)
        return outputs

    def fill(self, lane: int, carry: Carry) -> None:
        self.program.fill(self.block, lane, carry)

    def carry(self, lane: int) -> Carry:
        return self.program.carry(self.block, lane)

    def advance(
        self,
        inputs: tuple[Array, ...],
        present: NDArray[np.bool_] | None = None,
        stepping: NDArray[np.bool_] | None = None,
    ) -> None:
        candles = np.full((len(CANDLE_ROWS), self._size), np.nan)
        candles[self._rows] = inputs
        everywhere = np.ones(self._size, np.bool_)
        present = everywhere if present is None else present
        stepping = everywhere if stepping is None else stepping
        block = np.array([self.block])
        self.program.advance(block, block[:0], candles, present, stepping, self._slots[0], self._slots[1])


def cumulative(record: Indicator, parameters: dict[str, float]) -> bool:
    """Whether it sums since the first candle, or since the day began, and so never forgets where it started.

    Candles cannot say when such a value has settled: ``settle`` is the lookback.
    """
    return record.name in ("obv", "ad") or (record.name == "vwap" and parameters["period"] == 0)


def recursive(record: Indicator, parameters: dict[str, float]) -> bool:
    """Whether the values depend on more than the windows.

    The average of a day keeps its sums in the same record as the rolling one, which does not read them.
    """
    if record.name == "vwap" and parameters["period"] > 0:
        return False
    return any(isinstance(stage, Step) and stage.state for stage in record.stages)


def identical(left: Array, right: Array) -> bool:
    """Whether two arrays hold the same bits."""
    return left.shape == right.shape and left.tobytes() == right.tobytes()


def run_plain(record: Indicator, parameters: dict[str, float], inputs: tuple[Array, ...]) -> Array:
    """float64[n_outputs, n] by calling the steps as Python functions and reducing the windows in a loop."""
    results = dict(zip(record.inputs, inputs, strict=True))
    values = {name: np.float64(value) for name, value in parameters.items()}
    with np.errstate(all="ignore"):
        for stage in record.stages:
            if isinstance(stage, Window):
                length = stage.length(parameters) if callable(stage.length) else int(parameters[stage.length])
                results |= _reduce(stage, results, length)
            else:
                results |= _loop(stage, results, values)
    return np.array([results[name] for name in record.results])


def _reduce(stage: Window, results: dict[str, Array], length: int) -> dict[str, Array]:
    over = results[stage.over]
    reduced = np.full(over.size, np.nan)
    second = np.full(over.size, np.nan)
    for end in range(length, over.size + 1):
        values = over[end - length : end]
        about = None if stage.about is None else np.full(length, results[stage.about][end - 1])
        match stage.kind:
            case "sum":
                reduced[end - 1] = _tree(values) - (0.0 if about is None else _tree(about))
            case "moments" | "tilt":
                reduced[end - 1], second[end - 1] = moments_of(values, stage.kind == "tilt")
            case "deviations":
                assert about is not None
                reduced[end - 1] = _total(np.abs(values - about))
            case "weighted":
                reduced[end - 1] = _weighted(values)[0]
            case "max":
                reduced[end - 1] = values.max()
            case "min":
                reduced[end - 1] = values.min()
            case "oldest":
                reduced[end - 1] = values[0]
            case "since_max":
                reduced[end - 1] = np.nan if np.isnan(values).any() else values[::-1].argmax()
            case "since_min":
                reduced[end - 1] = np.nan if np.isnan(values).any() else values[::-1].argmin()
    return dict(zip(stage.gives, (reduced, second), strict=False))


def _total(values: Array) -> np.float64:
    total = np.float64(0.0)
    for value in values:
        total = total + value
    return total


def _tree(values: Array) -> np.float64:
    """Halves where the length is a power of two; otherwise the longest such piece first, then the rest."""
    if values.size == 1:
        return np.float64(values[0])
    first = 1 << (values.size.bit_length() - 1)
    cut = first if first < values.size else first // 2
    return _tree(values[:cut]) + _tree(values[cut:])


def _weighted(values: Array) -> tuple[np.float64, np.float64]:
    """(weighted sum, plain sum) in the same order."""
    if values.size == 1:
        return values[0], values[0]
    first = 1 << (values.size.bit_length() - 1)
    cut = first if first < values.size else first // 2
    (older, older_sum), (newer, newer_sum) = _weighted(values[:cut]), _weighted(values[cut:])
    return older + newer + np.float64(cut) * newer_sum, older_sum + newer_sum


def _span(values: Array, tilted: bool) -> tuple[np.float64, np.float64]:
    """(sum of distances from the last, spread or tilt) of a power of two of values, from its halves."""
    if values.size == 1:
        return np.float64(0.0), np.float64(0.0)
    if values.size == 2:
        distance = values[0] - values[1]
        return distance, np.float64(0.5) * (values[1] - values[0] if tilted else distance * distance)
    half = values.size // 2
    (older, older_second), (newer, newer_second) = _span(values[:half], tilted), _span(values[half:], tilted)
    distance = older - np.float64(half) * (values[-1] - values[half - 1])
    rise = newer - distance
    more = np.float64(0.5 * half) * rise if tilted else np.float64(0.5 / half) * (rise * rise)
    return distance + newer, older_second + newer_second + more


def moments_of(values: Array, tilted: bool) -> tuple[np.float64, np.float64]:
    """(sum of distances from the last, spread or tilt): the longest power of two, then the rest in the same way."""
    size = 1 << (values.size.bit_length() - 1)
    total, second = _span(values[:size], tilted)
    rest = values.size - size
    if rest == 0:
        return total, second
    distance = total - np.float64(size) * (values[-1] - values[size - 1])
    newer, newer_second = moments_of(values[size:], tilted)
    if tilted:
        more = np.float64(0.5 * size) * newer - np.float64(0.5 * rest) * distance
    else:
        rise = newer * np.float64(1.0 / rest) - distance * np.float64(1.0 / size)
        more = np.float64(size * rest / values.size) * (rise * rise)
    return distance + newer, second + newer_second + more


def _loop(stage: Step, results: dict[str, Array], parameters: dict[str, np.float64]) -> dict[str, Array]:
    names = stage.function.__code__.co_varnames[: stage.function.__code__.co_argcount]
    state = {name: np.float64(value) for name, value in stage.state.items()}
    count = next(iter(results.values())).size
    outputs = {name: np.full(count, np.nan) for name in stage.gives}
    for i in range(count):
        here = {name: np.float64(values[i]) for name, values in results.items() if name in names}
        sources = parameters | state | here
        answer = stage.function(*[sources[name] for name in names])
        answers = answer if isinstance(answer, tuple) else (answer,)
        for name, value in zip(stage.gives, answers, strict=False):
            outputs[name][i] = value
        state = {name: np.float64(value) for name, value in zip(state, answers[len(stage.gives) :], strict=True)}
    return outputs


def spans(count: int, cuts: list[int]) -> list[slice]:
    """The slices between the cuts, which together cover ``count``."""
    return [slice(begin, end) for begin, end in pairwise([0, *sorted(cuts), count])]
