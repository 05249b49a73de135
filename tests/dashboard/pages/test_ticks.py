"""The page Ticks: runs with all of their stages, late ones, failed ones."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from streamlit.testing.v1 import AppTest

from common.timeframes import to_ms
from dashboard.data.ticks import STAGES, runs_with_ticks
from registry.store import open_store
from registry.store.files.file_store import FileStore
from registry.store.parts.runs import RunFailure
from tests.dashboard.conftest import Judged

OpenApp = Callable[..., AppTest]
START = datetime(2024, 8, 5, tzinfo=UTC)


def _ticks(rows: list[tuple[str, int, int, bool]]) -> pl.DataFrame:
    """Ticks of (timeframe, minute judged, load in microseconds, late)."""
    return pl.DataFrame(
        [(timeframe, START + timedelta(minutes=at), load, 20, 10, 3, 0, late) for timeframe, at, load, late in rows],
        schema={
            "timeframe": pl.String,
            "judged_at": pl.Datetime("ms", "UTC"),
            "load_us": pl.Int64,
            "indicators_us": pl.Int64,
            "judge_us": pl.Int64,
            "conditions": pl.Int64,
            "holes": pl.Int64,
            "late": pl.Boolean,
        },
        orient="row",
    )


def _runs(rows: list[tuple[str, int]]) -> pl.DataFrame:
    """Runs of (timeframe, minute finished)."""
    moments = [START + timedelta(minutes=at) for _, at in rows]
    return pl.DataFrame(
        [
            (f"run {at}", timeframe, moment, moment, 1, 1, 1000, 2000, 3000)
            for (timeframe, at), moment in zip(rows, moments, strict=True)
        ],
        schema={
            "run_id": pl.String,
            "timeframe": pl.String,
            "tick": pl.Datetime("ms", "UTC"),
            "finished_at": pl.Datetime("ms", "UTC"),
            "ticks": pl.Int64,
            "triggers": pl.Int64,
            "prepare_us": pl.Int64,
            "record_us": pl.Int64,
            "publish_us": pl.Int64,
        },
        orient="row",
    )


def test_a_tick_belongs_to_the_first_run_of_its_timeframe_that_ended_after_it() -> None:
    ticks = _ticks([("1m", 1, 100, False), ("5m", 1, 7000, True), ("1m", 2, 200, True), ("1m", 3, 400, False)])
    runs = runs_with_ticks(ticks, _runs([("1m", 2), ("1m", 4), ("5m", 1)]))
    shown = runs.select("timeframe", "load", "state", "conditions", "total").sort("timeframe", "load").rows()
    # The stages of its ticks, and 6 ms of its own.
    assert [row[:4] for row in shown] == [("1m", 0.3, "late", 6), ("1m", 0.4, "on time", 3), ("5m", 7.0, "late", 3)]
    assert [row[4] for row in shown] == pytest.approx([0.36 + 6, 0.43 + 6, 7.03 + 6])


def test_the_page_shows_all_stages_of_what_was_judged(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "ticks")
    assert not app.exception
    shown = {metric.label: metric.value for metric in app.metric}
    assert (shown["Runs"], shown["Ticks"], shown["Late"]) == ("1", "72", "0")
    assert len(app.get("echarts_chart")) == 2
    assert [success.value for success in app.success] == ["No run was late.", "No run has failed."]
    with open_store(f"duckdb:{judged.folder / 'store'}", read_only=True) as store:
        runs = runs_with_ticks(store.ticks.ticks(), store.ticks.runs())
    assert runs.select(pl.all_horizontal(pl.col(STAGES) > 0)).to_series().to_list() == [True]


def test_failed_runs_are_listed_even_if_nothing_was_judged(open_app: OpenApp, empty: Path) -> None:
    with FileStore(empty / "store") as store:
        store.runs.record_failure(RunFailure("run", "tick/1m", "Crashed", "no space left", to_ms(START)))
    app = open_app(empty, "ticks")
    assert not app.exception
    assert "has judged anything" in app.info[0].value
    assert app.code[0].value == "hub tick 1h"
    assert app.dataframe[0].value["reason"].tolist() == ["no space left"]


def test_a_range_without_runs_says_so(judged: Judged, open_app: OpenApp) -> None:
    app = open_app(judged.folder, "ticks")
    app.button_group(key="range").set_value("24 h").run()
    assert not app.exception
    assert "No run in the last 24 h" in app.info[0].value
