"""Agreement with TA-Lib, and with values that somebody else computed with it and published."""

import numpy as np
import pytest
import talib

import indicators

TALIB = {
    "sma": lambda c, p: {"value": talib.SMA(c["close"], p["period"])},
    "ema": lambda c, p: {"value": talib.EMA(c["close"], p["period"])},
    "rsi": lambda c, p: {"value": talib.RSI(c["close"], p["period"])},
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
    ("rsi", "value", 14): "rsi",
    ("atr", "value", 14): "atr",
    ("macd", "line", None): "macd",
    ("macd", "signal", None): "macdsignal",
    ("bbands", "upper", 20): "bbands_upper",
    ("bbands", "lower", 20): "bbands_lower",
    ("stoch", "k", None): "stoch_slowk",
    ("stoch", "d", None): "stoch_slowd",
}


def agree(output, ours, theirs, prices, tolerance=1e-11):
    """Equal NaN positions, and within ``tolerance`` of the scale: 100 for percentages, else that of the prices."""
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    scale = output.high or np.abs(prices).max()
    there = np.isfinite(ours)
    assert there.any()
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
    if record.name == "macd":
        longest["fast"] = 999
    if record.name == "stoch":
        longest["d"] = 900
    parameters = record.complete(longest)
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
