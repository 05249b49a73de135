"""Indicators against TA-Lib: a long history in one call, and 500 instruments moved by one candle."""

from collections.abc import Callable
from typing import Any

import numpy as np
import talib
import talib.stream
from numpy.typing import NDArray

from benchmarks.timing import alternate, repeated
from indicators.catalogue import find
from indicators.compute import Lanes, scan, start

HISTORY = 1_000_000
LANES = 500
TICKS = 50

Columns = dict[str, NDArray[np.float64]]

_TALIB: dict[str, tuple[str, tuple[str, ...], dict[str, int]]] = {
    "sma": ("SMA", ("close",), {"timeperiod": 20}),
    "ema": ("EMA", ("close",), {"timeperiod": 20}),
    "rsi": ("RSI", ("close",), {"timeperiod": 14}),
    "macd": ("MACD", ("close",), {}),
    "bbands": ("BBANDS", ("close",), {"timeperiod": 20}),
    "atr": ("ATR", ("high", "low", "close"), {"timeperiod": 14}),
    "stoch": ("STOCH", ("high", "low", "close"), {"fastk_period": 14, "slowk_period": 3, "slowd_period": 3}),
    "highest": ("MAX", ("close",), {"timeperiod": 20}),
    "lowest": ("MIN", ("close",), {"timeperiod": 20}),
}


def candles(count: int) -> Columns:
    """A random walk: only its size matters here."""
    dice = np.random.default_rng(5)
    close = 100.0 * np.exp(np.cumsum(dice.normal(0, 0.002, count)))
    spread = close * dice.uniform(0.0005, 0.005, count)
    return {"high": close + spread, "low": close - spread, "close": close}


def history() -> list[list[str]]:
    """Rows: indicator, our ns a candle, TA-Lib's, how many times faster we are."""
    columns = candles(HISTORY)
    rows = []
    for name, (function, inputs, options) in _TALIB.items():
        spent = alternate({"ours": _our_history(name, columns), "talib": _batch(function, inputs, options, columns)})
        ours, peer = (spent[who] / HISTORY * 1e9 for who in ("ours", "talib"))
        rows.append([name, f"{ours:.2f}", f"{peer:.2f}", f"{peer / ours:.2f}x"])
    return rows


def live() -> list[list[str]]:
    """Rows: indicator, our us a tick of 500 lanes, ``talib.stream``'s, how many times faster we are."""
    columns = candles(1_000)
    rows = []
    totals = [0.0, 0.0]
    for name, (function, inputs, options) in _TALIB.items():
        spent = alternate(
            {
                "ours": repeated(_our_tick(name, columns), TICKS),
                "stream": repeated(_stream_tick(function, inputs, options, columns), TICKS),
            }
        )
        ours, peer = (spent[who] / TICKS * 1e6 for who in ("ours", "stream"))
        totals = [totals[0] + ours, totals[1] + peer]
        rows.append([name, f"{ours:.1f}", f"{peer:.0f}", f"{peer / ours:.0f}x"])
    rows.append(["all nine", f"{totals[0]:.1f}", f"{totals[1]:.0f}", f"{totals[1] / totals[0]:.0f}x"])
    return rows


def _inputs(name: str, columns: Columns) -> tuple[NDArray[np.float64], ...]:
    record = find(name)
    return tuple(columns["close" if name == "source" else name] for name in record.inputs)


def _our_history(name: str, columns: Columns) -> Callable[[], object]:
    record = find(name)
    parameters = record.complete({"period": 20} if name in ("ema", "sma") else {})
    inputs = _inputs(name, columns)
    return lambda: scan(record, parameters, start(record, parameters), inputs)


def _batch(function: str, inputs: tuple[str, ...], options: dict[str, int], columns: Columns) -> Callable[[], object]:
    call: Any = getattr(talib, function)
    return lambda: call(*(columns[name] for name in inputs), **options)


def _our_tick(name: str, columns: Columns) -> Callable[[], object]:
    record = find(name)
    parameters = record.complete({"period": 20} if name in ("ema", "sma") else {})
    lanes = Lanes(record, parameters, LANES)
    inputs = tuple(np.resize(column, LANES) for column in _inputs(name, columns))
    for _ in range(100):
        lanes.advance(inputs)
    return lambda: lanes.advance(inputs)


def _stream_tick(
    function: str, inputs: tuple[str, ...], options: dict[str, int], columns: Columns
) -> Callable[[], object]:
    open_stream: Any = getattr(talib.stream, function)
    past = [columns[name] for name in inputs]
    updates = [open_stream(*past, **options).update for _ in range(LANES)]
    candle = tuple(float(column[-1]) for column in past)

    def move() -> None:
        for update in updates:
            update(*candle)

    return move
