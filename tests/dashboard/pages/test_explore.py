"""The page Explore: what a text would have done, what it costs, what is wrong with it."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from streamlit.testing.v1 import AppTest

from analysis.backtesting.backtest import backtest
from analysis.backtesting.forward import FORWARD_SCHEMA
from analysis.scan import scan
from registry.conditions import Condition
from registry.groups import Series
from registry.store import open_store
from tests.dashboard.conftest import NEVER, Judged

OpenApp = Callable[..., AppTest]
TEXT = "btc/usdt 60m: RSI crosses_below 35"


def test_it_fires_where_a_scan_of_the_stored_candles_does(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when=TEXT)
    assert not app.exception
    expected = scan(Condition.parse(TEXT), _stored(judged))
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


def test_what_followed_is_what_a_backtest_says(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when=TEXT)
    assert not app.exception
    expected = backtest(TEXT, _stored(judged)).forward
    assert expected["triggers"][0] > 1
    shown = pl.DataFrame(app.dataframe[1].value)
    assert shown["after"].to_list() == ["1 x 1h", "4 x 1h", "24 x 1h"]
    columns = list(FORWARD_SCHEMA)
    assert_frame_equal(shown.select(columns), expected.select(columns), rel_tol=0, abs_tol=0.5e-4)


def test_a_share_that_is_shown_as_nothing_has_no_sign(
    judged: Judged, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = backtest(TEXT, _stored(judged)).forward
    tiny = exact.with_columns(pl.lit(-0.00004).alias("mean"))
    monkeypatch.setattr("dashboard.data.exploring.what_followed", lambda *_: tiny)
    app = open_app(judged.folder, "explore", when=TEXT)
    assert not app.exception
    assert [str(value) for value in app.dataframe[1].value["mean"]] == ["0.0"] * exact.height


def test_without_a_trigger_nothing_is_compared(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "explore", when=NEVER)
    assert not app.exception
    assert "no trigger in this range" in app.info[0].value


def _stored(judged: Judged) -> pl.DataFrame:
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        return store.candles.between(Series.parse("BINANCE:BTCUSDT 1h"), 0, 1 << 50)
