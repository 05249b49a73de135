"""Agreement with TA-Lib, and with values that somebody else computed with it and published."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from talib._ta_lib import MA_Type

import indicators
from indicators.catalogue import Indicator
from indicators.compute import Array
from tests.indicators.reference import Case, Columns, computed
from tests.indicators.undefined import undefined

Parameters = Mapping[str, Any]
"""Lengths, which TA-Lib takes as whole numbers only, and other numbers."""

Oracle = Callable[[Columns, Parameters], Columns]


def price(function: Callable[[Array, int], Array]) -> Oracle:
    """TA-Lib's function of the closes and one period."""
    return lambda c, p: {"value": function(c["close"], p["period"])}


def bar(function: Callable[[Array, Array, Array, int], Array]) -> Oracle:
    """TA-Lib's function of high, low and close and one period."""
    return lambda c, p: {"value": function(c["high"], c["low"], c["close"], p["period"])}


def directional(c: Columns, p: Parameters) -> Columns:
    """TA-Lib's directional indicators and the average of their distance, from where all three may have a value.

    TA-Lib averages a 0 where there is no direction, and has one length for both.
    """
    plus, minus = (
        function(c["high"], c["low"], c["close"], p["period"]) for function in (talib.PLUS_DI, talib.MINUS_DI)
    )
    strength = 100 * np.abs(plus - minus) / np.where(plus + minus == 0, np.nan, plus + minus)
    known, value = np.isfinite(strength), np.full(plus.size, np.nan)
    if known.sum() >= p["smoothing"]:
        value[known] = talib.RMA(strength[known], p["smoothing"])
    begin = p["period"] + p["smoothing"] - 1
    return {"plus_di": _from(begin, plus), "minus_di": _from(begin, minus), "value": value}


def stochastic_rsi(c: Columns, p: Parameters) -> Columns:
    """TA-Lib's slow stochastic of TA-Lib's RSI: its own STOCHRSI does not smooth k."""
    strength = talib.RSI(c["close"], p["period"])[p["period"] :]
    lines = talib.STOCH(strength, strength, strength, p["k"], p["smooth"], MA_Type.SMA, p["d"], MA_Type.SMA)
    return {
        name: np.pad(line, (p["period"], 0), constant_values=np.nan) for name, line in zip("kd", lines, strict=True)
    }


def percentage_oscillator(c: Columns, p: Parameters) -> Columns:
    """TA-Lib's PPO gives the line; its signal and histogram are those that MACD has."""
    line = talib.PPO(c["close"], p["fast"], p["slow"], MA_Type.EMA)
    begin = p["slow"] - 1
    signal = np.pad(talib.EMA(line[begin:], p["signal"]), (begin, 0), constant_values=np.nan)
    line = np.where(np.isnan(signal), np.nan, line)
    return {"line": line, "signal": signal, "histogram": line - signal}


PRICES = ("open", "high", "low", "close")


def _from(first: int, values: Array) -> Array:
    """The values from that candle on."""
    return np.where(np.arange(values.size) < first, np.nan, values)


def _channel(bands: Iterable[Array]) -> Columns:
    return dict(zip(("upper", "middle", "lower"), bands, strict=True))


def _supertrend(c: Columns, p: Parameters) -> Columns:
    """TA-Lib's trend is a whole number, 0 before the first value."""
    value, trend = talib.SUPERTREND(c["high"], c["low"], c["close"], p["period"], p["multiplier"])
    return {"value": value, "direction": np.where(trend == 0, np.nan, trend)}


def _ichimoku(c: Columns, p: Parameters) -> Columns:
    """TA-Lib has the middle of a window's range; the outputs begin together."""
    middles = {name: talib.MIDPRICE(c["high"], c["low"], length) for name, length in p.items()}
    lines = {name: middles[name] for name in ("conversion", "base")} | {"span_b": middles["span"]}
    lines["span_a"] = (lines["conversion"] + lines["base"]) / 2
    return {name: _from(max(p.values()) - 1, values) for name, values in lines.items()}


def _vwap(c: Columns, p: Parameters) -> Columns:
    """TA-Lib sums from the first candle it is given: a day's candles, or those of a window."""
    columns = [c[name] for name in ("high", "low", "close", "volume")]
    if p["period"] == 0:
        days = [c["day"] == day for day in np.unique(c["day"])]
        return {"value": np.concatenate([talib.VWAP(*(values[day] for values in columns)) for day in days])}
    averages = np.full(c["close"].size, np.nan)
    for end in range(p["period"], averages.size + 1):
        averages[end - 1] = talib.VWAP(*(values[end - p["period"] : end] for values in columns))[-1]
    return {"value": averages}


def _zscore(c: Columns, p: Parameters) -> Columns:
    """With more digits than ours has; nothing for a flat window."""
    windows = np.lib.stride_tricks.sliding_window_view(c["close"], p["period"]).astype(np.longdouble)
    spread = np.sqrt(((windows - windows.mean(axis=1, keepdims=True)) ** 2).mean(axis=1))
    flat = windows.min(axis=1) == windows.max(axis=1)
    scores = np.full(flat.size, np.nan)
    scores[~flat] = ((windows[:, -1] - windows.mean(axis=1))[~flat] / spread[~flat]).astype(np.float64)
    return {"value": np.concatenate([np.full(p["period"] - 1, np.nan), scores])}


def oracle(record: Indicator, parameters: dict[str, float], columns: Columns) -> Columns:
    """The oracle's outputs, without a value where the definition is 0 / 0, which TA-Lib takes for 0."""
    theirs = ORACLES[record.name](columns, parameters)
    names = [output.name for output in record.outputs]
    where = undefined(record, parameters, columns)
    return {name: np.where(where[names.index(name)], np.nan, values) for name, values in theirs.items()}


TALIB: dict[str, Oracle] = {
    "sma": lambda c, p: {"value": talib.SMA(c["close"], p["period"])},
    "ema": lambda c, p: {"value": talib.EMA(c["close"], p["period"])},
    "wma": price(talib.WMA),
    "dema": price(talib.DEMA),
    "tema": price(talib.TEMA),
    "hma": price(talib.HMA),
    "rma": price(talib.RMA),
    "vwma": lambda c, p: {"value": talib.VWMA(c["close"], c["volume"], p["period"])},
    "kama": price(talib.KAMA),
    "rsi": lambda c, p: {"value": talib.RSI(c["close"], p["period"])},
    "stochrsi": stochastic_rsi,
    "ppo": percentage_oscillator,
    "cci": bar(talib.CCI),
    "mfi": lambda c, p: {"value": talib.MFI(c["high"], c["low"], c["close"], c["volume"], p["period"])},
    "williams_r": bar(talib.WILLR),
    "roc": price(talib.ROC),
    "mom": price(talib.MOM),
    "cmo": price(talib.CMO),
    "ultosc": lambda c, p: {"value": talib.ULTOSC(c["high"], c["low"], c["close"], p["short"], p["medium"], p["long"])},
    "trix": price(talib.TRIX),
    "macd": lambda c, p: dict(
        zip(("line", "signal", "histogram"), talib.MACD(c["close"], p["fast"], p["slow"], p["signal"]), strict=True)
    ),
    "bbands": lambda c, p: dict(
        zip(("upper", "middle", "lower"), talib.BBANDS(c["close"], p["period"], p["stddev"], p["stddev"]), strict=True)
    ),
    "atr": lambda c, p: {"value": talib.ATR(c["high"], c["low"], c["close"], p["period"])},
    "stoch": lambda c, p: dict(
        zip(
            ("k", "d"),
            talib.STOCH(c["high"], c["low"], c["close"], p["k"], p["smooth"], MA_Type.SMA, p["d"], MA_Type.SMA),
            strict=True,
        )
    ),
    "adx": directional,
    "aroon": lambda c, p: {
        **dict(zip(("down", "up"), talib.AROON(c["high"], c["low"], p["period"]), strict=True)),
        "oscillator": talib.AROONOSC(c["high"], c["low"], p["period"]),
    },
    "psar": lambda c, p: {"value": talib.SAR(c["high"], c["low"], p["step"], p["max"])},
    "supertrend": _supertrend,
    "ichimoku": _ichimoku,
    "keltner": lambda c, p: _channel(
        talib.KC(c["high"], c["low"], c["close"], p["period"], p["atr_period"], p["multiplier"])
    ),
    "donchian": lambda c, p: _channel(talib.DONCHIAN(c["high"], c["low"], p["period"])),
    "natr": lambda c, p: {"value": talib.NATR(c["high"], c["low"], c["close"], p["period"])},
    "stdev": lambda c, p: {"value": talib.STDDEV(c["close"], p["period"], 1)},
    "obv": lambda c, _: {"value": talib.OBV(c["close"], c["volume"])},
    "vwap": _vwap,
    "cmf": lambda c, p: {"value": talib.CMF(c["high"], c["low"], c["close"], c["volume"], p["period"])},
    "ad": lambda c, _: {"value": talib.AD(c["high"], c["low"], c["close"], c["volume"])},
    "heikin_ashi": lambda c, _: dict(zip(PRICES, talib.HA(*(c[price] for price in PRICES)), strict=True)),
    "linreg": lambda c, p: {
        "value": talib.LINEARREG(c["close"], p["period"]),
        "slope": talib.LINEARREG_SLOPE(c["close"], p["period"]),
    },
    "highest": lambda c, p: {"value": talib.MAX(c["close"], p["period"])},
    "lowest": lambda c, p: {"value": talib.MIN(c["close"], p["period"])},
}

FORMULAE: dict[str, Oracle] = {"zscore": _zscore}
"""What TA-Lib lacks: a second formulation of the definition, in numpy."""

ORACLES = TALIB | FORMULAE

UNPRICED = ("natr", "obv", "ad", "zscore")
"""Neither on the scale of the prices nor in a fixed range: their own size is the scale."""

PUBLISHED = {
    ("sma", "value", 30): "sma",
    ("ema", "value", 30): "ema",
    ("wma", "value", 30): "wma",
    ("dema", "value", 30): "dema",
    ("tema", "value", 30): "tema",
    ("kama", "value", 30): "kama",
    ("rsi", "value", 14): "rsi",
    ("atr", "value", 14): "atr",
    ("macd", "line", None): "macd",
    ("macd", "signal", None): "macdsignal",
    ("bbands", "upper", 20): "bbands_upper",
    ("bbands", "lower", 20): "bbands_lower",
    ("stoch", "k", None): "stoch_slowk",
    ("stoch", "d", None): "stoch_slowd",
    ("cci", "value", 14): "cci",
    ("mfi", "value", 14): "mfi",
    ("williams_r", "value", 14): "willr",
    ("roc", "value", 10): "roc",
    ("mom", "value", 10): "mom",
    ("cmo", "value", 14): "cmo",
    ("ultosc", "value", None): "ultosc",
    ("trix", "value", 30): "trix",
    ("adx", "value", 14): "adx",
    ("psar", "value", None): "psar",
    ("obv", "value", None): "obv",
    ("ad", "value", None): "ad",
}


LONGEST = {
    "macd": {"fast": 999},
    "ppo": {"fast": 999},
    "stoch": {"d": 900},
    "stochrsi": {"smooth": 500, "d": 400},
    "ultosc": {"short": 998, "medium": 999},
}
"""Parameters that must be below 1000, because of a rule or for the sample to be long enough."""


def scale_of(record: Indicator, output: str, theirs: Array, prices: Array) -> float:
    """The bound of the range where there is one; the values' own size where they swing around a centre or are not
    prices; else the size of the prices."""
    described = record.output(output)
    if described.low is not None and described.high is not None:
        return max(abs(described.low), abs(described.high))
    own = described.centre is not None or record.name in UNPRICED
    return float(np.abs(theirs[np.isfinite(theirs)] if own else prices).max())


def agree(record: Indicator, output: str, ours: Array, theirs: Array, prices: Array, tolerance: float = 1e-11) -> None:
    """NaN and infinite in the same places, elsewhere within ``tolerance`` of the scale."""
    there = np.isfinite(ours)
    np.testing.assert_array_equal(there, np.isfinite(theirs))
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    assert there.any()
    assert np.abs(ours[there] - theirs[there]).max() <= tolerance * scale_of(record, output, theirs, prices)


def test_values_are_talibs(case: Case, markets: dict[str, Columns]) -> None:
    record, parameters = case
    for columns in markets.values():
        ours = computed(record.name, columns, parameters)
        for name, expected in oracle(record, parameters, columns).items():
            agree(record, name, ours[name], expected, columns["close"])


def test_one_length_of_adx_is_talibs(markets: dict[str, Columns]) -> None:
    """Its average too, which the oracle above builds from the directional indicators."""
    record = indicators.find("adx")
    for columns in markets.values():
        value = indicators.compute("adx", columns, period=9)["value"]
        theirs = talib.ADX(columns["high"], columns["low"], columns["close"], 9)
        agree(record, "value", value, theirs, columns["close"])


def coarse(columns: Columns, share: float) -> Columns:
    """The prices in steps of that share of their mean, and a flat stretch: ties, candles without range or movement."""
    grid = share * columns["close"].mean()
    rounded = {name: np.round(columns[name] / grid) * grid for name in PRICES}
    for values in rounded.values():
        values[1500:1800] = rounded["close"][1500]
    return columns | rounded


def test_values_are_talibs_on_coarse_prices(case: Case, markets: dict[str, Columns]) -> None:
    record, parameters = case
    for columns in markets.values():
        candles = coarse(columns, 0.01)
        ours = computed(record.name, candles, parameters)
        for name, expected in oracle(record, parameters, candles).items():
            agree(record, name, ours[name], expected, candles["close"])


def test_values_are_talibs_from_any_start(case: Case, markets: dict[str, Columns]) -> None:
    """Many seeds: falling and rising, with and without movement."""
    record, parameters = case
    count = 2 * record.lookback(parameters) + 40
    for columns in markets.values():
        candles = coarse(columns, 0.03)
        starts = [
            {name: values[begin : begin + count] for name, values in candles.items()} for begin in range(0, 1400, 100)
        ]
        ours = [computed(record.name, here, parameters) for here in starts]
        theirs = [oracle(record, parameters, here) for here in starts]
        for name in theirs[0]:
            values, expected = (np.concatenate([one[name] for one in all_starts]) for all_starts in (ours, theirs))
            agree(record, name, values, expected, candles["close"])


CORNERS = {
    "a tie of both directions on the second candle": ("psar", {}, {"high": [5, 6, 7, 8], "low": [3, 2, 3, 4]}),
    "a low that falls by more": ("psar", {}, {"high": [5, 6, 6.5, 6], "low": [3, 1.5, 2, 1]}),
    "a close of 0": (
        "natr",
        {"period": 2},
        {"high": [3, 4, 5, 4, 3], "low": [1, 0, 3, 0, 1], "close": [2, 0, 4, 0, 2]},
    ),
    "a window without volume": (
        "cmf",
        {"period": 2},
        {"high": [3] * 5, "low": [1] * 5, "close": [2.5] * 5, "volume": [7, 0, 0, 5, 0]},
    ),
}


@pytest.mark.parametrize(("name", "chosen", "columns"), CORNERS.values(), ids=list(CORNERS))
def test_corners_are_talibs(name: str, chosen: dict[str, float], columns: dict[str, list[float]]) -> None:
    record = indicators.find(name)
    parameters = record.complete(chosen)
    candles = {column: np.array(values, dtype=np.float64) for column, values in columns.items()}
    ours = computed(name, candles, chosen)
    for output, expected in oracle(record, parameters, candles).items():
        agree(record, output, ours[output], expected, candles["high"])


def test_a_missing_flow_is_no_flow_of_zero() -> None:
    """Also where nothing was traded."""
    candles = {"high": [3.0, np.nan, 3, 3], "low": [1.0] * 4, "close": [2.0] * 4, "volume": [1.0, 1.0, 0.0, 0.0]}
    assert np.isnan(indicators.compute("cmf", candles, period=2)["value"]).all()
    assert np.isnan(indicators.compute("cmf", candles | {"volume": [1.0] * 4}, period=2)["value"]).tolist() == [
        True, True, True, False
    ]  # fmt: skip


def test_no_direction_is_left_in_the_end() -> None:
    """After more halvings than a number has digits for, there is range but no direction."""
    moves = np.concatenate([np.arange(40.0) + np.tile([0.0, 1.5], 20), np.full(1300, 30.0)])
    candles = {"high": moves + 1000.0, "low": moves - 1000.0, "close": moves}
    ours = indicators.compute("adx", candles, period=2)
    assert ours["plus_di"][-1] == ours["minus_di"][-1] == 0.0
    known = np.flatnonzero(np.isfinite(ours["value"]))
    assert 800 < known[-1] < 1000
    np.testing.assert_allclose(ours["value"][known[-700:]], ours["value"][known[-1]], rtol=1e-9)


def test_the_longest_windows_are_talibs(record: Indicator, candles: Columns) -> None:
    """With the longest windows that are allowed, as far as the sample reaches."""
    longest: dict[str, float] = {parameter.name: 1000 for parameter in record.parameters if parameter.whole}
    parameters = record.complete(longest | LONGEST.get(record.name, {}))
    ours = computed(record.name, candles, parameters)
    for name, expected in oracle(record, parameters, candles).items():
        agree(record, name, ours[name], expected, candles["close"])


def test_bands_derive_from_each_other(candles: Columns) -> None:
    """What TA-Lib does not give: the definitions by Bollinger, from TA-Lib's bands."""
    upper, middle, lower = talib.BBANDS(candles["close"], 20, 2, 2)
    ours = indicators.compute("bbands", candles)
    np.testing.assert_allclose(ours["bandwidth"], (upper - lower) / middle, rtol=1e-7)
    np.testing.assert_allclose(ours["percent_b"], (candles["close"] - lower) / (upper - lower), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("key", "column"), PUBLISHED.items(), ids=str)
def test_published_values(
    published: tuple[pl.DataFrame, pl.DataFrame], key: tuple[str, str, int | None], column: str
) -> None:
    name, output, period = key
    frame, expected = published
    parameters = {"k": 5} if name == "stoch" else {} if period is None else {"period": period}
    ours = computed(name, frame, parameters)[output]
    theirs = expected[column].to_numpy()
    agree(indicators.find(name), output, ours, theirs, frame["close"].to_numpy(), tolerance=2e-11)


def test_every_entry_is_compared(record: Indicator) -> None:
    assert (record.name in TALIB) != (record.name in FORMULAE)
