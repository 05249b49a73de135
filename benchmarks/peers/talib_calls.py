"""TA-Lib's functions for the catalogue's entries, and the ways of calling them.

Imports nothing but numpy and ``talib``, which is ta-lib here and ta-lib-takt in the environment of the peers.
"""

import ctypes
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import talib
import talib.stream

Columns = Mapping[str, Any]
Work = Callable[[], object]


@dataclass(frozen=True)
class Call:
    """One function: the columns that it takes and its options, which are names of our parameters or numbers.

    It returns ``outputs`` arrays. ``note`` says how its work differs from ours.
    """

    function: str
    inputs: tuple[str, ...] = ("close",)
    options: tuple[str | float, ...] = ("period",)
    outputs: int = 1
    note: str = ""

    def values(self, parameters: Mapping[str, float]) -> list[float]:
        """The options for our parameters."""
        return [parameters[option] if isinstance(option, str) else option for option in self.options]


_BAR = ("high", "low", "close")
_TRADED = (*_BAR, "volume")

CALLS = {
    "sma": Call("SMA"),
    "ema": Call("EMA"),
    "wma": Call("WMA"),
    "dema": Call("DEMA"),
    "tema": Call("TEMA"),
    "hma": Call("HMA"),
    "rma": Call("RMA"),
    "vwma": Call("VWMA", ("close", "volume")),
    "kama": Call("KAMA"),
    "rsi": Call("RSI"),
    "stoch": Call("STOCH", _BAR, ("k", "smooth", 0, "d", 0), 2),
    "stochrsi": Call("STOCHRSI", ("close",), ("period", "k", "d", 0), 2, "ours also smooths k"),
    "macd": Call("MACD", ("close",), ("fast", "slow", "signal"), 3),
    "ppo": Call("PPO", ("close",), ("fast", "slow", 1), 1, "ours also gives signal and histogram"),
    "cci": Call("CCI", _BAR),
    "mfi": Call("MFI", _TRADED),
    "williams_r": Call("WILLR", _BAR),
    "roc": Call("ROC"),
    "mom": Call("MOM"),
    "cmo": Call("CMO"),
    "ultosc": Call("ULTOSC", _BAR, ("short", "medium", "long")),
    "trix": Call("TRIX"),
    "adx": Call("ADX", _BAR, note="ours also gives plus_di and minus_di"),
    "aroon": Call("AROON", ("high", "low"), outputs=2, note="ours also gives the oscillator"),
    "psar": Call("SAR", ("high", "low"), ("step", "max")),
    "supertrend": Call("SUPERTREND", _BAR, ("period", "multiplier"), 2),
    "bbands": Call("BBANDS", ("close",), ("period", "stddev", "stddev", 0), 3, "ours also gives percent_b, bandwidth"),
    "keltner": Call("KC", _BAR, ("period", "atr_period", "multiplier"), 3),
    "donchian": Call("DONCHIAN", ("high", "low"), outputs=3),
    "atr": Call("ATR", _BAR),
    "natr": Call("NATR", _BAR),
    "stdev": Call("STDDEV", ("close",), ("period", 1.0)),
    "obv": Call("OBV", ("close", "volume"), ()),
    "vwap": Call("VWAP", _TRADED, (), note="ours starts anew each day"),
    "cmf": Call("CMF", _TRADED),
    "ad": Call("AD", _TRADED, ()),
    "heikin_ashi": Call("HA", ("open", *_BAR), (), 4),
    "highest": Call("MAX"),
    "lowest": Call("MIN"),
    "linreg": Call("LINEARREG", note="ours also gives the slope"),
}
"""TA-Lib has no function for the other entries, ichimoku and zscore."""


def batch(call: Call, parameters: Mapping[str, float], columns: Columns) -> Work:
    """One series in one call, as Python programs call it, which returns new arrays."""
    function, options = getattr(talib, call.function), call.values(parameters)
    arrays = [columns[name] for name in call.inputs]
    return lambda: function(*arrays, *options)


def each(call: Call, parameters: Mapping[str, float], columns: Columns) -> Work:
    """Several series, one per row, one call each; all results are kept."""
    function, options = getattr(talib, call.function), call.values(parameters)
    rows = list(zip(*(list(columns[name]) for name in call.inputs), strict=True))
    return lambda: [function(*arrays, *options) for arrays in rows]


def preallocated(call: Call, parameters: Mapping[str, float], columns: Columns) -> Work:
    """One series in one call of the C library into existing arrays, which the Python module cannot do."""
    function = getattr(_library(), f"TA_{call.function}")
    arrays = [columns[name] for name in call.inputs]
    outputs = [np.full(arrays[0].size, np.nan) for _ in range(call.outputs)]
    # The direction of SUPERTREND is an array of C integers, which are smaller and so fit.
    begin, length = ctypes.c_int(), ctypes.c_int()
    options = [ctypes.c_double(v) if isinstance(v, float) else ctypes.c_int(v) for v in call.values(parameters)]
    arguments = [
        ctypes.c_int(0),
        ctypes.c_int(arrays[0].size - 1),
        *(ctypes.c_void_p(array.ctypes.data) for array in arrays),
        *options,
        ctypes.byref(begin),
        ctypes.byref(length),
        *(ctypes.c_void_p(array.ctypes.data) for array in outputs),
    ]

    def work() -> Any:
        status = function(*arguments)
        if status or not length.value:
            raise RuntimeError(f"TA_{call.function} returned status {status}")
        # The outputs begin with the first value.
        return begin.value, [array[: length.value] for array in outputs]

    return work


def stream(call: Call, parameters: Mapping[str, float], columns: Columns, candles: int) -> Work:
    """One handle per instrument, fed with the first ``candles``; each is then updated with one candle after another."""
    opened, options = getattr(talib.stream, call.function), call.values(parameters)
    rows = zip(*(columns[name] for name in call.inputs), strict=True)
    updates = [opened(*(row[:candles].copy() for row in arrays), *options).update for arrays in rows]
    moments = moments_of(columns, call.inputs, candles)
    turn = turns(len(moments))

    def work() -> None:
        for update, candle in zip(updates, moments[turn()], strict=True):
            update(*candle)

    return work


def moments_of(columns: Columns, inputs: Sequence[str], begin: int) -> list[list[tuple[float, ...]]]:
    """The values that arrive at each moment from ``begin`` on: those of each instrument, as Python numbers."""
    by_input = [columns[name][:, begin:].T.tolist() for name in inputs]
    return [list(zip(*values, strict=True)) for values in zip(*by_input, strict=True)]


def turns(count: int) -> Callable[[], int]:
    """Counts 0, 1, … count - 1, and starts again."""
    at = [-1]

    def turn() -> int:
        at[0] = (at[0] + 1) % count
        return at[0]

    return turn


def _library() -> Any:
    """The C library that the installed module is built on."""
    name = "ta-lib" if "ta-lib" in _installed() else "ta-lib-takt"
    files = importlib.metadata.files(name) or []
    path = next(file for file in files if "libta-lib" in file.name or file.name.startswith("libta_lib"))
    return ctypes.CDLL(str(path.locate()))


def _installed() -> set[str]:
    return {str(installed.metadata["Name"]).lower() for installed in importlib.metadata.distributions()}
