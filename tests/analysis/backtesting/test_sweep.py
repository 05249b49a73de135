"""``analysis.sweep``: every combination as a backtest of its own would have it, on any executor."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import analysis
from analysis.backtesting import planning, sweeping, units
from analysis.backtesting.judging import base_candles
from analysis.backtesting.templates import Value
from analysis.backtesting.trials import SessionTrials
from common.errors import BacktestError, ConditionError, HubError
from engine.plan import make_plan
from registry.conditions import Condition
from tests.analysis.backtesting.candles import sample
from tests.waiting import wait_for

TEMPLATE = "{symbol} 1h: rsi({period}) crosses_below {level}"
VALUES: dict[str, Sequence[Value]] = {"symbol": ["BTCUSDT", "ETHUSDT"], "period": range(5, 8), "level": [25, 30.5]}
CANDLES = pl.concat([sample(), sample("ETHUSDT")])


def test_each_combination_is_what_its_backtest_says(tmp_path: Path) -> None:
    swept = analysis.sweep(
        TEMPLATE, CANDLES, VALUES, exit="{symbol} 1h: rsi({period}) > 60", horizon=48, stop_percent=5,
        trials=SessionTrials(), triggers_to=tmp_path,
    )  # fmt: skip
    assert swept.frame.height == 12
    assert swept.complete
    for row in list(swept.frame.iter_rows(named=True))[::5]:
        text = TEMPLATE.format(**{name: row[name] for name in VALUES})
        alone = analysis.backtest(
            text, CANDLES, exit=f"{row['symbol']} 1h: rsi({row['period']}) > 60", horizon=48, stop_percent=5,
            trials=SessionTrials(),
        )  # fmt: skip
        figures = alone[0].figures
        assert Condition.parse(text).id == row["condition_id"]
        for name in ("triggers", "trades", "win_rate", "total_return", "max_drawdown", "exposure", "mean_trade_return"):
            assert row[name] == pytest.approx(figures[name], rel=1e-9), name
        assert row["sharpe_a_year"] == pytest.approx(figures["sharpe_a_year"], rel=1e-6)
    kept = pl.concat([pl.read_parquet(file) for file in sorted(tmp_path.glob("triggers-*.parquet"))])
    assert kept.height == swept.frame["triggers"].sum()


def test_processes_give_what_threads_give(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials())
    monkeypatch.setattr(sweeping, "MOST_CONDITIONS", 4)
    steps: list[tuple[int, int]] = []
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        processes = analysis.sweep(
            TEMPLATE, CANDLES, VALUES, trials=SessionTrials(), executor=pool,
            progress=lambda done, total: steps.append((done, total)),
        )  # fmt: skip
    assert steps == [(number, 4) for number in range(1, 5)], "two series of six conditions, four at most in a unit"
    assert_frame_equal(processes.frame, threads.frame)
    assert processes.series == threads.series


def test_the_same_conditions_on_several_symbols_are_planned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that read another instrument are planned for each, and none fires differently for it."""
    plans: list[int] = []

    def counted(conditions: list[Condition]) -> object:
        plans.append(len(conditions))
        return make_plan(conditions)

    monkeypatch.setattr(planning, "make_plan", counted)
    monkeypatch.setattr(planning, "_PLANS", planning._Plans())
    alone = ["close > sma(17)", "rsi(13) < 40", "every(close < ema(9)@4h)", "close[2] > close for 2 bars"]
    texts = [f"{symbol} 1h: {text}" for symbol in ("ETHUSDT", "BTCUSDT") for text in alone]
    with ThreadPoolExecutor(2) as pool:
        swept = analysis.sweep(texts, CANDLES, trials=SessionTrials(), executor=pool)
    assert plans == [len(alone)]
    expected = analysis.scan(texts, CANDLES)["condition"].value_counts()
    assert dict(swept.frame.select("condition", "triggers").iter_rows()) == dict(expected.iter_rows())
    with_bitcoin = [f"{symbol} 1h: close > sma(11) and rsi(14)@BTCUSDT < 50" for symbol in ("ETHUSDT", "BTCUSDT")]
    swept = analysis.sweep(with_bitcoin, CANDLES, trials=SessionTrials())
    expected = analysis.scan(with_bitcoin, CANDLES)["condition"].value_counts()
    assert dict(swept.frame.select("condition", "triggers").iter_rows()) == dict(expected.iter_rows())


def test_a_cancelled_sweep_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "MOST_CONDITIONS", 1)
    cancel = Event()
    swept = analysis.sweep(
        TEMPLATE, CANDLES, VALUES, trials=SessionTrials(), cancel=cancel, progress=lambda *_: cancel.set()
    )
    assert not swept.complete
    assert 1 <= swept.frame.height < 12
    assert "cancelled before all was judged" in str(swept)


def test_a_sweep_can_be_cancelled_within_a_unit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cancel, folders = Event(), list[Path]()

    def remembered(unit: units.SweepUnit) -> units.UnitCounts | None:
        folders.append(unit.cancelled_file)
        return units.run_unit(unit)

    def cancelled(*arguments: Any) -> Any:
        cancel.set()
        wait_for(folders[0].exists, "the sweep to tell its units")
        return base_candles(*arguments)

    monkeypatch.setattr(sweeping, "run_unit", remembered)
    monkeypatch.setattr(units, "base_candles", cancelled)
    swept = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials(), cancel=cancel, triggers_to=tmp_path)
    assert not swept.complete
    assert swept.frame.is_empty()
    assert not list(tmp_path.iterdir())
    assert swept.verdict == "nothing was judged"
    assert "cancelled before all was judged" in str(swept)
    assert "nothing was judged" in swept._repr_html_()
    with pytest.raises(BacktestError, match="nothing was judged"):
        swept.report()


EXITS: dict[str, Any] = {"exit": "BTCUSDT 1h: rsi({period}) > {leave}", "horizon": None, "stop_percent": 5}
EXIT_VALUES: dict[str, Sequence[Value]] = {"period": [5, 6], "level": [30], "leave": [55, 70]}


def test_a_report_is_that_of_its_combination() -> None:
    trials, start, end = SessionTrials(), "2024-03-01", "2024-08-01"
    swept = analysis.sweep(
        "BTCUSDT 1h: rsi({period}) crosses_below {level}", CANDLES, EXIT_VALUES, **EXITS, start=start, end=end,
        trials=trials,
    )  # fmt: skip
    for row in swept.frame.iter_rows(named=True):
        report = swept.report(period=row["period"], leave=row["leave"])
        figures = report[0].figures
        for name in ("triggers", "trades", "win_rate", "total_return", "max_drawdown", "exposure"):
            assert row[name] == pytest.approx(figures[name], rel=1e-9), name
        assert figures["trials"] == 2, "those of the sweep, by its own ledger"
        assert report[0].equity["close_time"].min() == datetime(2024, 3, 1, 1, tzinfo=UTC)
    best = swept.best.row(0, named=True)
    assert swept.report()[0].figures["total_return"] == pytest.approx(best["total_return"])
    assert swept.report(best["condition_id"], leave=best["leave"]).to_dict() == swept.report().to_dict()
    with pytest.raises(BacktestError, match="are 2 combinations of this sweep; name level and leave as well"):
        swept.report(period=5)
    with pytest.raises(BacktestError, match="period=7 is not in this sweep"):
        swept.report(period=7)
    with pytest.raises(BacktestError, match="did you mean period"):
        swept.report(perod=5)


def test_a_sweep_shows_itself() -> None:
    swept = analysis.sweep(TEMPLATE, CANDLES, VALUES, trials=SessionTrials())
    assert max(map(len, swept.lines())) <= 80
    shown = swept._repr_html_()
    assert "<svg" in shown
    assert "http" not in shown
    grid = swept.grid("trades", x="period", y="level")
    assert grid.columns == ["level", "5", "6", "7"]
    of_cell = swept.frame.filter(period=6, level=30.5)["trades"]
    assert grid.filter(level=30.5)["6"].item() == of_cell.mean()
    assert swept.heat_map("trades", x="period", y="level").count("<rect") == 6
    assert swept.report()[0].condition.id == swept.best["condition_id"][0]


def test_combinations_that_make_no_condition_are_left_out_and_told() -> None:
    swept = analysis.sweep("BTCUSDT 1h: rsi({period}) < 30", CANDLES, {"period": [1, 14]}, trials=SessionTrials())
    assert swept.frame["period"].to_list() == [14]
    ((values, error),) = swept.unreadable
    assert values == {"period": 1}
    assert "between 2 and 1000" in error
    assert "1 combinations make no condition; period=1" in " ".join(str(swept).split())


@pytest.mark.parametrize(
    ("template", "parameters", "error", "says"),
    [
        ("BTCUSDT 1h: rsi({period}) < 30", {"periods": [14]}, BacktestError, "did you mean period"),
        ("BTCUSDT 1h: rsi({period}) < 30", {"period": [14], "level": [1]}, BacktestError, "is not in the template"),
        ("BTCUSDT 1h: rsi({period}) < 30", {"period": []}, BacktestError, "has no values"),
        ("BTCUSDT 1h: rsi({period}) < 30", None, BacktestError, "has no parameters"),
        ("BTCUSDT 1h: rsi({period.real}) < 30", {"period": [14]}, BacktestError, "a plain name"),
        ("BTCUSDT 1h: rsi({period) < 30", {"period": [14]}, BacktestError, "cannot be read"),
        ("BTCUSDT 1h: rsj({period}) < 30", {"period": [14]}, ConditionError, "did you mean rsi"),
        ("BTCUSDT 1h: rsi({period}) < 30", {"period": range(10**7)}, BacktestError, "more than 1,000,000"),
    ],
)
def test_what_cannot_be_done(
    template: str, parameters: dict[str, list[int]] | None, error: type[HubError], says: str
) -> None:
    with pytest.raises(error, match=says):
        analysis.sweep(template, CANDLES, parameters)
