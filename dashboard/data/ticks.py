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
class TickHistory:
    """What was judged within a range, and the failures of it."""

    totals: pl.DataFrame
    """A row for each timeframe, as :meth:`TickStore.totals` has them."""

    runs: pl.DataFrame | None
    """A row for each of the newest runs that advanced ticks, oldest first; ``None`` if nothing was judged.

    Columns ``timeframe close_time finished_at ticks late conditions triggers holes state``, the stages in milliseconds,
    and their sum, ``total``. ``state`` is ``on time``, or ``late`` if one of its ticks was judged late.
    """
    failures: list[RunFailure]
    """Newest first."""


@st.cache_data(ttl=SECONDS_KEPT, max_entries=16, show_spinner="Reading the ticks …")
def tick_history(store_url: str, range_ms: int | None) -> TickHistory:
    """The history of the last ``range_ms``, or all of it."""
    since_ms = 0 if range_ms is None else SystemClock().now_ms() - range_ms
    with opened(store_url) as store:
        totals = store.ticks.totals(since_ms=None if range_ms is None else since_ms)
        timeframes = totals["timeframe"].to_list()
        runs = [store.ticks.runs(_RUNS, timeframe=name, since_ms=since_ms) for name in timeframes]
        # A run that catches up judges many ticks: those that are not read are missing from its stages. The newest ticks
        # may be of a run that is under way.
        counts = [min(_TICKS, int(each["ticks"].sum()) + _UNDER_WAY) for each in runs]
        ticks = [
            store.ticks.newest_ticks(count, timeframe=name, since_ms=since_ms)
            for name, count in zip(timeframes, counts, strict=True)
        ]
        failures = [each for each in store.runs.failures(_FAILURES) if each.failed_ms >= since_ms]
    if not timeframes:
        return TickHistory(totals, None, failures)
    return TickHistory(totals, runs_with_ticks(pl.concat(ticks), pl.concat(runs)), failures)


def runs_with_ticks(ticks: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """The columns of :attr:`TickHistory.runs`. A tick belongs to the first run of its timeframe that ended after it."""
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
