"""The entry points: what they take, what they refuse, and what they leave alone."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import indicators
from indicators import Indicator, IndicatorError
from indicators.compute import input_arrays, scan, source_array, start
from indicators.kernels.lanes import LaneProgram
from indicators.kernels.warming import LIVE, warm
from tests.indicators.quiet_markets import market
from tests.indicators.reference import Columns, Lanes, identical

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("open", "high", "low", "close", "volume")


@pytest.fixture
def columns() -> Columns:
    generator = np.random.default_rng(3)
    return {name: generator.uniform(1, 2, 90) for name in COLUMNS} | {"day": np.arange(90.0) // 24}


def test_importing_loads_no_compiler() -> None:
    """Names, bounds and generated sources are read by commands that must start at once."""
    code = (
        "import sys, json, indicators, indicators.codegen.files, indicators.kernels.lanes, indicators.kernels.warming;"
        "indicators.catalogue();"
        "print(json.dumps([name for name in ('numba', 'llvmlite', 'polars', 'talib') if name in sys.modules]))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(loaded.stdout) == []


def test_a_frame_and_a_mapping_are_the_same(record: Indicator, columns: Columns) -> None:
    frame = pl.DataFrame(columns).with_columns(pl.lit("BTCUSDT").alias("symbol"))
    lists = {name: list(values) for name, values in columns.items()}
    expected = indicators.compute(record.name, columns)
    for candles in (frame, lists):
        outputs = indicators.compute(record.name, candles)
        assert list(outputs) == [output.name for output in record.outputs]
        assert all(identical(outputs[name], expected[name]) for name in expected)


def test_inputs_are_left_alone(record: Indicator, columns: Columns) -> None:
    """Read-only columns will do, and neither they nor the results share memory with what is given back."""
    before = {name: values.tobytes() for name, values in columns.items()}
    for values in columns.values():
        values.flags.writeable = False
    outputs = indicators.compute(record.name, columns)
    for values in outputs.values():
        assert values.flags.writeable
        assert not any(np.shares_memory(values, column) for column in columns.values())
    assert {name: values.tobytes() for name, values in columns.items()} == before


def test_strided_and_narrow_columns(columns: Columns) -> None:
    """Any layout and number type gives what its float64 values give."""
    wide = {name: np.repeat(values, 2)[::2] for name, values in columns.items()}
    assert identical(indicators.compute("atr", wide)["value"], indicators.compute("atr", columns)["value"])
    whole = {"close": np.arange(60, dtype=np.int32)}
    assert identical(
        indicators.compute("sma", whole, period=7)["value"],
        indicators.compute("sma", {"close": np.arange(60.0)}, period=7)["value"],
    )


def test_only_the_columns_that_are_used(record: Indicator, columns: Columns) -> None:
    wanted = tuple(dict.fromkeys("close" if name == "source" else name for name in record.inputs))
    indicators.compute(record.name, {name: columns[name] for name in wanted})
    for missing in wanted:
        rest = {name: columns[name] for name in wanted if name != missing}
        for candles in (rest, pl.DataFrame(rest)):
            with pytest.raises(IndicatorError, match=f"no column '{missing}'"):
                indicators.compute(record.name, candles)


def test_sources(columns: Columns) -> None:
    opens, high, low, close = (columns[name] for name in ("open", "high", "low", "close"))
    expected = {
        **{name: columns[name] for name in COLUMNS},
        "hl2": (high + low) / 2,
        "hlc3": ((high + low) + close) / 3,
        "ohlc4": (((opens + high) + low) + close) / 4,
    }
    assert sorted(expected) == sorted(indicators.PRICES)
    for source, values in expected.items():
        assert identical(source_array(columns, source), values)
        average = indicators.compute("ema", columns, source=source, period=5)["value"]
        assert identical(average, indicators.compute("ema", {"close": values}, period=5)["value"])


def test_a_source_beside_other_columns(columns: Columns) -> None:
    prices = {"close": (columns["high"] + columns["low"]) / 2, "volume": columns["volume"]}
    average = indicators.compute("vwma", columns, source="hl2", period=5)["value"]
    assert identical(average, indicators.compute("vwma", prices, period=5)["value"])
    assert not identical(average, indicators.compute("vwma", columns, period=5)["value"])
    with pytest.raises(IndicatorError, match="differ in length: source 90, volume 89"):
        indicators.compute("vwma", columns | {"volume": columns["volume"][1:]})


def test_a_default_source_is_the_same_whether_an_array_or_not() -> None:
    """Keltner averages the prices of a candle itself: the same bits, also in gaps and where a sum overflows."""
    series = market(7, 100.1, [6_000, 15_000, 9_000], ["moving", "still", "moving"])
    series["high"][11_000], series["low"][25_000] = np.nan, np.inf
    huge = {name: np.full(400, 1e308) for name in ("high", "low", "close")}
    for candles in (series, {name: values[:50] for name, values in series.items()}, huge):
        by_itself = indicators.compute("keltner", candles)
        for source in ("hlc3", source_array(candles, "hlc3")):
            with_one = indicators.compute("keltner", candles, source=source)
            assert all(identical(by_itself[output], with_one[output]) for output in by_itself)
        rows = {name: np.stack([values, values[::-1]]) for name, values in candles.items()}
        many = indicators.compute_many("keltner", rows)
        means = indicators.compute_many("keltner", rows, source=source_array(rows, "hlc3", 2))
        assert all(identical(many[output], means[output]) for output in many)
        assert all(identical(many[output][0].copy(), by_itself[output]) for output in many)
    assert np.isfinite(by_itself["middle"]).sum() == 0


def test_a_source_that_begins_later_is_one_that_begins(record: Indicator) -> None:
    """As another indicator's values do: the same bits as without what is missing, in one go and in short spans."""
    if not record.has_source:
        return
    series = market(11, 100.1, [9_000], ["moving"])
    rest = {name: values[37:] for name, values in series.items()}
    source = np.where(np.arange(9_000) < 37, np.nan, series["close"] * 1.5)
    parameters = record.complete({})
    inputs, later = input_arrays(record, series, source), input_arrays(record, rest, source[37:].copy())
    carry, spanned, begun = (start(record, parameters) for _ in range(3))
    whole = scan(record, parameters, carry, inputs)
    for begin in range(0, 9_000, 977):
        part = scan(record, parameters, spanned, tuple(values[begin : begin + 977] for values in inputs))
        assert identical(part, np.ascontiguousarray(whole[:, begin : begin + 977]))
    assert carry == spanned
    if record.inputs == ("source",):
        assert identical(scan(record, parameters, begun, later), np.ascontiguousarray(whole[:, 37:]))


def test_aliases_compute_the_same(columns: Columns) -> None:
    for alias in ("bb", "Bollinger", "bollinger_bands", "Bollinger-Bands"):
        assert identical(
            indicators.compute(alias, columns, period=9)["lower"],
            indicators.compute("bbands", columns, period=9)["lower"],
        )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("rsj", {}, r"unknown indicator 'rsj' \(did you mean rsi\?\)"),
        ("rsi", {"length": 14}, "rsi has no parameter 'length'.*its parameters: period"),
        ("rsi", {"period": 1}, "period must be between 2 and 1000, got 1"),
        ("rsi", {"period": 1001}, "period must be between 2 and 1000, got 1001"),
        ("rsi", {"period": 14.5}, "period must be a whole number, got 14.5"),
        ("rsi", {"period": float("nan")}, "period must be"),
        ("bbands", {"stddev": float("inf")}, "stddev must be between"),
        ("rsi", {"period": True}, "period must be a number"),
        ("rsi", {"source": "mid"}, "unknown source 'mid'; a source is one of open, high"),
        ("atr", {"source": "close"}, "atr has no source: it is computed from high, low, close"),
        ("psar", {"step": 0.3}, "step must not be above max, got step=0.3 and max=0.2"),
        ("macd", {"fast": 26}, "fast must be below slow, got fast=26 and slow=26"),
        ("ppo", {"slow": 12}, "fast must be below slow, got fast=12 and slow=12"),
        ("ultosc", {"short": 14}, "medium below long, got short=14 medium=14 long=28"),
        ("ultosc", {"medium": 28}, "medium below long, got short=7 medium=28 long=28"),
    ],
)
def test_refusals(name: str, options: dict[str, Any], message: str, columns: Columns) -> None:
    with pytest.raises(IndicatorError, match=message):
        indicators.compute(name, columns, **options)


def test_columns_that_do_not_fit(columns: Columns) -> None:
    with pytest.raises(IndicatorError, match="differ in length: high 90, low 89, close 90"):
        indicators.compute("atr", columns | {"low": columns["low"][1:]})
    with pytest.raises(IndicatorError, match="'close' must have one dimension, got 2"):
        indicators.compute("sma", {"close": np.ones((3, 4))})
    with pytest.raises(IndicatorError, match="'close' does not hold numbers"):
        indicators.compute("sma", {"close": ["dear", "cheap"]})


def test_nulls_of_a_frame_are_missing_values(columns: Columns) -> None:
    values = columns["close"].tolist()
    values[40] = None
    average = indicators.compute("highest", pl.DataFrame({"close": values}), period=5)["value"]
    assert np.flatnonzero(np.isnan(average)).tolist() == [0, 1, 2, 3, 40, 41, 42, 43, 44]


def test_the_day_of_a_candle_is_that_of_its_open_time_in_utc(columns: Columns) -> None:
    """In every form that candles have; a session begins anew with the first candle of a day."""
    open_ms = 1_700_000_000_000 // 3_600_000 * 3_600_000 + 3_600_000 * np.arange(90)
    times = open_ms.astype("datetime64[ms]")
    expected = indicators.compute("vwap", columns | {"day": open_ms // 86_400_000})["value"]
    rest = {name: columns[name] for name in COLUMNS}
    in_polars = pl.Series(times).dt.replace_time_zone("UTC")
    forms = [
        open_ms,
        open_ms.tolist(),
        times,
        times.astype("datetime64[ns]"),
        pl.Series(times),
        in_polars,
        in_polars.dt.cast_time_unit("us"),
        in_polars.dt.convert_time_zone("America/New_York"),
    ]
    for form in forms:
        assert identical(indicators.compute("vwap", rest | {"open_time": form})["value"], expected)
    assert identical(indicators.compute("vwap", pl.DataFrame(rest | {"open_time": in_polars}))["value"], expected)
    midnights = np.flatnonzero(open_ms % 86_400_000 == 0)
    assert midnights.size == 4, midnights
    typical = (columns["high"] + columns["low"] + columns["close"]) / 3.0
    np.testing.assert_allclose(expected[midnights], typical[midnights], rtol=1e-15)
    assert (expected[midnights + 1] != typical[midnights + 1]).all()


def test_a_candle_of_an_unknown_day_has_no_session(columns: Columns) -> None:
    times = pl.Series(np.arange(90) * 3_600_000).cast(pl.Datetime("ms")).to_list()
    times[40] = None
    rest = {name: columns[name] for name in COLUMNS}
    average = indicators.compute("vwap", pl.DataFrame(rest | {"open_time": times}))["value"]
    assert np.flatnonzero(np.isnan(average)).tolist() == [40]


@pytest.mark.parametrize("period", [0, 5])
def test_times_that_do_not_tell_the_day(columns: Columns, period: int) -> None:
    rest = {name: columns[name] for name in COLUMNS}
    with pytest.raises(IndicatorError, match="no column 'day', and no column 'open_time'"):
        indicators.compute("vwap", rest, period=period)
    with pytest.raises(IndicatorError, match="'open_time' must hold whole milliseconds or times, got float64"):
        indicators.compute("vwap", rest | {"open_time": np.arange(90.0)}, period=period)
    with pytest.raises(IndicatorError, match=r"differ in length: .*day 89"):
        indicators.compute("vwap", rest | {"open_time": np.arange(89)}, period=period)


@pytest.mark.parametrize("period", [0, 2])
def test_without_volume_there_is_no_average_price(period: int) -> None:
    """A price of 0, as TA-Lib answers, would be crossed by every price."""
    candles = {price: np.array([5.0, 6.0, 7.0, 8.0]) for price in ("high", "low", "close")}
    candles |= {"volume": np.array([0.0, 0.0, 3.0, 0.0]), "day": np.zeros(4)}
    expected = [np.nan, np.nan, 7.0, 7.0]
    assert indicators.compute("vwap", candles, period=period)["value"].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_carry_belongs_to_its_parameters(columns: Columns) -> None:
    """A kernel would read beyond the end of another one's."""
    record = indicators.find("sma")
    two, twenty = record.complete({"period": 2}), record.complete({"period": 20})
    inputs = input_arrays(record, columns)
    with pytest.raises(ValueError, match="the carry does not belong to sma with these parameters"):
        scan(record, twenty, start(record, two), inputs)
    with pytest.raises(ValueError, match="the carry does not belong to sma with these parameters"):
        Lanes(record, twenty, 1).fill(0, start(record, two))
    with pytest.raises(ValueError, match="sma needs 1 inputs and 1 outputs of one length"):
        scan(record, two, start(record, two), inputs + inputs)
    atr = indicators.find("atr")
    with pytest.raises(ValueError, match="atr needs 3 inputs and 1 outputs of one length"):
        scan(atr, two, start(atr, two), (inputs[0], inputs[0][1:], inputs[0]))


def test_no_layout_compiles_a_kernel_anew(record: Indicator, columns: Columns) -> None:
    """Compiling takes a second, which a tick does not have."""
    parameters = record.complete({})
    table = np.random.default_rng(6).random((len(record.inputs), 40, 2))
    table.flags.writeable = False
    for layout in (table, table.copy(), np.asfortranarray(table), table.astype(np.float32)):
        scan(record, parameters, start(record, parameters), tuple(rows[:, 0] for rows in layout))
        scan(record, parameters, start(record, parameters), tuple(rows.T[0].copy() for rows in layout))
    indicators.compute(record.name, pl.DataFrame(columns))
    kernels = importlib.import_module(f"indicators._kernels.{record.name}")
    assert len(kernels.history.signatures) == 1


def test_a_lane_is_filled_at_any_turn(columns: Columns) -> None:
    record = indicators.find("sma")
    parameters = record.complete({"period": 5})
    carry = start(record, parameters)
    scan(record, parameters, carry, input_arrays(record, columns))
    lanes = Lanes(record, parameters, 2)
    for _ in range(7):
        lanes.advance((np.ones(2),))
    lanes.fill(1, carry)
    assert lanes.carry(1) == carry
    lanes.advance((np.array([1.0, 2.0]),))
    expected = scan(record, parameters, carry, (np.array([2.0]),))
    assert lanes.outputs.tolist() == [[1.0, expected[0, 0]]]


def test_outputs_go_where_the_caller_wants(columns: Columns) -> None:
    fresh = indicators.compute("stoch", columns)
    out = {name: np.empty(90) for name in fresh}
    returned = indicators.compute("stoch", columns, out=out)
    for name, values in fresh.items():
        assert returned[name] is out[name]
        assert identical(returned[name], values)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ({}, "an array for each of k, d, got none"),
        (
            {"k": np.empty(90), "d": np.empty(89)},
            r"out\['d'\] must be a contiguous, writable float64 array of 90 values",
        ),
        ({"k": np.empty(90), "d": np.empty(180)[::2]}, r"out\['d'\] must be a contiguous"),
        ({"k": np.empty(90), "d": np.empty(90, np.float32)}, r"out\['d'\] must be a contiguous"),
    ],
)
def test_outputs_that_do_not_fit(columns: Columns, out: Columns, message: str) -> None:
    with pytest.raises(IndicatorError, match=message):
        indicators.compute("stoch", columns, out=out)


def test_lanes_that_do_not_step_keep_their_values(columns: Columns) -> None:
    """A lane that steps without a candle has no value; one that does not step keeps the values of its last steps."""
    record = indicators.find("sma")
    lanes = Lanes(record, record.complete({"period": 2}), 3)
    for close in (1.0, 3.0, 5.0):
        lanes.advance((np.full(3, close),))
    assert (lanes.outputs.tolist(), lanes.before.tolist()) == ([[4.0] * 3], [[2.0] * 3])
    lanes.advance((np.full(3, 7.0),), np.array([True, False, False]), np.array([True, True, False]))
    assert lanes.outputs[0, [0, 2]].tolist() == [6.0, 4.0]
    assert np.isnan(lanes.outputs[0, 1])
    assert lanes.before.tolist() == [[4.0, 4.0, 2.0]]


def test_spare_lanes_hold_nothing(columns: Columns) -> None:
    record = indicators.find("ema")
    program, parameters = LaneProgram(), record.complete({"period": 3})
    block = program.add(record, parameters, None, [0, -1], 0)
    now, before = np.full(2, np.nan), np.full(2, np.nan)
    carry = start(record, parameters)
    for i in range(20):
        if i == 10:
            program.fill(block, 1, carry)
            program.assign(block, 1, 0)
        candles = np.full((9, 1), columns["close"][i])
        there = np.ones(1, np.bool_)
        program.advance(np.array([block]), np.zeros(0, np.int64), candles, there, there, now, before)
        assert np.isnan(now[1]) == (i < 10)
        expected = scan(record, parameters, carry, (columns["close"][i : i + 1],))
        assert now[0] == expected[0, 0] or i < 2
    assert now[1] == now[0]


def test_lanes_read_their_series_wherever_they_stand(record: Indicator) -> None:
    """Lanes of consecutive series read candles in place, others gather them: the same bits."""
    dice, parameters = np.random.default_rng(8), record.complete({})
    orders, program, slots = ([0, 1, 2, 3, 4], [3, 1, -1, 4, 0, 2], [2, 3]), LaneProgram(), [0]
    for order in orders:
        program.add(record, parameters, None, order, slots[-1])
        slots.append(slots[-1] + len(record.outputs) * len(order))
    now, before = np.full(slots[-1], np.nan), np.full(slots[-1], np.nan)
    blocks = np.arange(3)
    for _ in range(60):
        candles = dice.uniform(1, 2, (9, 5))
        candles[5] = 7
        present = dice.random(5) < dice.choice([1.0, 0.6])
        stepping = present | (dice.random(5) < 0.5)
        program.advance(blocks, blocks[:0], candles, present, stepping, now, before)
        shown = [
            values[begin:end].reshape(-1, len(order))
            for values in (now, before)
            for begin, end, order in zip(slots, slots[1:], orders, strict=False)
        ]
        for plain, shuffled, cut in (shown[:3], shown[3:]):
            assert identical(np.ascontiguousarray(shuffled[:, [4, 1, 5, 0, 3]]), plain.copy())
            assert identical(cut.copy(), np.ascontiguousarray(plain[:, 2:4]))
            assert np.isnan(shuffled[:, 2]).all()


def test_warming_reports_each_name() -> None:
    heard: list[str] = []
    warm(["ema", "BB"], progress=heard.append)
    assert heard == ["ema", "bbands", LIVE]
