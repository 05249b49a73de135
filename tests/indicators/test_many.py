"""Several series in one call give the values of each alone."""

import numpy as np
import pytest

import indicators
from indicators.catalogue import Indicator, IndicatorError
from tests.indicators.reference import Columns, identical

SERIES = 35
"""More than run side by side at once."""


def rows(candles: Columns, count: int) -> Columns:
    return {name: np.resize(values, (SERIES, count)) for name, values in candles.items()}


@pytest.mark.parametrize("count", [0, 30, 601])
def test_every_row_is_its_series_alone(record: Indicator, candles: Columns, count: int) -> None:
    """Whole ones, one with a hole, one that begins late, and one in which nothing is known."""
    columns = rows(candles, count)
    for values in columns.values():
        values[3, count // 2 : count // 2 + 1] = np.nan
        values[4, : count // 3] = np.nan
        values[34] = np.nan
    outputs = indicators.compute_many(record.name, columns)
    for row in (0, 3, 4, 31, 32, 33, 34):
        alone = indicators.compute(record.name, {name: values[row] for name, values in columns.items()})
        for name, values in alone.items():
            assert identical(np.ascontiguousarray(outputs[name][row]), values)


def test_outputs_of_many_go_where_the_caller_wants(candles: Columns) -> None:
    columns = rows(candles, 100)
    out = {"value": np.empty((SERIES, 100))}
    assert indicators.compute_many("sma", columns, out=out, period=5)["value"] is out["value"]
    assert identical(out["value"], indicators.compute_many("sma", columns, period=5)["value"])
    with pytest.raises(IndicatorError, match=r"out\['value'\] must be a contiguous.* array of 35 x 100 values"):
        indicators.compute_many("sma", columns, out={"value": np.empty((100, SERIES))})
    with pytest.raises(IndicatorError, match=r"out\['value'\] must not share memory with the candles"):
        indicators.compute_many("sma", columns, out={"value": columns["close"]})


def test_many_need_two_dimensions(candles: Columns) -> None:
    with pytest.raises(IndicatorError, match=r"column .close. must have two dimensions, series and candles, got 1"):
        indicators.compute_many("sma", candles)
    columns = rows(candles, 100)
    with pytest.raises(IndicatorError, match=r"the columns differ in length: .*low 34 x 100"):
        indicators.compute_many("atr", columns | {"low": columns["low"][1:]})


def test_a_mean_of_prices_and_a_day_of_many(candles: Columns) -> None:
    columns = rows(candles, 80)
    middle = indicators.compute_many("ema", columns, source="hl2", period=4)["value"]
    alone = indicators.compute("ema", {name: values[7] for name, values in columns.items()}, source="hl2", period=4)
    assert identical(np.ascontiguousarray(middle[7]), alone["value"])
    opened = {"open_time": (columns["day"] * 86_400_000).astype(np.int64)}
    others = {name: values for name, values in columns.items() if name != "day"}
    by_time = indicators.compute_many("vwap", others | opened)["value"]
    assert identical(by_time, indicators.compute_many("vwap", columns)["value"])
