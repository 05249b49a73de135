"""What a report warns of: the future, indicators that have not settled, tries that nobody mentioned."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import analysis
from analysis.backtesting import honesty
from analysis.backtesting.judging import Firings, judge
from analysis.backtesting.trials import FolderTrials, SessionTrials
from registry.conditions import Condition
from registry.store import open_store
from registry.tried import digest_of
from tests.analysis.backtesting.candles import frame, sample, walk

TEXT = "BTCUSDT 1h: rsi(14) crosses_below 40"


def kinds(report: analysis.Report) -> set[str]:
    return {caution.kind for caution in report[0].cautions}


def test_an_evaluation_that_knows_the_future_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    candles = frame(walk(500, 2))
    assert "look-ahead" not in kinds(analysis.backtest(TEXT, candles, trials=SessionTrials()))

    def peeking(conditions: Sequence[Condition], histories: Mapping[Any, Any], *rest: Any) -> tuple[Firings, Any]:
        """Fires five candles before the condition does, as a centred average would."""
        firings, triggers = judge(conditions, histories, *rest)
        return Firings(firings.starts, np.maximum(firings.rows - 5, 0)), triggers

    monkeypatch.setattr(honesty, "judge", peeking)
    report = analysis.backtest(TEXT, candles, trials=SessionTrials())
    assert "look-ahead" in kinds(report)
    assert report[0].verdict == "it knows the future: nothing of this can be had"


def test_triggers_before_indicators_have_settled_are_counted() -> None:
    report = analysis.backtest("BTCUSDT 1h: rsi(14) < 45", frame(walk(600, 5)), trials=SessionTrials())
    unsettled = int((~report.triggers["settled"]).sum())
    (caution,) = [each for each in report[0].cautions if each.kind == "unsettled"]
    assert unsettled > 0
    assert caution.text.startswith(f"{unsettled} of {report.triggers.height} triggers came before")


def test_what_was_tried_counts_whether_or_not_it_is_mentioned() -> None:
    candles, trials = sample(), SessionTrials()
    first = analysis.backtest(TEXT, candles, trials=trials)[0].chance
    assert (first.trials, first.expected_best) == (1, 0)
    assert "1 condition tried on this series" in str(analysis.backtest(TEXT, candles, trials=SessionTrials()))
    others = [f"BTCUSDT 1h: close crosses_above sma({period})" for period in (5, 20, 80, 200)]
    analysis.backtest(others, candles, trials=trials)
    # Equal conditions in other words are one try.
    again = analysis.backtest("btc/usdt 60m: RSI crosses_below 40.0", candles, trials=trials)
    assert again[0].chance.trials == 5
    assert 1 < again[0].chance.independent <= 5
    assert again[0].chance.expected_best > 0
    assert again[0].chance.deflated < first.deflated
    # Other candles of the same name are another series.
    elsewhere = analysis.backtest(TEXT, candles[500:], trials=trials)
    assert elsewhere[0].chance.trials == 1


def test_a_folder_remembers_what_other_processes_tried(tmp_path: Path) -> None:
    candles, folder = sample(), tmp_path / "trials"
    others = [f"BTCUSDT 1h: close crosses_above sma({period})" for period in (5, 20, 80)]
    analysis.backtest(others, candles, trials=FolderTrials(folder))
    report = analysis.backtest(TEXT, candles, trials=FolderTrials(folder))
    assert report[0].chance.trials == 4
    assert report[0].chance.expected_best > 0
    assert analysis.backtest(TEXT, candles, trials=FolderTrials(folder))[0].chance == report[0].chance
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_others_tried_on_a_store_counts(tmp_path: Path) -> None:
    candles, url = sample().with_columns(pl.lit("BINANCE").alias("exchange")), f"duckdb:{tmp_path / 'data'}"
    condition = Condition.parse(TEXT)
    others = [digest_of(sha256(str(number).encode()).hexdigest()[:32]) for number in range(50)]
    with open_store(url) as store:
        store.candles.upsert(candles)
        store.trials.record(condition.series, others)
        mine = SessionTrials()
        chance = analysis.backtest(TEXT, store, trials=mine)[0].chance
        assert chance.trials == 51
        assert chance.expected_best > 0
        swept = analysis.sweep("BTCUSDT 1h: rsi({n}) < 30", store, {"n": range(5, 9)}, trials=SessionTrials())
        assert swept.series[0].trials == 55
        assert store.trials.count(condition.series, []) == 55
    with open_store(url, read_only=True) as store:
        # Files that another process might own are not written to; what this process tried counts all the same.
        other = analysis.backtest("BTCUSDT 1h: close > sma(9)", store, trials=mine)
        assert other[0].chance.trials == 56
    assert analysis.backtest("BTCUSDT 1h: close > sma(99)", url, trials=mine)[0].chance.trials == 57
