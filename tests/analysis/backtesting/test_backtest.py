"""``analysis.backtest``: what a report says, checked against sums that a person can do, and against plain loops."""

from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from polars.testing import assert_frame_equal

import analysis
from analysis.backtesting.trials import SessionTrials
from common.errors import BacktestError, CandleFileError, CandlesMissing, ConditionError, HubError
from registry.conditions import Condition
from registry.store import open_store
from tests.analysis.backtesting.candles import HOUR_MS, START_MS, frame, sample, walk

TEXT = "BTCUSDT 1h: close > 100"
"""It fires on a candle that closes above 100 after one that did not."""
FREE: dict[str, Any] = {"fee_percent": 0.0, "slippage_percent": 0.0}


def flat(price: float) -> tuple[float, float, float, float]:
    return price, price, price, price


def test_entry_is_at_the_next_open_and_a_horizon_ends_at_a_close() -> None:
    candles = frame([flat(90), (90, 111, 90, 110), (112, 125, 111, 120), (121, 130, 119, 126), flat(50), flat(50)])
    report = analysis.backtest(TEXT, candles, horizon=2, trials=SessionTrials(), **FREE)
    (trade,) = report.trades.to_dicts()
    assert (trade["entry_price"], trade["exit_price"], trade["reason"], trade["candles"]) == (112, 126, "horizon", 2)
    assert trade["gross_return"] == trade["net_return"] == 126 / 112 - 1
    assert trade["trigger_time"] == trade["entry_time"] == datetime(2024, 1, 1, 2, tzinfo=UTC)
    assert trade["exit_time"] == datetime(2024, 1, 1, 4, tzinfo=UTC)
    assert (trade["adverse"], trade["favourable"]) == (111 / 112 - 1, 130 / 112 - 1)
    assert report.equity["equity"].to_list() == [1, 1, 120 / 112, 126 / 112, 126 / 112, 126 / 112]
    assert report[0].drawdown == 0


def test_costs_are_paid_on_each_fill() -> None:
    candles = frame([flat(90), flat(110), flat(100), flat(100), flat(50)])
    report = analysis.backtest(TEXT, candles, horizon=2, fee_percent=1, slippage_percent=2, trials=SessionTrials())
    (trade,) = report.trades.to_dicts()
    assert (trade["entry_price"], trade["exit_price"]) == (102, 98)
    assert trade["net_return"] == pytest.approx(98 * 0.99 / (102 * 1.01) - 1, rel=1e-12)
    assert trade["gross_return"] == 0


@pytest.mark.parametrize(
    ("candle", "reason", "price"),
    [
        ((100, 109, 91, 100), "still open", 100.0),
        ((100, 109, 90, 100), "stop", 90.0),
        ((100, 110, 95, 100), "target", 110.0),
        ((100, 120, 80, 100), "stop", 90.0),
        ((85, 120, 80, 100), "stop", 85.0),
        ((115, 120, 80, 100), "target", 115.0),
    ],
)
def test_the_stop_comes_before_the_target_and_gaps_fill_at_the_open(
    candle: tuple[float, float, float, float], reason: str, price: float
) -> None:
    candles = frame([flat(90), flat(110), flat(100), candle])
    report = analysis.backtest(TEXT, candles, stop_percent=10, target_percent=10, trials=SessionTrials(), **FREE)
    (trade,) = report.trades.to_dicts()
    assert (trade["reason"], trade["exit_price"]) == (reason, pytest.approx(price))


def test_a_candle_of_the_entry_can_touch_the_stop() -> None:
    candles = frame([flat(90), flat(110), (100, 120, 80, 100), flat(100)])
    report = analysis.backtest(TEXT, candles, stop_percent=10, target_percent=10, trials=SessionTrials(), **FREE)
    assert report.trades["reason"].to_list() == ["stop"]
    assert report.trades["candles"].to_list() == [1]


def test_short_positions_gain_when_prices_fall() -> None:
    candles = frame([flat(90), flat(110), flat(100), (100, 109, 85, 90), flat(90)])
    report = analysis.backtest(
        TEXT, candles, side="short", stop_percent=10, target_percent=10, trials=SessionTrials(), **FREE
    )
    (trade,) = report.trades.to_dicts()
    assert (trade["reason"], trade["net_return"]) == ("target", pytest.approx(0.1))
    assert (trade["adverse"], trade["favourable"]) == (pytest.approx(-0.09), pytest.approx(0.15))


def test_an_exit_condition_closes_at_the_next_open_and_only_in_a_position() -> None:
    rows = [flat(90), flat(110), (100, 140, 100, 140), flat(120), (130, 130, 130, 130), flat(110)]
    report = analysis.backtest(TEXT, frame(rows), exit="BTCUSDT 1h: every(close > 105)", trials=SessionTrials(), **FREE)
    (trade,) = report.trades.to_dicts()
    # It fires on the trigger's own candle, too, before there is a position.
    assert (trade["reason"], trade["exit_price"], trade["candles"]) == ("exit condition", 120, 2)


def test_triggers_in_a_position_are_ignored_and_counted() -> None:
    rows = walk(400, 3)
    report = analysis.backtest("BTCUSDT 1h: every(close > 0)", frame(rows), horizon=10, trials=SessionTrials())
    part = report[0]
    assert part.triggers.height == 400
    # One enters every ten candles: at the close of a horizon the next trigger is free to.
    assert part.trades.height == 40
    assert part.ignored == 360
    assert {caution.kind for caution in part.cautions} >= {"always", "dependent"}


def plain_trades(
    rows: NDArray[np.float64], fired: set[int], exits: set[int], *, horizon: int, stop: float, target: float
) -> list[tuple[int, int, float]]:
    """(entry row, exit row, exit price) by the rules, as one would write them down without costs."""
    trades, free, count = [], 0, len(rows)
    for row in sorted(fired):
        if row < free or row + 1 >= count:
            continue
        entry = row + 1
        base = rows[entry, 0]
        for i in range(entry, count):
            opened, high, low, close = rows[i]
            price = None
            low_end, high_end = base - base * stop / 100, base + base * target / 100
            if i > entry and (i - 1 in exits or opened <= low_end or opened >= high_end):
                price = opened
            elif low <= low_end:
                price = low_end
            elif high >= high_end:
                price = high_end
            elif i - entry + 1 == horizon:
                price = close
            if price is not None:
                trades.append((entry, i, price))
                free = i
                break
        else:
            return trades
    return trades


@pytest.mark.parametrize("seed", range(5))
def test_trades_are_those_of_a_plain_loop(seed: int) -> None:
    rows = walk(3000, seed)
    rows[:, 0] = np.clip(rows[:, 0] * np.random.default_rng(seed).normal(1, 0.004, 3000), rows[:, 2], rows[:, 1])
    candles = frame(rows)
    entry, leave = "BTCUSDT 1h: rsi(5) crosses_below 40", "BTCUSDT 1h: rsi(5) > 70"
    report = analysis.backtest(
        entry, candles, exit=leave, horizon=12, stop_percent=3, target_percent=4, trials=SessionTrials(), **FREE
    )
    scanned = analysis.scan([entry, leave], candles)
    at = {
        name: set(((mine["open_time"].dt.epoch("ms") - START_MS) // HOUR_MS).to_list())
        for name in (entry, leave)
        for mine in [scanned.filter(condition_id=Condition.parse(name).id)]
    }
    expected = plain_trades(rows, at[entry], at[leave], horizon=12, stop=3, target=4)
    closed = report[0].traded.closed
    begun = ((closed["entry_time"].dt.epoch("ms") - START_MS) // HOUR_MS).to_list()
    ended = ((closed["exit_time"].dt.epoch("ms") - START_MS) // HOUR_MS - 1).to_list()
    assert len(expected) > 50
    assert list(zip(begun, ended, strict=True)) == [(begin, end) for begin, end, _ in expected]
    assert closed["exit_price"].to_list() == pytest.approx([price for _, _, price in expected], rel=1e-12)
    assert len(set(closed["reason"])) == 4
    growth = np.prod([1 + each for each in report.trades["net_return"]])
    assert report.equity["equity"][-1] == pytest.approx(growth, rel=1e-12)


def test_forward_returns_and_their_baseline() -> None:
    candles = sample()
    report = analysis.backtest("BTCUSDT 1h: rsi(14) crosses_below 30", candles, horizons=(1, 6), trials=SessionTrials())
    opens, closes = candles["open"].to_numpy(), candles["close"].to_numpy()
    fired = np.flatnonzero(candles["open_time"].is_in(report.triggers["open_time"].implode()).to_numpy())
    for row in report.forward.iter_rows(named=True):
        horizon = row["horizon"]
        after = np.array([closes[t + horizon] / opens[t + 1] - 1 for t in range(len(opens) - horizon)])
        mine = after[fired[fired < after.size]]
        assert row["triggers"] == mine.size
        assert row["mean"] == pytest.approx(mine.mean(), rel=1e-9)
        assert row["median"] == pytest.approx(np.median(mine), rel=1e-9)
        assert row["hit_rate"] == pytest.approx((mine > 0).mean())
        assert row["baseline_mean"] == pytest.approx(after.mean(), rel=1e-9)
        assert row["baseline_hit_rate"] == pytest.approx((after > 0).mean())
        assert row["edge"] == pytest.approx(mine.mean() - after.mean(), rel=1e-9)
        assert row["mean_low"] < row["mean"] < row["mean_high"]
        assert row["hit_low"] < row["hit_rate"] < row["hit_high"]


def test_excursions_and_the_event_study() -> None:
    candles = sample()
    report = analysis.backtest("BTCUSDT 1h: rsi(14) crosses_below 30", candles, horizons=(6,), trials=SessionTrials())
    opens, highs, lows, closes = (candles[name].to_numpy() for name in ("open", "high", "low", "close"))
    fired = np.flatnonzero(candles["open_time"].is_in(report.triggers["open_time"].implode()).to_numpy())
    fired = fired[fired < len(opens) - 6]
    worst = [min(lows[t + 1 : t + 7].min() / opens[t + 1] - 1, 0) for t in fired]
    best = [max(highs[t + 1 : t + 7].max() / opens[t + 1] - 1, 0) for t in fired]
    assert report.excursions["adverse"].to_list() == pytest.approx(worst)
    assert report.excursions["favourable"].to_list() == pytest.approx(best)
    study = {row["offset"]: row["mean"] for row in report.event_study.iter_rows(named=True)}
    assert sorted(study) == list(range(-6, 7))
    assert study[0] == 0
    assert study[3] == pytest.approx(np.mean([closes[t + 3] / closes[t] - 1 for t in fired]), abs=2e-3)
    assert study[-3] > 0.005, "a condition that fires after falls has higher prices behind it"


def test_triggers_are_those_of_a_scan_bit_for_bit() -> None:
    candles = sample()
    texts = [
        "BTCUSDT 1h: rsi(14) crosses_below 30",
        "BTCUSDT 1h: close > sma(50)@4h",
        "BTCUSDT 1h: close > bbands.upper",
    ]
    report = analysis.backtest(texts, candles, trials=SessionTrials())
    assert_frame_equal(report.triggers, analysis.scan(texts, candles))
    assert [str(part.condition) for part in report.parts] == [str(Condition.parse(text)) for text in texts]
    assert report[texts[1]].condition == Condition.parse(texts[1])


def test_a_range_leaves_indicators_as_they_are() -> None:
    candles = sample()
    text = "BTCUSDT 1h: rsi(14) crosses_below 30"
    everything = analysis.backtest(text, candles, trials=SessionTrials()).triggers
    start, end = datetime(2024, 3, 1, tzinfo=UTC), "2024-05-01 00:00"
    part = analysis.backtest(text, candles, start=start, end=end, trials=SessionTrials())
    until = datetime(2024, 5, 1, tzinfo=UTC)
    assert_frame_equal(part.triggers, everything.filter(pl.col("close_time").is_between(start, until, closed="right")))
    assert part.equity["close_time"].min() == datetime(2024, 3, 1, 1, tzinfo=UTC)
    assert part.equity["close_time"].max() == until


def test_a_store_and_its_url_and_a_file_say_the_same(tmp_path: Path) -> None:
    candles, text = sample(), "BTCUSDT 1h: rsi(14)@4h < 40"
    expected = analysis.backtest(text, candles, trials=SessionTrials())
    url = f"duckdb:{tmp_path / 'data'}"
    with open_store(url) as store:
        store.candles.upsert(candles.with_columns(pl.lit("BINANCE").alias("exchange")))
        from_store = analysis.backtest(text, store, trials=SessionTrials())
    candles.write_parquet(tmp_path / "candles.parquet")
    others = [
        from_store,
        *(analysis.backtest(text, x, trials=SessionTrials()) for x in (url, tmp_path / "candles.parquet")),
    ]
    assert expected.triggers.height > 10
    for other in others:
        assert_frame_equal(other.triggers, expected.triggers)
        assert_frame_equal(other.trades, expected.trades)
        assert_frame_equal(other.forward, expected.forward)


def test_a_file_of_several_symbols_is_read_as_a_frame_of_one(tmp_path: Path) -> None:
    ours, path = sample(), tmp_path / "candles.parquet"
    expected = analysis.backtest("BTCUSDT 1h: rsi(14) < 30", ours, trials=SessionTrials())
    pl.concat([ours, sample("ETHUSDT")]).sort("open_time", "symbol").write_parquet(path)
    report = analysis.backtest("BTCUSDT 1h: rsi(14) < 30", path, trials=SessionTrials())
    assert_frame_equal(report.triggers, expected.triggers)
    assert report.summary.equals(expected.summary)
    pl.concat([ours, sample("ETHUSDT").with_columns(symbol=pl.lit(None, pl.String))]).write_parquet(path)
    with pytest.raises(HubError, match="some candles have no symbol"):
        analysis.backtest("BTCUSDT 1h: rsi(14) < 30", path, trials=SessionTrials())


def test_a_file_of_one_series_is_no_other_one(tmp_path: Path) -> None:
    path, text = tmp_path / "candles.parquet", "BTCUSDT 1h: rsi(14) < 30"
    expected = analysis.backtest(text, sample(), trials=SessionTrials())
    for exchange in ("BINANCE", "binance"):
        sample().with_columns(exchange=pl.lit(exchange)).write_parquet(path)
        assert analysis.backtest(text, path, trials=SessionTrials()).summary.equals(expected.summary)
    assert analysis.backtest(text, tmp_path / "*.parquet", trials=SessionTrials()).summary.equals(expected.summary)
    for other in ({"exchange": "OKX"}, {"symbol": "ETHUSDT"}, {"timeframe": "4h"}):
        sample().with_columns(**{name: pl.lit(value) for name, value in other.items()}).write_parquet(path)
        with pytest.raises(HubError, match=r"BINANCE:BTCUSDT|no slot|ends at|no candles"):
            analysis.backtest(text, path, trials=SessionTrials())
    path.write_bytes(b"no candles at all")
    with pytest.raises(CandleFileError, match="cannot be read as Parquet"):
        analysis.backtest(text, path, trials=SessionTrials())


def test_several_series_are_judged_on_any_executor() -> None:
    candles = pl.concat([sample(), sample("ETHUSDT"), sample("SOLUSDT")])
    texts = [f"{symbol} 1h: close > sma(20)@BTCUSDT" for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    texts = [text.replace("BTCUSDT 1h: close > sma(20)@BTCUSDT", "BTCUSDT 1h: rsi(14) < 30") for text in texts]
    steps: list[tuple[int, int]] = []
    threads = analysis.backtest(
        texts, candles, trials=SessionTrials(), progress=lambda done, total: steps.append((done, total))
    )
    assert steps == [(1, 3), (2, 3), (3, 3)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        processes = analysis.backtest(texts, candles, trials=SessionTrials(), executor=pool)
    assert_frame_equal(processes.triggers, threads.triggers)
    assert_frame_equal(processes.summary, threads.summary)
    assert_frame_equal(threads.triggers, analysis.scan(texts, candles))


EMPTY = frame([flat(90)]).clear()


@pytest.mark.parametrize(
    ("text", "candles", "options", "error", "says"),
    [
        ("BTCUSDT 1h: rsj(14) < 30", frame([flat(90)] * 9), {}, ConditionError, "did you mean rsi"),
        (TEXT, EMPTY, {}, CandlesMissing, "no candles of BINANCE:BTCUSDT 1h"),
        (TEXT, frame([flat(90)]), {}, BacktestError, "has 1 candle in the range.* needs at least 2"),
        (TEXT, frame([flat(90), flat(0), flat(90)]), {}, BacktestError, "price that is not above 0"),
        (TEXT, frame([flat(90), flat(float("inf")), flat(90)]), {}, BacktestError, "or is infinite"),
        (TEXT, frame([flat(90)] * 9), {"start": "2030-01-01"}, BacktestError, "has 0 candles in the range"),
        (TEXT, frame([flat(90)] * 9), {"start": "yesterday"}, HubError, "cannot be read"),
        (TEXT, frame([flat(90)] * 9), {"horizons": (0,)}, BacktestError, "whole numbers of candles from 1"),
        (TEXT, frame([flat(90)] * 9), {"stop_percent": -1}, BacktestError, "above 0"),
        (TEXT, frame([flat(90)] * 9), {"stop_percent": 100}, BacktestError, "cannot fall by 100"),
        (TEXT, frame([flat(90)] * 9), {"fee_percent": 100}, BacktestError, "below 100"),
        (TEXT, frame([flat(90)] * 9), {"exit": "ETHUSDT 1h: close > 1"}, BacktestError, "must be of that series"),
        (TEXT, "candles.csv", {}, BacktestError, "a Parquet file"),
        (TEXT, None, {}, BacktestError, "candles are missing"),
        ([], frame([flat(90)] * 9), {}, BacktestError, "no condition to test"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    text: str, candles: pl.DataFrame, options: dict[str, object], error: type[HubError], says: str
) -> None:
    with pytest.raises(error, match=says):
        analysis.backtest(text, candles, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "rows", "volume", "kinds"),
    [
        (TEXT, [flat(90)] * 50, 10.0, {"never"}),
        (TEXT, [flat(90), *[flat(110)] * 50], 10.0, {"few"}),
        ("BTCUSDT 1h: every(close > 0)", [flat(90)] * 50, 10.0, {"few", "always", "dependent"}),
        ("BTCUSDT 1h: close > vwma(5)", walk(60, 1), 0.0, {"never", "no volume"}),
        (TEXT, [flat(90), flat(110)], 10.0, {"few", "always"}),
    ],
)
def test_poor_samples_give_reports_that_say_so(
    text: str, rows: list[tuple[float, float, float, float]], volume: float, kinds: set[str]
) -> None:
    report = analysis.backtest(text, frame(rows, volume=volume), trials=SessionTrials())
    assert {caution.kind for caution in report[0].cautions} == kinds
    assert report[0].verdict in ("it never fires", "too few trades to say anything")
    for shown in (str(report), report._repr_html_()):
        assert "nan" not in shown.lower().replace("binance", "")
    assert max(map(len, report.lines())) <= 80
    assert report.summary.height == 1


def test_gaps_and_invented_candles_are_told() -> None:
    rows = walk(300, 4)
    rows[100:103] = rows[99, 3]
    candles = (
        frame(rows)
        .with_row_index("row")
        .with_columns(pl.when(pl.col("row").is_between(100, 102)).then(0.0).otherwise(pl.col("volume")).alias("volume"))
    )
    candles = candles.filter(~pl.col("row").is_between(200, 209)).drop("row")
    texts = [caution.text for caution in analysis.backtest("BTCUSDT 1h: rsi < 40", candles)[0].cautions]
    assert any(text.startswith("10 candles are missing in 1 gaps, the first from 2024-01-09 08:00") for text in texts)
    assert any(text.startswith("3 of 290 candles are flat") for text in texts)


def test_a_report_shows_itself_in_a_notebook_without_a_network() -> None:
    candles = pl.concat([sample(), sample("ETHUSDT")])
    texts = ["BTCUSDT 1h: rsi(14) crosses_below 30", "ETHUSDT 1h: rsi(14) < 30 and close < sma(50)"]
    shown = analysis.backtest(texts, candles, trials=SessionTrials())._repr_html_()
    assert shown.count("<svg") == 8
    assert "currentColor" in shown
    assert "http" not in shown
    assert "rsi(14) &lt; 30" in shown
