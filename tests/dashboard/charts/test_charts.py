"""Chart builders: figures in, dictionaries out."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from analysis.savings import Savings
from common.slots import slots_of
from dashboard.charts.candles import candle_chart
from dashboard.charts.labels import time_labels
from dashboard.charts.readings import Readings, candles_needed, read_values
from dashboard.charts.savings import counted, stage_times, work_per_tick
from dashboard.charts.ticks import durations
from dashboard.pages.condition import trigger_rows, window_stop
from indicators.compute import compute
from registry.activity import ActiveSpan
from registry.conditions import Condition

SAVINGS = Savings(
    ticks=2,
    evaluations=10,
    isolated_evaluations=100,
    indicators=4,
    isolated_indicators=120,
    equal_sharing_indicators=12,
    loads=0,
    isolated_loads=0,
    equal_sharing_loads=0,
    measured_shared_s=1.0,
    measured_isolated_s=None,
    modelled_shared_s=1.0,
    modelled_isolated_s=2.0,
)

TICKS = pl.DataFrame(
    {
        "close_time": [datetime(2024, 8, 5, 1, tzinfo=UTC), datetime(2024, 8, 5, 2, tzinfo=UTC)],
        "subscriptions": [70, 0],
        "conditions": [10, 0],
        "indicators": [4, 0],
        "series": [2, 0],
        "isolated_indicators": [80, 0],
        "isolated_loads": [70, 0],
        "equal_sharing_indicators": [12, 0],
        "equal_sharing_loads": [10, 0],
        "load_us": [1500, 500],
        "indicators_us": [200, 100],
        "judge_us": [100, 50],
    }
)


@pytest.fixture
def candles(sample: pl.DataFrame) -> pl.DataFrame:
    return sample.filter((pl.col("symbol") == "BTCUSDT") & (pl.col("timeframe") == "1h")).head(600)


def readings_of(text: str, candles: pl.DataFrame, shown: int) -> Readings:
    """The readings of a condition on one series."""
    condition = Condition.parse(text)
    return read_values(condition, {condition.series: candles}, shown)


def test_counted_bars_tell_the_two_kinds_of_sharing_apart() -> None:
    options = counted(SAVINGS)
    values = {series["name"]: [bar["value"] if bar else None for bar in series["data"]] for series in options["series"]}
    assert values == {
        "isolated bots": [100, 120, None],
        "equal conditions shared": [10, 12, None],
        "done by the hub": [10, 4, None],
    }
    assert options["xAxis"]["type"] == "log"
    # A bar of 1 has a length.
    assert options["xAxis"]["min"] < 1
    json.dumps(options)


def test_work_per_tick_adds_loads_computations_and_evaluations() -> None:
    options = work_per_tick(TICKS)
    source = options["dataset"]["source"]
    assert source.columns == ["closed", *(series["name"] for series in options["series"])]
    assert source.row(0) == ("2024-08-05 01:00", 220, 32, 16)
    # A log axis has no place for 0.
    assert source.row(1) == ("2024-08-05 02:00", None, None, None)


def test_every_run_has_a_bar_whatever_its_state() -> None:
    runs = pl.DataFrame({"close_time": TICKS["close_time"], "total": [538.0, 157.0], "state": ["late", "on time"]})
    options = durations(runs, 60_000.0)
    assert options["dataset"]["source"].rows() == [("2024-08-05 01:00", None, 538.0), ("2024-08-05 02:00", 157.0, None)]
    # What is stacked on nothing has no length on a log axis: both states stand in one place instead.
    assert options["yAxis"]["type"] == "log"
    assert [(series.get("stack"), series["barGap"]) for series in options["series"]] == [(None, "-100%")] * 2


def test_stage_times_are_milliseconds_stacked() -> None:
    options = stage_times(TICKS)
    assert options["dataset"]["source"].row(0) == ("2024-08-05 01:00", 1.5, 0.2, 0.1)
    assert {series["stack"] for series in options["series"]} == {"tick"}


@pytest.mark.parametrize(
    ("text", "price", "volume", "panes"),
    [
        ("rsi(14) < 30", ([], []), ([], []), [("rsi", ["rsi(14)"], [30], 0, 100)]),
        ("close > sma(200) and close < 70000", (["sma(200)"], [70000]), ([], []), []),
        ("volume > sma(20, volume)", ([], []), (["sma(20, volume)"], []), []),
        ("hl2 crosses_above bbands(20, 2).upper", (["bbands(20, 2).upper", "hl2"], []), ([], []), []),
        ("rsi < sma(9, rsi)", ([], []), ([], []), [("rsi", ["rsi(14)", "sma(9, rsi(14))"], [], 0, 100)]),
        ("close > ema(9, ema(9))", (["ema(9, ema(9))"], []), ([], []), []),
        (
            "sma(20, high - low) > ema(50, high - low)",
            ([], []),
            ([], []),
            [("ema", ["ema(50, high - low)", "sma(20, high - low)"], [], None, None)],
        ),
        ("atr(14) > atr(100)", ([], []), ([], []), [("atr", ["atr(100)", "atr(14)"], [], 0, None)]),
        (
            "rsi(7) < 20 and stoch.k < 25",
            ([], []),
            ([], []),
            [("rsi", ["rsi(7)", "stoch(14, 3, 3).k"], [20, 25], 0, 100)],
        ),
        (
            "macd.line crosses_above macd.signal and bbands(20, 2).bandwidth < 0.01 and bbands(20, 2).percent_b < 0.2",
            ([], []),
            ([], []),
            [
                ("bbands", ["bbands(20, 2).bandwidth"], [0.01], 0, None),
                ("bbands", ["bbands(20, 2).percent_b"], [0.2], None, None),
                ("macd", ["macd(12, 26, 9).line", "macd(12, 26, 9).signal"], [], None, None),
            ],
        ),
    ],
)
def test_values_on_one_scale_share_a_pane(
    candles: pl.DataFrame,
    text: str,
    price: tuple[list[str], list[float]],
    volume: tuple[list[str], list[float]],
    panes: list[tuple[str, list[str], list[float], float | None, float | None]],
) -> None:
    readings = readings_of(f"BTCUSDT 1h: {text}", candles, 100)
    assert (sorted(readings.price.lines), readings.price.levels) == price
    assert (readings.volume.lines, readings.volume.levels) == volume
    drawn = [(pane.name, sorted(pane.lines), sorted(pane.levels), pane.low, pane.high) for pane in readings.panes]
    assert sorted(drawn, key=str) == sorted(panes, key=str)


def test_values_are_those_of_the_whole_history(candles: pl.DataFrame) -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30")
    needed = candles_needed(condition, 50)[condition.series]
    assert needed > 50
    readings = readings_of("BTCUSDT 1h: rsi(14) < 30", candles.tail(needed), 50)
    assert readings.frame.height == 50
    whole = compute("rsi", candles, period=14)["value"][-50:]
    assert np.abs(readings.frame["rsi(14)"].to_numpy() - whole).max() < 1e-6 * 100


def test_values_that_do_not_exist_are_null(candles: pl.DataFrame) -> None:
    readings = readings_of("BTCUSDT 1h: rsi(14) < 30", candles.head(20), 20)
    assert readings.frame["rsi(14)"].null_count() == 14
    assert readings.frame["rsi(14)"].is_nan().any() is False


def test_a_constant_out_of_reach_gets_room(candles: pl.DataFrame) -> None:
    readings = readings_of("BTCUSDT 1h: macd.line > 99000", candles, 100)
    (pane,) = readings.panes
    assert pane.high is not None
    assert pane.high > 99000
    assert pane.low is None


def test_labels_are_close_times_and_unique_over_years() -> None:
    first = datetime(2023, 12, 31, tzinfo=UTC)
    frame = pl.DataFrame({"open_time": [first + timedelta(days=day) for day in range(800)]}).with_columns(
        pl.col("open_time").cast(pl.Datetime("ms", "UTC")),
        *(pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close", "volume")),
    )
    labels = readings_of("BTCUSDT 1d: close > 5", frame, 800).frame["closed"]
    assert labels[0] == "2024-01-01 00:00"
    assert labels.n_unique() == 800


def test_candles_have_linked_panes_and_markers_at_the_price(candles: pl.DataFrame) -> None:
    readings = readings_of("BTCUSDT 1h: rsi(14) < 30 and close > sma(20)", candles, 100)
    closes = candles["open_time"] + timedelta(hours=1)
    triggers = pl.DataFrame({"close_time": [closes[-5], closes[10]], "price": [42_000.5, 41_000.0]})
    chart = candle_chart(readings, triggers)
    options = chart.options
    candlestick, truth, bars, *lines = options["series"]
    # ECharts wants open, close, low, high.
    assert candlestick["encode"]["y"] == ["open", "close", "low", "high"]
    # The second trigger lies before the window.
    assert [mark["coord"] for mark in candlestick["markPoint"]["data"]] == [
        [closes[-5].strftime("%Y-%m-%d %H:%M"), 42_000.5]
    ]
    assert (truth["yAxisIndex"], bars["yAxisIndex"]) == (1, 2)
    assert {line["name"]: line["yAxisIndex"] for line in lines} == {"sma(20)": 0, "rsi(14)": 3}
    (rsi,) = (line for line in lines if line["name"] == "rsi(14)")
    assert [mark["yAxis"] for mark in rsi["markLine"]["data"]] == [30]
    assert len(options["grid"]) == len(options["xAxis"]) == len(options["yAxis"]) == 4
    assert [zoom["xAxisIndex"] for zoom in options["dataZoom"]] == [[0, 1, 2, 3]] * 2
    bottom = options["grid"][-1]["top"] + options["grid"][-1]["height"]
    assert bottom < chart.height
    json.dumps({name: part for name, part in options.items() if name != "dataset"})


@pytest.mark.parametrize(
    ("focus", "stop"),
    [
        (None, 10_000),
        (9_950, 10_000),
        (9_901, 10_000),
        # Before the window: a quarter of a window follows it.
        (5_000, 5_025),
        (9_900, 9_925),
    ],
)
def test_the_window_reaches_to_the_last_candle_or_around_a_trigger(focus: int | None, stop: int) -> None:
    assert window_stop(slots_of("1m"), 10_000 * 60_000, focus and focus * 60_000, count=100) == stop * 60_000


def test_labels_tell_the_hour_apart_that_comes_twice() -> None:
    first = datetime(2024, 10, 26, 23, tzinfo=UTC)
    frame = pl.DataFrame({"time": [first + timedelta(hours=hour) for hour in range(4)]})
    assert frame.select(time_labels("time", "Europe/Berlin")).to_series().to_list() == [
        "2024-10-27 01:00",
        "2024-10-27 02:00 +0200",
        "2024-10-27 02:00 +0100",
        "2024-10-27 03:00",
    ]


def test_candles_that_were_not_judged_are_shaded_and_the_strip_has_the_truth(candles: pl.DataFrame) -> None:
    readings = readings_of("BTCUSDT 1h: close > open", candles, 10)
    closes = readings.frame["close_time"].dt.epoch("ms").to_list()
    labels = readings.frame["closed"].to_list()
    spans = [ActiveSpan(closes[1], closes[5]), ActiveSpan(closes[7], None)]
    options = candle_chart(
        readings, pl.DataFrame(schema={"close_time": pl.Datetime("ms", "UTC"), "price": pl.Float64}), spans
    ).options
    candlestick, truth, *_ = options["series"]
    shaded = [(first["xAxis"], last["xAxis"]) for first, last in candlestick["markArea"]["data"]]
    # A span begins after its first time: the candle that closes then does not count.
    assert shaded == [(labels[0], labels[1]), (labels[6], labels[7])]
    rising = (readings.frame["close"] > readings.frame["open"]).to_list()
    assert [bar["name"] == "TRUE" for bar in truth["data"]] == rising


def test_values_of_other_series_are_drawn_as_they_had_closed(sample: pl.DataFrame) -> None:
    condition = Condition.parse("BTCUSDT 1h: close > close@ETHUSDT and rsi(14)@4h < 60")
    hours = sample.filter((pl.col("timeframe") == "1h") & pl.col("symbol").is_in(["BTCUSDT", "ETHUSDT"]))
    bitcoin, ether = (hours.filter(pl.col("symbol") == name).head(400) for name in ("BTCUSDT", "ETHUSDT"))
    slow = condition.series.at("4h")
    other = next(series for series in condition.all_series if series.instrument != condition.series.instrument)
    four_hours = bitcoin.gather_every(4).with_columns(pl.lit("4h").alias("timeframe"))
    readings = read_values(condition, {condition.series: bitcoin, slow: four_hours, other: ether}, 100)
    assert readings.frame["close@ETHUSDT"].to_list() == ether["close"].tail(100).to_list()
    # Its scale is another one than that of the candles.
    assert "close@ETHUSDT" not in readings.price.lines
    # A 4h value changes with every fourth candle.
    assert readings.frame["rsi(14)@4h"].rle().struct.field("len").slice(1, 20).unique().to_list() == [4]


def test_trigger_rows_have_a_column_for_each_value() -> None:
    condition = Condition.parse("BTCUSDT 1h: rsi(14) < 30 and close > sma(20)")
    triggers = pl.DataFrame(
        {
            "close_time": [datetime(2024, 8, 5, 1, tzinfo=UTC)],
            "price": [50_000.0],
            "values": ['{"close":50000.0,"rsi(14, close)":29.5,"sma(20, close)":null}'],
            "settled": [True],
            "late": [False],
        }
    )
    assert trigger_rows(triggers, condition).drop("closed").to_dicts() == [
        {"price": 50_000.0, "sma(20)": None, "rsi(14)": 29.5, "settled": True, "late": False}
    ]
