"""Live: many instruments moved by one candle, with all indicators in one call."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import talib
from numpy.typing import NDArray

from benchmarks import candles
from benchmarks.peers import talib_calls
from benchmarks.peers.process import Peers
from benchmarks.report import Section, Table, at_least, figure, times
from benchmarks.scale import Scale
from benchmarks.timing import Measure, alternate, here
from indicators.catalogue import NAMES, Indicator, find
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS

_WANTED: tuple[tuple[str, dict[str, float]], ...] = (
    ("sma", {"period": 20}),
    ("ema", {"period": 20}),
    ("rsi", {"period": 14}),
    ("macd", {}),
    ("bbands", {"period": 20}),
    ("atr", {"period": 14}),
    ("stoch", {}),
    ("highest", {"period": 20}),
    ("lowest", {"period": 20}),
    ("adx", {"period": 14}),
    ("cci", {"period": 20}),
    ("mfi", {"period": 14}),
    ("obv", {}),
    ("wma", {"period": 20}),
    ("roc", {"period": 10}),
    ("williams_r", {"period": 14}),
    ("supertrend", {}),
    ("vwap", {}),
    ("keltner", {}),
    ("donchian", {"period": 20}),
)
_RECURSIVE = ("ema", "rsi", "atr")
_OVER_STREAM, _OVER_RECOMPUTING, _EACH_OVER_STREAM = 50.0, 1_000.0, 20.0
_COPIES = 8
"""Additional copies of an entry in a call, to separate its own cost from that of the call."""


@dataclass(frozen=True)
class Entry:
    """An indicator with the parameters to measure it with."""

    indicator: Indicator
    parameters: dict[str, float]

    @property
    def title(self) -> str:
        return f"{self.indicator.name}({', '.join(f'{value:g}' for value in self.parameters.values())})"


def live(scale: Scale, peers: Peers) -> Section:
    """All in one call, each alone, and recursive ones over very many lanes."""
    entries = [
        Entry(find(name), find(name).complete(chosen)) for name, chosen in _WANTED if name in NAMES
    ]  # those that the catalogue has
    past = scale.recomputed_candles
    columns = candles.many(scale.instruments, past + scale.ticks)
    few = {name: values[: scale.slow_instruments] for name, values in columns.items()}
    peers.load("live", columns)
    peers.load("live-few", few)
    together, targets = _together(scale, entries, columns)
    shares = {entry.title: _share(scale, peers, entry, columns) for entry in entries}
    over_stream = {title: spent["stream"] / spent["ours"] for title, spent in shares.items()}
    least = min(over_stream, key=lambda title: over_stream[title])
    targets.append(at_least(f"the least of them, {least}, over talib.stream", _EACH_OVER_STREAM, over_stream[least]))
    header = ("entry", "ours", "talib.stream", "TA-Lib again", "takt stream", "ta-numba stream", "talipp",
              "talib.stream / ours", "TA-Lib again / ours")  # fmt: skip
    rows = [
        [
            title,
            *(figure(spent[who] * 1e6) if who in spent else "-" for who in ("ours", "stream", "again", *_ASKED)),
            *(times(spent[who] / spent["ours"]) for who in ("stream", "again")),
        ]
        for title, spent in shares.items()
    ]
    remark = (
        f"Each entry's share: microseconds of CPU time for {scale.instruments} instruments and one candle. Ours is "
        f"what one more of it adds to a call, from calls with {_COPIES + 1} and with one of it: a call has a price of "
        "its own, which the table above contains. `talib.stream`, takt's, ta-numba's and talipp's handles are updated "
        "in a Python loop, one an instrument; *TA-Lib again* computes the "
        f"last {past:,} candles anew. talipp was measured on {scale.slow_instruments} instruments and scaled."
    )
    if peers.why_not:
        remark += f" Libraries in an environment of their own are left out: {peers.why_not}."
    tables = [together, Table(remark, header, rows), _very_many(scale)]
    return Section(f"Live: {scale.instruments} instruments moved by one candle", tables, targets)


def _together(scale: Scale, entries: Sequence[Entry], columns: candles.Columns) -> tuple[Table, list]:  # type: ignore[type-arg]
    past = scale.recomputed_candles
    history = {name: values[:, :past].copy() for name, values in columns.items()}
    streams = [
        talib_calls.stream(talib_calls.CALLS[entry.indicator.name], entry.parameters, columns, past)
        for entry in entries
    ]
    again = [talib_calls.each(talib_calls.CALLS[entry.indicator.name], entry.parameters, history) for entry in entries]
    spent = alternate(
        {
            "ours": here(_our_tick(entries, columns, past, check=True), scale.ticks),
            "stream": here(_all(streams), max(1, scale.ticks // 10)),
            "again": here(_all(again)),
        },
        scale.rounds,
    )
    names = {
        "ours": "Condition Hub: one call",
        "stream": "`talib.stream`, one handle an instrument and entry",
        "again": f"TA-Lib, the last {past:,} candles again",
    }
    rows = [
        [names[who], figure(seconds * 1e6), figure(seconds / len(entries) / scale.instruments * 1e9),
         times(seconds / spent["ours"])]
        for who, seconds in spent.items()
    ]  # fmt: skip
    missing = [name for name, _ in _WANTED if name not in NAMES]
    remark = (
        f"{len(entries)} entries over {scale.instruments} instruments, one new candle each: "
        + ", ".join(entry.title for entry in entries)
        + ". Values are compared with TA-Lib's before anything is timed."
        + (f" Not in the catalogue yet: {', '.join(missing)}." if missing else "")
    )
    targets = [
        at_least(f"{len(entries)} entries live, over talib.stream", _OVER_STREAM, spent["stream"] / spent["ours"]),
        at_least(
            f"{len(entries)} entries live, over computing {past:,} candles again",
            _OVER_RECOMPUTING,
            spent["again"] / spent["ours"],
        ),
    ]
    return Table(remark, ("who", "us a tick", "ns a value", "time / ours"), rows), targets


_ASKED = {"takt stream": "live", "ta-numba stream": "live", "talipp stream": "live-few"}
"""Peers in processes of their own, and the candles that each one gets."""


def _share(scale: Scale, peers: Peers, entry: Entry, columns: candles.Columns) -> dict[str, float]:
    past, name, parameters = scale.recomputed_candles, entry.indicator.name, entry.parameters
    call = talib_calls.CALLS[name]
    history = {column: values[:, :past].copy() for column, values in columns.items()}
    measures: dict[str, Measure] = {
        "one": here(_our_tick([entry], columns, past), scale.ticks),
        "many": here(_our_tick([entry] * (_COPIES + 1), columns, past), scale.ticks),
        "stream": here(talib_calls.stream(call, parameters, columns, past), scale.ticks),
        "again": here(talib_calls.each(call, parameters, history)),
    }
    for way, of in _ASKED.items():
        measure = peers.measure(way, name, parameters, of, candles=past, times=scale.ticks)
        if measure is not None:
            measures[way] = measure
    spent = alternate(measures, max(1, scale.rounds - 4))
    spent["ours"] = max(1e-9, spent["many"] - spent["one"]) / _COPIES
    if "talipp stream" in spent:
        spent["talipp stream"] *= scale.instruments / scale.slow_instruments
    return spent


def _very_many(scale: Scale) -> Table:
    few = candles.many(8, 64)
    lanes = scale.many_lanes
    columns = {name: np.tile(values, (lanes // 8, 1)) for name, values in few.items()}
    rows = []
    for name in _RECURSIVE:
        entry = Entry(find(name), find(name).complete({}))
        spent = alternate({"ours": here(_our_tick([entry], columns, 60), 4)}, scale.rounds)
        rows.append([entry.title, figure(spent["ours"] / lanes * 1e9)])
    remark = f"Recursive ones over {lanes:,} lanes, a call with one of them: nanoseconds a lane."
    return Table(remark, ("entry", "ns a lane"), rows)


def _our_tick(
    entries: Sequence[Entry], columns: candles.Columns, past: int, *, check: bool = False
) -> Callable[[], object]:
    """One call that moves every lane of every entry, after the first ``past`` candles."""
    lanes, count = columns["close"].shape
    program, first = LaneProgram(), [0]
    for entry in entries:
        program.add(entry.indicator, entry.parameters, None, range(lanes), first[-1])
        first.append(first[-1] + len(entry.indicator.outputs) * lanes)
    now, before = np.full(first[-1], np.nan), np.full(first[-1], np.nan)
    which, no_prices = np.arange(len(entries)), np.zeros(0, np.int64)
    everywhere = np.ones(lanes, np.bool_)
    matrix = np.zeros((count, len(CANDLE_ROWS), lanes))
    for row, name in enumerate(CANDLE_ROWS):
        if name in columns:
            matrix[:, row] = columns[name].T

    def advance(candle: NDArray[np.float64]) -> None:
        program.advance(which, no_prices, candle, everywhere, everywhere, now, before)

    for candle in matrix[:past]:
        advance(candle)
    if check:
        shown = {entry.title: now[begin : begin + lanes] for entry, begin in zip(entries, first, strict=False)}
        _check(entries, {name: values[:, :past] for name, values in columns.items()}, shown)
    upcoming = itertools.cycle(matrix[past:])
    return lambda: advance(next(upcoming))


def _check(entries: Sequence[Entry], columns: candles.Columns, shown: Mapping[str, NDArray[np.float64]]) -> None:
    """Raises ``AssertionError`` where a first output differs from TA-Lib's; VWAP, ADX and OBV are not compared."""
    for entry in entries:
        name = entry.indicator.name
        if name in ("vwap", "adx", "obv"):
            continue
        call = talib_calls.CALLS[name]
        for lane in range(0, columns["close"].shape[0], 50):
            arrays = [columns[column][lane].copy() for column in call.inputs]
            theirs = getattr(talib, call.function)(*arrays, *call.values(entry.parameters))
            wanted = (theirs[0] if isinstance(theirs, tuple) else theirs)[-1]
            scale = max(abs(wanted), columns["close"][lane].max())
            assert abs(shown[entry.title][lane] - wanted) <= 1e-9 * scale, f"{entry.title}: {wanted} at lane {lane}"


def _all(works: Sequence[Callable[[], object]]) -> Callable[[], object]:
    def work() -> None:
        for each in works:
            each()

    return work
