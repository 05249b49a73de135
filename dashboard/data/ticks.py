"""The history of ticks: what the runs did, how long each stage took, and which came late or failed."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from common.clock import SystemClock
from dashboard.data.reading import SECONDS_KEPT, opened
from registry.store.parts.runs import RunFailure

_FAILURES = 1_000
_RUNS, _TICKS, _UNDER_WAY = 300, 3_000, 100
STAGES = ("load", "indicators", "judge", "prepare", "record", "publish")
"""The stages of a run, in the order of the columns; ``prepare``: plan and state."""


@dataclass(frozen=True)
class TickTotals:
    """What was judged within a range, and the failures of it."""

    by_timeframe: pl.DataFrame
    """A row for each timeframe, as :meth:`TickStore.totals` has them."""
    failures: list[RunFailure]
    """Newest first."""


@st.cache_data(ttl=SECONDS_KEPT, max_entries=16, show_spinner="Reading the ticks …")
def tick_totals(store_url: str, range_ms: int | None) -> TickTotals:
    """What was judged in the last ``range_ms``, or ever."""
    since_ms = _since(range_ms)
    with opened(store_url) as store:
        return TickTotals(
            by_timeframe=store.ticks.totals(since_ms=None if range_ms is None else since_ms),
            failures=[each for each in store.runs.failures(_FAILURES) if each.failed_ms >= since_ms],
        )


@st.cache_data(ttl=SECONDS_KEPT, max_entries=64, show_spinner=False)
def newest_runs(store_url: str, timeframe: str, range_ms: int | None) -> pl.DataFrame:
    """A row for each of the newest runs of a timeframe in the last ``range_ms``, or ever, that advanced ticks, oldest
    first.

    Columns ``timeframe close_time finished_at ticks late conditions triggers holes state``, the stages in milliseconds,
    and their sum, ``total``. ``state`` is ``on time``, or ``late`` if one of its ticks was judged late.
    """
    since_ms = _since(range_ms)
    with opened(store_url) as store:
        runs = store.ticks.runs(_RUNS, timeframe=timeframe, since_ms=since_ms)
        # A run that catches up judges many ticks: those that are not read are missing from its stages. The newest ticks
        # may be of a run that is under way.
        count = min(_TICKS, int(runs["ticks"].sum()) + _UNDER_WAY)
        ticks = store.ticks.newest_ticks(count, timeframe=timeframe, since_ms=since_ms)
    return runs_with_ticks(ticks, runs)


def _since(range_ms: int | None) -> int:
    return 0 if range_ms is None else SystemClock().now_ms() - range_ms


def runs_with_ticks(ticks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The columns of :func:`newest_runs`. A tick belongs to the first run of its timeframe that ended after it."""
    assigned = (
        ticks.sort("judged_at")
        .join_asof(
            runs.select("timeframe", "run_id", "tick", pl.col("finished_at").alias("judged_at")).sort("judged_at"),
            on="judged_at",
            by="timeframe",
            strategy="forward",
            check_sortedness=False,
        )
        .group_by("timeframe", "run_id", "tick")
        .agg(
            pl.col("load_us", "indicators_us", "judge_us", "conditions", "holes").sum(),
            pl.col("late").any(),
        )
    )
    return (
        runs.join(assigned, on=["timeframe", "run_id", "tick"], how="left")
        .with_columns(pl.col("load_us", "indicators_us", "judge_us", "conditions", "holes").fill_null(0))
        .select(
            "timeframe",
            pl.col("tick").alias("close_time"),
            "finished_at",
            "ticks",
            pl.col("late").fill_null(value=False),
            "conditions",
            "triggers",
            "holes",
            *((pl.col(f"{stage}_us") / 1e3).alias(stage) for stage in STAGES),
        )
        .with_columns(
            pl.sum_horizontal(STAGES).alias("total"),
            pl.when("late").then(pl.lit("late")).otherwise(pl.lit("on time")).alias("state"),
        )
        .sort("finished_at", "close_time", maintain_order=True)
    )
