"""Constants stay constant: averages of equal prices are that price, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators
from indicators.catalogue import Indicator, IndicatorError
from indicators.compute import Array, source_array
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.tick_program import CANDLE_ROWS
from tests.indicators.quiet_markets import (
    NAMED_PRICES,
    PRICES,
    SEEDS,
    constant,
    market,
    parameters_of,
    stretches,
    volumes,
)
from tests.indicators.reference import Columns, computed, identical, recursive


def each(names: str, *outputs: str, shown: str) -> dict[str, dict[str, str]]:
    """The same for the outputs of several entries, for ``value`` unless they are named."""
    return {name: dict.fromkeys(outputs or ("value",), shown) for name in names.split()}


SHOWN = {
    **each("sma ema wma dema tema hma rma vwma kama vwap highest lowest psar supertrend", shown="price"),
    **each("donchian keltner", "upper", "middle", "lower", shown="price"),
    **each("ichimoku", "conversion", "base", "span_a", "span_b", shown="price"),
    **each("heikin_ashi", "open", "high", "low", "close", shown="price"),
    **each("macd ppo", "line", "signal", "histogram", shown="zero"),
    **each("roc mom trix atr natr stdev cmf ad", shown="zero"),
    **each("rsi cmo mfi cci williams_r ultosc zscore", shown="unknown"),
    **each("stoch stochrsi", "k", "d", shown="unknown"),
    **each("adx", "plus_di", "minus_di", "value", shown="unknown"),
    "linreg": {"value": "price", "slope": "zero"},
    "bbands": {"upper": "price", "middle": "price", "lower": "price", "percent_b": "unknown", "bandwidth": "zero"},
}
"""Entry -> what its outputs are on candles of one price, whatever their volume; the rest does not depend on prices."""

PRICED = {name: outputs for name, outputs in SHOWN.items() if "price" in outputs.values()}


def test_every_entry_is_looked_at() -> None:
    assert set(indicators.catalogue()) - set(SHOWN) == {"obv", "aroon"}


@settings(max_examples=20)
@given(data=st.data(), price=PRICES, seed=SEEDS)
def test_one_price(record: Indicator, data: st.DataObject, price: float, seed: int) -> None:
    parameters = data.draw(parameters_of(record, 300))
    count = record.lookback(parameters) + 40
    columns = constant(price, volumes(seed, count))
    sources = [None, *indicators.PRICES[:4], *indicators.PRICES[5:]] if record.has_source else [None]
    shown = computed(record.name, columns, parameters, data.draw(st.sampled_from(sources)))
    for output, kind in SHOWN.get(record.name, {}).items():
        expected = {"price": price, "zero": 0.0, "unknown": np.nan}[kind]
        np.testing.assert_array_equal(shown[output][record.lookback(parameters) :], expected)


LENGTHS = (2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 20, 21, 26, 33, 49, 50, 77, 100, 200)
"""Whether a rounded weight shows depends on the length: one in six does, for a price."""


def test_named_prices_with_many_lengths(record: Indicator) -> None:
    for length in LENGTHS:
        try:
            parameters = record.complete({parameter.name: length for parameter in record.parameters[:1]})
        except IndicatorError:
            # A share, no length; or longer than one that has to be longer.
            continue
        count = record.lookback(parameters) + 40
        for price in NAMED_PRICES:
            shown = computed(record.name, constant(price, volumes(length, count)), parameters)
            for output, kind in SHOWN.get(record.name, {}).items():
                expected = {"price": price, "zero": 0.0, "unknown": np.nan}[kind]
                np.testing.assert_array_equal(shown[output][record.lookback(parameters) :], expected)


@settings(max_examples=25)
@given(data=st.data(), price=st.sampled_from([100.1, 0.9999, 3e-7, 123456.789]), seed=SEEDS)
@pytest.mark.parametrize("name", [name for name, record in indicators.catalogue().items() if name in PRICED])
def test_one_price_between_others(name: str, data: st.DataObject, price: float, seed: int) -> None:
    """A window that has seen nothing else has the price; an average that remembers more never crosses it."""
    record = indicators.find(name)
    parameters = data.draw(parameters_of(record, 40))
    lookback = record.lookback(parameters)
    columns = market(seed, price, [150, lookback + 60, 50], ["moving", "still", "moving"])
    shown = computed(name, columns, parameters)
    begin, end = 150, 210 + lookback
    level = columns["close"][begin]
    for output, kind in PRICED[name].items():
        if kind != "price":
            continue
        if not recursive(record, parameters):
            np.testing.assert_array_equal(shown[output][begin + lookback : end], level)
        elif name in ("ema", "rma", "kama"):
            side = np.sign(shown[output][begin:end] - level)
            assert side[0] != 0
            assert (side == side[0]).all() or (side[np.flatnonzero(side == 0)[0] :] == 0).all()


@settings(max_examples=30)
@given(prices=st.lists(PRICES, min_size=1, max_size=40), seed=SEEDS)
def test_means_of_one_candle(prices: list[float], seed: int) -> None:
    """Live and over time: the same bits, and the price itself if it is the only one."""
    dice = np.random.default_rng(seed)
    closes = np.array(prices)
    shares = dice.choice([0.0, 1e-15, 3e-13, 0.01], (2, closes.size))
    moved: Columns = {"open": closes * (1 + shares[0]), "high": closes * (1 + shares[1])}
    still: Columns = {"open": closes, "high": closes}
    for columns in (still, moved):
        candles = columns | {"low": closes, "close": closes, "volume": np.ones(closes.size)}
        for field in ("hl2", "hlc3", "ohlc4"):
            means = source_array(candles, field)
            assert identical(means, live_means(candles, field))
            if columns is still:
                assert identical(means, closes)


def live_means(candles: Columns, field: str) -> Array:
    """A mean of each candle as the tick program shows it, a lane for each."""
    size = candles["close"].size
    program = LaneProgram()
    block = np.array([program.add_prices(field, list(range(size)), 0)])
    matrix = np.full((len(CANDLE_ROWS), size), np.nan)
    for row, name in enumerate(("open", "high", "low", "close", "volume")):
        matrix[row] = candles[name]
    everywhere, now = np.ones(size, np.bool_), np.full(size, np.nan)
    program.advance(block[:0], block, matrix, everywhere, everywhere, now, now.copy())
    return now


def test_a_days_average_is_its_own(candles: Columns) -> None:
    """A day of one price has that price, whatever was traded the day before."""
    columns = {name: values[:96].copy() for name, values in candles.items()}
    columns["day"] = (np.arange(96) // 24).astype(np.float64)
    for name in ("open", "high", "low", "close"):
        columns[name][24:72] = 100.1
    average = indicators.compute("vwap", columns)["value"]
    assert stretches(average == 100.1) == [slice(24, 72)]


@pytest.mark.parametrize("length", [2, 3, 6, 7, 11, 13, 14, 19])
def test_averages_of_equal_shares_are_that_share(length: int) -> None:
    """A rise of equal candles has one fast value, and so the lines of a stochastic lie on each other."""
    rise = np.arange(200.0)
    candles = {"high": rise + 2, "low": rise - 3, "close": rise + 1}
    fast = indicators.compute("stoch", candles, k=7, smooth=1, d=2)["k"][-1]
    for smooth, d in ((length, 3), (3, length)):
        lines = indicators.compute("stoch", candles, k=7, smooth=smooth, d=d)
        assert set(lines["k"][50:]) == set(lines["d"][50:]) == {fast}
