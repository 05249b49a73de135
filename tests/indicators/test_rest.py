"""Markets at rest, and zeros: where a formula would divide by zero, or show its own rounding as movement."""

from collections.abc import Callable

import numpy as np
import pytest
import talib
from talib._ta_lib import MA_Type

import indicators
from indicators.compute import Array
from tests.indicators.reference import Columns, computed


def resting(candles: Columns) -> Columns:
    """200 real candles, then 60 at their last close; the first of these still counts the way there."""
    return {
        name: np.concatenate([values[:200], np.full(60, candles["close"][199] if name != "volume" else 7.0)])
        for name, values in candles.items()
    }


def jumbled(price: float, count: int) -> Columns:
    """Candles whose high, low and close move against each other: their mean is the same on paper, but not in bits."""
    up, down = np.random.default_rng(0).integers(0, 300_000, (2, count))
    unit = price / 50_000_000
    columns = {
        "high": (50_012_310 + up) * unit,
        "low": (49_090_120 - down) * unit,
        "close": (50_001_070 + down - up) * unit,
    }
    assert np.unique((columns["high"] + columns["low"] + columns["close"]) / 3).size > 1
    return columns | {"volume": np.full(count, 5.0)}


def test_stochastic_rsi_of_a_market_at_rest_is_no_rounding(candles: Columns) -> None:
    """RSI stands still then, up to its last bits."""
    columns = resting(candles)
    strength = indicators.compute("rsi", columns)["value"][-40:]
    assert 0 < np.ptp(strength) < 1e-12
    values = indicators.compute("stochrsi", columns, smooth=1, d=1)["k"][-40:]
    assert np.isnan(values).all()


@pytest.mark.parametrize("name", ["cci", "mfi"])
@pytest.mark.parametrize("price", [3e-7, 0.7, 4.1, 97_000.0])
def test_typical_prices_that_differ_by_a_rounding_are_equal(name: str, price: float) -> None:
    columns = jumbled(price, 80)
    assert np.isnan(indicators.compute(name, columns)["value"]).all()


@pytest.mark.parametrize("extent", [1e-15, 1e-14, 3e-14, 1e-13])
def test_an_extent_is_measured_by_its_prices(extent: float) -> None:
    """As TA-Lib does, whose limit is between the second and the third; it takes 0 for a window without range."""
    highs, closes = np.full(20, 5e4 * (1 + extent)), np.full(20, 5e4)
    values = indicators.compute("williams_r", {"high": highs, "low": closes, "close": closes})["value"]
    theirs = talib.WILLR(highs, closes, closes, 14)
    np.testing.assert_array_equal(values, np.where(theirs == 0, np.nan, theirs))
    assert np.isnan(values[-1]) == (extent < 2e-14)


def test_an_average_by_volume_needs_volume(candles: Columns) -> None:
    columns = {name: values[:60].copy() for name, values in candles.items()}
    columns["volume"][20:30] = 0.0
    values = indicators.compute("vwma", columns, period=5)["value"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [0, 1, 2, 3, 24, 25, 26, 27, 28, 29]


@pytest.mark.parametrize("name", ["mfi", "cmf", "vwap"])
def test_money_flow_needs_volume(name: str, candles: Columns) -> None:
    columns = {name: values[:60].copy() for name, values in candles.items()}
    columns["volume"][20:50] = 0.0
    values = indicators.compute(name, columns, period=5)["value"]
    assert np.isnan(values[24:50]).all()
    assert np.isfinite(values[5:24]).all()
    assert np.isfinite(values[50:]).all()


def test_small_volumes_are_volumes(candles: Columns) -> None:
    """A share does not depend on the unit of what it is a share of."""
    small = candles | {"volume": candles["volume"] * 2.0**-80}
    for name in ("mfi", "vwma"):
        expected = indicators.compute(name, candles)["value"]
        np.testing.assert_array_equal(indicators.compute(name, small)["value"], expected)


ZEROS: dict[str, tuple[dict[str, float], Callable[[Array], Array]]] = {
    "mom": ({"period": 3}, lambda x: talib.MOM(x, 3)),
    "kama": ({"period": 3}, lambda x: talib.KAMA(x, 3)),
    "roc": ({"period": 3}, lambda x: talib.ROC(x, 3)),
    "trix": ({"period": 3}, lambda x: talib.TRIX(x, 3)),
    "cmo": ({"period": 3}, lambda x: talib.CMO(x, 3)),
    "ppo": ({"fast": 2, "slow": 3, "signal": 2}, lambda x: talib.PPO(x, 2, 3, MA_Type.EMA)),
}
DEFINED = ("mom", "kama")
"""Those that divide by nothing, or have a value of their own for it."""


@pytest.mark.parametrize("name", ZEROS)
def test_a_share_of_zero_is_not_known(name: str) -> None:
    """As in a volume that is 0 for long, where TA-Lib gives 0. What comes after it is TA-Lib's again."""
    options, function = ZEROS[name]
    values = np.concatenate([np.zeros(30), [3.0, 0.0, 0.0, 5.0, 2.0], np.zeros(9), np.arange(1.0, 9.0)])
    record = indicators.find(name)
    results = computed(name, {"volume": values}, options, source="volume")[record.outputs[0].name]
    begin = record.lookback(record.complete(options))
    assert np.isnan(results[:begin]).all()
    assert (results[begin:30] == 0).all() if name in DEFINED else np.isnan(results[begin:30]).all()
    theirs = function(values)
    there = np.isfinite(results)
    np.testing.assert_allclose(results[there], theirs[there], rtol=1e-13)
    # Where something came before, TA-Lib's zeros are ours too, except for a change from 0.
    assert there[-5:].all()
    values[25] = np.nan
    results = computed(name, {"volume": values}, options, source="volume")[record.outputs[0].name]
    assert np.isnan(results[25])


FADING = {"rsi": "value", "cmo": "value", "adx": "plus_di"}
"""Shares of averages that fade together once nothing moves."""


@pytest.mark.parametrize("name", FADING)
def test_fading_averages_keep_their_ratio_until_there_is_nothing_left(name: str, candles: Columns) -> None:
    """RSI does not drift towards 50 on numbers with fewer and fewer digits; its averages end together."""
    columns = {
        price: np.concatenate([candles[price][:300], np.full(20_000, candles["close"][299])])
        for price in ("high", "low", "close")
    }
    values = indicators.compute(name, columns)[FADING[name]]
    known = np.flatnonzero(np.isfinite(values))
    assert 8_000 < known[-1] < 10_000
    np.testing.assert_allclose(values[330 : known[-1] + 1], values[330], rtol=1e-9)
    assert np.isnan(values[known[-1] + 1 :]).all()


def test_what_an_rsi_fades_to_does_not_move(candles: Columns) -> None:
    closes = np.concatenate([candles["close"][:300], np.full(20_000, candles["close"][299])])
    for output in indicators.compute("stochrsi", {"close": closes}).values():
        assert np.isnan(output[350:]).all()


@pytest.mark.parametrize(("name", "output"), [("trix", "value"), ("ppo", "line")])
def test_a_share_of_an_average_that_nothing_feeds_does_not_drift(name: str, output: str) -> None:
    values = indicators.compute(name, {"close": np.concatenate([np.arange(1.0, 200.0), np.zeros(40_000)])})[output]
    known = np.flatnonzero(np.isfinite(values))
    assert 3_000 < known[-1] < 30_000
    # A change of an average of an average of an average comes closer to its weight only as 1 / n.
    np.testing.assert_allclose(values[known[-1] - 900 : known[-1] + 1], values[known[-1] - 900], rtol=2e-2)
    steps = np.abs(np.diff(values[known[-1] - 900 : known[-1] + 1]))
    assert steps.max() < 1e-3
    assert np.isnan(values[known[-1] + 1 :]).all()


@pytest.mark.parametrize("name", ["ema", "rma", "dema", "tema", "macd"])
def test_an_average_that_nothing_feeds_is_zero_in_the_end(name: str) -> None:
    """And is 0 or a number with all of its digits before."""
    values = np.concatenate([np.arange(1.0, 60.0), np.zeros(30_000)])
    for average in indicators.compute(name, {"close": values}).values():
        assert average[200] != 0
        assert (average[-1000:] == 0).all()
        after = average[200:]
        assert (np.abs(after[after != 0]) >= np.finfo(np.float64).tiny).all()


@pytest.mark.parametrize("way", ["in stretches", "candle by candle"])
@pytest.mark.parametrize(("name", "rest"), [("atr", 7.0), ("natr", 7.0), ("supertrend", 0.0)])
def test_a_range_that_nothing_feeds_is_zero_in_the_end(name: str, rest: float, way: str, candles: Columns) -> None:
    """SuperTrend's band rests on the price, so that only at a price of 0 can it show what its range has come to."""
    # Of a long series, which is cut into stretches, the first one is long enough for the range to fade in it.
    count = 262_000 if way == "in stretches" else 10_000
    columns = {
        price: np.concatenate([candles[price][:100], np.full(count, rest)]) for price in ("high", "low", "close")
    }
    if way == "candle by candle":
        # A series with a gap is not cut.
        columns["close"][120] = np.nan
    values = indicators.compute(name, columns, period=10)["value"]
    assert values[150] != 0
    assert (values[-1000:] == 0).all()
    after = np.abs(values[150:])
    assert after[after != 0].min() >= 1e-281


@pytest.mark.parametrize("close", [0.0, 1e-290])
def test_a_range_has_no_share_of_a_close_of_zero(close: float, candles: Columns) -> None:
    columns = {name: values[:60].copy() for name, values in candles.items()}
    columns["close"][40:43] = close
    values = indicators.compute("natr", columns)["value"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [*range(14), 40, 41, 42]
