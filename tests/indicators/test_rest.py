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
    assert (values == 0).all()


@pytest.mark.parametrize("name", ["cci", "mfi"])
@pytest.mark.parametrize("price", [3e-7, 0.7, 4.1, 97_000.0])
def test_typical_prices_that_differ_by_a_rounding_are_equal(name: str, price: float) -> None:
    columns = jumbled(price, 80)
    record = indicators.find(name)
    values = indicators.compute(name, columns)["value"]
    assert (values[record.lookback(record.complete({})) :] == 0).all()


@pytest.mark.parametrize("extent", [1e-15, 1e-14, 3e-14, 1e-13])
def test_an_extent_is_measured_by_its_prices(extent: float) -> None:
    """As TA-Lib does, whose limit is between the second and the third."""
    highs, closes = np.full(20, 5e4 * (1 + extent)), np.full(20, 5e4)
    values = indicators.compute("williams_r", {"high": highs, "low": closes, "close": closes})["value"]
    np.testing.assert_array_equal(values, talib.WILLR(highs, closes, closes, 14))
    assert values[-1] == (0 if extent < 2e-14 else -100)


def test_an_average_by_volume_needs_volume(candles: Columns) -> None:
    columns = {name: values[:60].copy() for name, values in candles.items()}
    columns["volume"][20:30] = 0.0
    values = indicators.compute("vwma", columns, period=5)["value"]
    assert np.flatnonzero(np.isnan(values)).tolist() == [0, 1, 2, 3, 24, 25, 26, 27, 28, 29]


def test_money_flow_without_volume_is_zero(candles: Columns) -> None:
    columns = {name: values[:60].copy() for name, values in candles.items()}
    columns["volume"][20:50] = 0.0
    values = indicators.compute("mfi", columns, period=5)["value"]
    assert (values[24:50] == 0).all()
    assert (values[50:] > 0).any()


def test_small_volumes_are_volumes(candles: Columns) -> None:
    """A share does not depend on the unit of what it is a share of."""
    small = candles | {"volume": candles["volume"] * 2.0**-80}
    for name in ("mfi", "vwma"):
        expected = indicators.compute(name, candles)["value"]
        np.testing.assert_array_equal(indicators.compute(name, small)["value"], expected)


@pytest.mark.parametrize(
    ("name", "options", "function"),
    [
        ("roc", {"period": 3}, lambda x: talib.ROC(x, 3)),
        ("mom", {"period": 3}, lambda x: talib.MOM(x, 3)),
        ("trix", {"period": 3}, lambda x: talib.TRIX(x, 3)),
        ("cmo", {"period": 3}, lambda x: talib.CMO(x, 3)),
        ("kama", {"period": 3}, lambda x: talib.KAMA(x, 3)),
        ("ppo", {"fast": 2, "slow": 3, "signal": 2}, lambda x: talib.PPO(x, 2, 3, MA_Type.EMA)),
    ],
)
def test_zeros_mean_what_they_mean_to_talib(
    name: str, options: dict[str, float], function: Callable[[Array], Array]
) -> None:
    """As in a volume that is 0 for long: a change from 0 and a share of 0 are 0."""
    values = np.concatenate([np.zeros(30), [3.0, 0.0, 0.0, 5.0, 2.0], np.zeros(9), np.arange(1.0, 9.0)])
    record = indicators.find(name)
    results = computed(name, {"volume": values}, options, source="volume")[record.outputs[0].name]
    begin = record.lookback(record.complete(options))
    assert np.isnan(results[:begin]).all()
    assert (results[begin:30] == 0).all()
    np.testing.assert_allclose(results[begin:], function(values)[begin:], rtol=1e-13)
    values[25] = np.nan
    results = computed(name, {"volume": values}, options, source="volume")[record.outputs[0].name]
    assert results[24] == 0
    assert np.isnan(results[25])
