"""Nothing from nothing: what is 0 / 0 by its definition has no value, and everything else has one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators
from indicators.catalogue import Indicator
from indicators.compute import input_arrays, scan, start
from tests.indicators.quiet_markets import MARKETS, market, parameters_of
from tests.indicators.reference import Columns, Lanes, computed, identical
from tests.indicators.undefined import undefined

UNDEFINED = {name for name, record in indicators.catalogue().items() if record.undefined}


@settings(max_examples=25)
@given(data=st.data(), columns=MARKETS)
def test_a_value_is_missing_exactly_where_it_is_not_defined(
    record: Indicator, data: st.DataObject, columns: Columns
) -> None:
    parameters = data.draw(parameters_of(record))
    shown = computed(record.name, columns, parameters)
    values = np.array([shown[output.name] for output in record.outputs])
    lookback = record.lookback(parameters)
    assert np.isnan(values[:, :lookback]).all()
    expected = undefined(record, parameters, columns)
    np.testing.assert_array_equal(np.isnan(values[:, lookback:]), expected[:, lookback:])
    assert not np.isinf(values).any()
    assert record.undefined or not expected.any()


@settings(max_examples=6)
@given(data=st.data(), columns=MARKETS)
def test_live_is_history_on_quiet_markets(record: Indicator, data: st.DataObject, columns: Columns) -> None:
    parameters = data.draw(parameters_of(record))
    inputs = input_arrays(record, columns)
    carry = start(record, parameters)
    whole = scan(record, parameters, carry, inputs)
    lanes = Lanes(record, parameters, 1)
    for i in range(inputs[0].size):
        lanes.advance(tuple(values[i : i + 1] for values in inputs))
        assert identical(lanes.outputs[:, 0].copy(), whole[:, i].copy())
    assert lanes.carry(0) == carry


@pytest.mark.parametrize("kind", ["still", "untraded", "level"])
def test_long_quiet_histories_equal_their_spans(record: Indicator, kind: str) -> None:
    """So long that steady steps run in lanes, with stretches in which an inner value is not known."""
    columns = market(7, 100.1, [9_000, 30_000, 20_000, 3_000], ["moving", kind, "moving", kind])
    inputs, parameters = input_arrays(record, columns), record.complete({})
    carry, spanned = start(record, parameters), start(record, parameters)
    whole = scan(record, parameters, carry, inputs)
    for begin in range(0, inputs[0].size, 977):
        part = scan(record, parameters, spanned, tuple(values[begin : begin + 977] for values in inputs))
        assert identical(part, np.ascontiguousarray(whole[:, begin : begin + 977]))
    assert carry == spanned


def after_a_rise(quiet: int = 25) -> Columns:
    """45 rising days, then days without a trade."""
    close = np.concatenate([100.1 * 1.013 ** np.arange(45.0), np.full(quiet, 100.1 * 1.013**44)])
    begin = np.concatenate([[100.1], close[:-1]])
    volume = np.concatenate([np.arange(45.0) + 3, np.zeros(quiet)])
    prices = {"open": begin, "high": np.maximum(begin, close), "low": np.minimum(begin, close), "close": close}
    return prices | {"volume": volume, "day": np.arange(close.size) * 1.0}


@pytest.mark.parametrize(
    ("name", "output"), [("mfi", "value"), ("ultosc", "value"), ("stochrsi", "k"), ("stoch", "k"), ("cmf", "value")]
)
def test_days_without_a_trade_are_no_extreme(name: str, output: str) -> None:
    assert np.isnan(indicators.compute(name, after_a_rise())[output][-1])


def test_an_uptick_after_a_flat_start_comes_from_nowhere() -> None:
    close = np.concatenate([np.full(40, 7.3), [7.4, 7.4]])
    values = indicators.compute("rsi", {"close": close})["value"]
    assert np.isnan(values[:40]).all()
    assert values[40:].tolist() == [100.0, 100.0]


def test_an_average_goes_on_where_it_was() -> None:
    """A recursive average ignores an unknown value: ADX without a direction, PPO's signal without a line."""
    up = np.arange(60.0)
    inside = np.full(40, up[-1])
    middle = np.concatenate([np.full(3, 0.0), up, inside, up[-1] + up])
    candles = {"high": middle + 2, "low": middle - 2, "close": middle}
    strength = indicators.compute("adx", candles, period=2, smoothing=5)["value"]
    assert np.isfinite(strength[12:]).all()
    line = np.concatenate([np.full(30, np.nan), np.arange(1.0, 40.0)])
    values = np.concatenate([np.zeros(30), np.arange(1.0, 40.0)])
    shown = indicators.compute("ppo", {"volume": values}, source="volume", fast=2, slow=3, signal=4)
    begin = int(np.flatnonzero(np.isfinite(shown["line"]))[0])
    # The first of them is the fourth candle on which the slow average is not 0.
    assert begin == int(np.flatnonzero(np.isfinite(line))[0]) + 3
    assert np.isfinite(shown["signal"][begin:]).all()
