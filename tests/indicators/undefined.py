"""Where a definition is 0 / 0, from the candles alone: by windows over numpy arrays, sharing nothing with the steps."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indicators.catalogue import Indicator
from indicators.compute import Array
from tests.indicators.reference import Columns

Mask = NDArray[np.bool_]


def undefined(record: Indicator, parameters: dict[str, float], columns: Columns) -> Mask:
    """bool[n_outputs, n]: candles past the lookback that by definition have no value."""
    lengths = {name: int(value) for name, value in parameters.items()}
    masks = _MASKS[record.name](columns, lengths) if record.name in _MASKS else {}
    nowhere = np.zeros(next(iter(columns.values())).size, np.bool_)
    where = np.array([masks.get(output.name, nowhere) for output in record.outputs])
    where[:, : record.lookback(parameters)] = False
    return where


def rolling(values: Array | Mask, length: int, reduce: Callable[..., Array]) -> Array:
    """``reduce`` of the last ``length`` values, of fewer at the start."""
    padded = np.concatenate([np.repeat(values[:1], length - 1), values])
    reduced: Array = reduce(np.lib.stride_tricks.sliding_window_view(padded, length), axis=1)
    return reduced


def typical(columns: Columns) -> Array:
    """The typical price, in another formulation than ours."""
    close = columns["close"]
    return close + ((columns["high"] - close) + (columns["low"] - close)) / 3


def reaches(columns: Columns) -> Array:
    """True ranges; 0 on the first candle."""
    before = np.concatenate([columns["close"][:1], columns["close"][:-1]])
    spans: Array = np.maximum(columns["high"], before) - np.minimum(columns["low"], before)
    spans[:1] = 0
    return spans


def directions(columns: Columns) -> Array:
    """The size of the directional movement; 0 on the first candle."""
    rise, fall = np.diff(columns["high"], prepend=np.nan), -np.diff(columns["low"], prepend=np.nan)
    up, down = np.where((rise > 0) & (rise > fall), rise, 0), np.where((fall > 0) & (fall > rise), fall, 0)
    moved: Array = up + down
    return moved


def never(amounts: Array) -> Mask:
    """Where nothing but zeros came so far."""
    still: Mask = np.nancumsum(np.abs(amounts)) == 0
    return still


def _still(values: Array, length: int, share: float = 0.0) -> Mask:
    top, bottom = rolling(values, length, np.max), rolling(values, length, np.min)
    return top - bottom <= share * (np.abs(top) + np.abs(bottom))


def _lines(fast: Mask, p: dict[str, int]) -> dict[str, Mask]:
    """A stochastic's lines: both are unknown while one value of a window is."""
    unknown = rolling(fast, p["smooth"] + p["d"] - 1, np.any).astype(np.bool_)
    return {"k": unknown, "d": unknown}


def _rsi(c: Columns, _: dict[str, int]) -> dict[str, Mask]:
    return {"value": never(np.diff(c["close"], prepend=c["close"][:1]))}


def _stoch(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    top, bottom = rolling(c["high"], p["k"], np.max), rolling(c["low"], p["k"], np.min)
    return _lines(top == bottom, p)


def _stochrsi(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    import talib

    # TA-Lib has no value after a missing one; ours goes on with the next.
    there, strength = np.isfinite(c["close"]), np.full(c["close"].size, np.nan)
    strength[there] = talib.RSI(c["close"][there], p["period"])
    strength[_rsi(c, p)["value"]] = np.nan
    still = _still(np.nan_to_num(strength, nan=-1.0), p["k"], 1e-14)
    return _lines(still | rolling(np.isnan(strength), p["k"], np.any).astype(np.bool_), p)


def _mfi(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    price = typical(c)
    change = np.diff(price, prepend=price[:1])
    flow = (np.abs(change) > 2e-14 * np.abs(price)) * price * c["volume"]
    return {"value": rolling(flow, p["period"], np.max) == 0}


def _ultosc(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    # The shortest window is the first to be without range.
    return {"value": rolling(reaches(c), p["short"], np.max) == 0}


def _cci(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    return {"value": _still(typical(c), p["period"], 1e-14)}


def _williams_r(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    top, bottom = rolling(c["high"], p["period"], np.max), rolling(c["low"], p["period"], np.min)
    return {"value": top - bottom <= 1e-14 * (np.abs(top) + np.abs(bottom))}


def _adx(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    still, aimless = never(reaches(c)), never(directions(c))
    aimless[: p["period"]] = True
    seeding = np.cumsum(~aimless) < p["smoothing"]
    return {"plus_di": still, "minus_di": still, "value": aimless | seeding}


def _without_volume(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    return {"value": rolling(c["volume"], p["period"], np.max) == 0}


def _vwap(c: Columns, p: dict[str, int]) -> dict[str, Mask]:
    if p["period"] > 0:
        return _without_volume(c, p)
    nothing = np.zeros(c["day"].size, np.bool_)
    for day in np.unique(c["day"]):
        nothing[c["day"] == day] = never(c["volume"][c["day"] == day])
    return {"value": nothing}


def _still_closes(output: str) -> Callable[[Columns, dict[str, int]], dict[str, Mask]]:
    return lambda c, p: {output: _still(c["close"], p["period"])}


_MASKS: dict[str, Callable[[Columns, dict[str, int]], dict[str, Mask]]] = {
    "vwma": _without_volume,
    "rsi": _rsi,
    "cmo": _rsi,
    "stoch": _stoch,
    "stochrsi": _stochrsi,
    "mfi": _mfi,
    "ultosc": _ultosc,
    "cci": _cci,
    "williams_r": _williams_r,
    "adx": _adx,
    "cmf": _without_volume,
    "vwap": _vwap,
    "natr": lambda c, _: {"value": c["close"] == 0},
    "bbands": _still_closes("percent_b"),
    "zscore": _still_closes("value"),
}
