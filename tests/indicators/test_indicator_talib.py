"""Agreement with TA-Lib, and with values that somebody else computed with it and published."""

import numpy as np
import pytest
import talib

import indicators


def price(function):
    """TA-Lib's function of the closes and one period."""
    return lambda c, p: {"value": function(c["close"], p["period"])}


def bar(function):
    """TA-Lib's function of high, low and close and one period."""
    return lambda c, p: {"value": function(c["high"], c["low"], c["close"], p["period"])}


def stochastic_rsi(c, p):
    """TA-Lib's slow stochastic of TA-Lib's RSI: its own STOCHRSI does not smooth k."""
    strength = talib.RSI(c["close"], p["period"])[p["period"] :]
    lines = talib.STOCH(strength, strength, strength, p["k"], p["smooth"], 0, p["d"], 0)
    return {
        name: np.pad(line, (p["period"], 0), constant_values=np.nan) for name, line in zip("kd", lines, strict=True)
    }


def percentage_oscillator(c, p):
    """TA-Lib's PPO gives the line; its signal and histogram are those that MACD has."""
    line = talib.PPO(c["close"], p["fast"], p["slow"], 1)
    begin = p["slow"] - 1
    signal = np.pad(talib.EMA(line[begin:], p["signal"]), (begin, 0), constant_values=np.nan)
    line = np.where(np.isnan(signal), np.nan, line)
    return {"line": line, "signal": signal, "histogram": line - signal}


TALIB = {
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
        zip(("k", "d"), talib.STOCH(c["high"], c["low"], c["close"], p["k"], p["smooth"], 0, p["d"], 0), strict=True)
    ),
    "highest": lambda c, p: {"value": talib.MAX(c["close"], p["period"])},
    "lowest": lambda c, p: {"value": talib.MIN(c["close"], p["period"])},
}

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
}


LONGEST = {
    "macd": {"fast": 999},
    "ppo": {"fast": 999},
    "stoch": {"d": 900},
    "stochrsi": {"smooth": 500, "d": 400},
    "ultosc": {"short": 998, "medium": 999},
}
"""Parameters that have to be below 1000, by a rule or so that the sample is long enough."""


def agree(output, ours, theirs, prices, tolerance=1e-11):
    """Equal NaN positions, and within ``tolerance`` of the scale.

    That is the range where there is one; the values' own where they swing around a centre; else that of the prices.
    """
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    there = np.isfinite(ours)
    assert there.any()
    if output.low is not None and output.high is not None:
        scale = max(abs(output.low), abs(output.high))
    else:
        scale = np.abs(prices if output.centre is None else theirs[there]).max()
    assert np.abs(ours[there] - theirs[there]).max() <= tolerance * scale


def test_values_are_talibs(case, markets):
    record, parameters = case
    for columns in markets.values():
        ours = indicators.compute(record.name, columns, **parameters)
        theirs = TALIB[record.name](columns, parameters)
        for name, expected in theirs.items():
            agree(record.output(name), ours[name], expected, columns["close"])


def test_the_longest_windows_are_talibs(record, candles):
    """With the longest windows that are allowed, as far as the sample reaches."""
    longest: dict[str, float] = {parameter.name: 1000 for parameter in record.parameters if parameter.whole}
    parameters = record.complete(longest | LONGEST.get(record.name, {}))
    ours = indicators.compute(record.name, candles, **parameters)
    for name, expected in TALIB[record.name](candles, parameters).items():
        agree(record.output(name), ours[name], expected, candles["close"])


def test_bands_derive_from_each_other(candles):
    """What TA-Lib does not give: the definitions by Bollinger, from TA-Lib's bands."""
    upper, middle, lower = talib.BBANDS(candles["close"], 20, 2, 2)
    ours = indicators.compute("bbands", candles)
    np.testing.assert_allclose(ours["bandwidth"], (upper - lower) / middle, rtol=1e-7)
    np.testing.assert_allclose(ours["percent_b"], (candles["close"] - lower) / (upper - lower), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("key", "column"), PUBLISHED.items(), ids=str)
def test_published_values(published, key, column):
    name, output, period = key
    frame, expected = published
    parameters = {"k": 5} if name == "stoch" else {} if period is None else {"period": period}
    ours = indicators.compute(name, frame, **parameters)[output]
    theirs = expected[column].to_numpy()
    agree(indicators.find(name).output(output), ours, theirs, frame["close"].to_numpy(), tolerance=2e-11)


def test_every_entry_is_compared(record):
    assert record.name in TALIB
