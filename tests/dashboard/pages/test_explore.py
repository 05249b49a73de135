"""The page Explore: what a text would have done, what it costs, what is wrong with it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from analysis.scan import scan
from dashboard.data.exploring import forward_returns
from registry.conditions import Condition
from registry.groups import Series
from registry.store import open_store
from tests.dashboard.conftest import Judged

OpenApp = Callable[..., AppTest]
TEXT = "btc/usdt 60m: RSI crosses_below 35"


def test_it_fires_where_a_scan_of_the_stored_candles_does(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when=TEXT)
    assert not app.exception
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        candles = store.candles.between(Series.parse("BINANCE:BTCUSDT 1h"), 0, 1 << 50)
    expected = scan(Condition.parse(TEXT), candles)
    assert expected.height > 0
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Triggers"] == str(expected.height)
    assert shown["Registered"] == "no"
    # RSI(14) of the series is computed for a registered condition already.
    assert (shown["Indicators"], shown["Not shared"]) == ("1", "0")
    times = pl.DataFrame(app.dataframe[0].value)["close_time"].dt.epoch("ms").to_list()
    assert times == expected["close_time"].dt.epoch("ms").reverse().to_list()


def test_the_request_registers_what_was_written(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when=TEXT)
    command = app.code[-1].value
    body = json.loads(command.partition("-d '")[2].removesuffix("'"))
    assert Condition.parse(body["condition"]) == Condition.parse(TEXT)
    assert Condition.parse(TEXT).id in app.caption[-2].value


def test_a_registered_condition_is_recognised_in_another_spelling(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when="btc/usdt 60m: RSI crosses_below 30.0")
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Registered"], shown["Subscribers"]) == ("yes", "3")


@pytest.mark.parametrize(
    ("text", "message", "marker"),
    [
        ("BTCUSDT 1h: rsi(14 crosses_below 30", "Rsi", " " * 19 + "^"),
        ("BTCUSDT 7m: rsi < 30", "7m", " " * 8 + "^"),
    ],
)
def test_mistakes_are_pointed_at_in_the_text(
    judged: Judged, open_app: OpenApp, text: str, message: str, marker: str
) -> None:
    app = open_app(judged.folder, "explore", when=text)
    assert not app.exception
    assert app.error[0].value
    assert app.code[0].value == f"{text}\n{marker}"


def test_missing_candles_name_the_next_command(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when="SOLUSDT 1h: rsi < 30")
    assert not app.exception
    assert "hub candles import FILE" in [code.value for code in app.code]


def test_it_begins_with_a_condition_on_stored_candles(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore")
    assert app.text_input(key="when").value == "BINANCE:BTCUSDT 1h: rsi(14) crosses_below 30"
    assert not app.exception


def test_an_empty_store_and_none_say_what_to_do(open_app: OpenApp, empty: Path, tmp_path: Path) -> None:
    app = open_app(empty, "explore")
    assert not app.exception
    assert "hub candles import FILE" in [code.value for code in app.code]
    app = open_app(tmp_path / "nothing", "explore")
    assert "no store yet" in app.info[0].value


def test_forward_returns_are_compared_with_every_candle() -> None:
    times = [datetime(2024, 8, 5, tzinfo=UTC) + timedelta(hours=hour) for hour in range(6)]
    candles = pl.DataFrame({"open_time": times, "close": [100.0, 110.0, 99.0, 99.0, 198.0, 99.0]}).with_columns(
        pl.col("open_time").cast(pl.Datetime("ms", "UTC"))
    )
    returns = forward_returns(candles, candles["open_time"].gather([0, 3, 5]))
    after_one = returns.row(0, named=True)
    # From 100 to 110 and from 99 to 198; the last candle has none behind it.
    assert (after_one["horizon"], after_one["triggers"]) == (1, 2)
    assert after_one["mean"] == pytest.approx((0.1 + 1.0) / 2)
    assert after_one["hit"] == 1.0
    assert after_one["baseline_hit"] == pytest.approx(2 / 5)
    assert after_one["baseline_mean"] == pytest.approx((0.1 - 0.1 + 0 + 1 - 0.5) / 5)
    # No trigger has 24 candles behind it.
    assert returns.row(2, named=True)["triggers"] == 0
