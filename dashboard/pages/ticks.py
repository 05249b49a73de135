"""The history of ticks: how long they took, stage by stage, which came late, and which runs failed."""

from functools import partial

import numpy as np
import polars as pl
import streamlit as st

from common.timeframes import DURATION_MS, from_ms
from dashboard.charts import ticks as charts
from dashboard.data.overview import by_length
from dashboard.data.reading import read
from dashboard.data.ticks import STAGES, newest_runs, tick_totals
from dashboard.view import View, drawn, view
from registry.store.parts.runs import RunFailure

_RUNS_SHOWN = 300
_EXPLANATION = """
A **tick** is one timeframe reaching one close time; a **run** judges one tick or, after a pause, several. *Load* reads
candles, *indicators* moves them on, *judge* computes truths and what fires; *prepare* is plan and state once a run,
*record* the transaction in the store, *publish* the event log. All are measured in the process that judges; waiting for
the close and Prefect's own time are not included.

A run is **late** if one of its ticks was judged a whole timeframe or more after its close: the hub was down, or the
candles came late. Its triggers say so. A **failed** run is judged again by the next one: nothing is skipped.
"""


def show() -> None:
    """Draw the page."""
    drawn(view("Ticks"), _draw)


def _draw(now: View) -> None:
    totals = read(partial(tick_totals, range_ms=now.range_ms))
    timeframes = by_length(set(totals.by_timeframe["timeframe"]))
    if not timeframes:
        where = "on record" if now.range_ms is None else f"in the last {now.range_name}"
        st.info(f"No run {where} has judged anything. Judge a timeframe up to its last closed candle:")
        st.code("hub tick 1h", language="shell")
        _failures(totals.failures, now)
        return
    chosen = st.segmented_control(
        "Timeframe", timeframes, default=timeframes[0], required=True, key="timeframe", bind="query-params"
    )
    chosen = chosen if chosen in timeframes else timeframes[0]
    runs = read(partial(newest_runs, timeframe=chosen, range_ms=now.range_ms))
    if runs.is_empty():
        st.info(f"No run of {chosen} in this range has ended.")
        _failures(totals.failures, now)
        return
    of_timeframe = totals.by_timeframe.row(by_predicate=pl.col("timeframe") == chosen, named=True)
    _figures(of_timeframe, runs, DURATION_MS[chosen])
    st.header("Duration and state", anchor=False)
    st.echarts_chart(
        charts.durations(runs, float(DURATION_MS[chosen]), now.zone),
        height=280,
        key="durations",
        alt=f"Duration of each run of {chosen}, coloured by its state",
    )
    st.header("Stages", anchor=False)
    st.echarts_chart(
        charts.stages(runs, now.zone), height=280, key="stages", alt=f"Time of each stage of the runs of {chosen}"
    )
    st.caption(f"The last {runs.height:,} runs of {chosen} by the close of their last candle.")
    _late(runs, now)
    _failures(totals.failures, now)


def _figures(totals: dict[str, int], runs: pl.DataFrame, budget_ms: int) -> None:
    median, slow = (float(np.quantile(runs["total"].to_numpy(), at)) for at in (0.5, 0.95))
    figures: dict[str, tuple[str, str]] = {
        "Runs": (f"{totals['runs']:,}", "Flow runs, and calls of `hub tick`, that judged at least one tick"),
        "Ticks": (f"{totals['ticks']:,}", "Each timeframe and close time that was judged"),
        "Late": (f"{totals['late']:,}", "Ticks that were judged a whole timeframe or more after their close"),
        "Median": (f"{median:,.2f} ms", "Of all stages of a run, of the newest runs"),
        "95th percentile": (f"{slow:,.2f} ms", "Of all stages of a run, of the newest runs"),
        "Of the budget": (f"{slow / budget_ms:.2%}", "The 95th percentile as a share of the timeframe"),
        "Triggers": (f"{totals['triggers']:,}", "Triggers that these ticks recorded"),
    }
    with st.container(horizontal=True, vertical_alignment="center"):
        for label, (value, meaning) in figures.items():
            st.metric(label, value, border=True, width="stretch", help=meaning)
        with st.popover("How each figure is computed", icon=":material/help:"):
            st.markdown(_EXPLANATION)


def _late(runs: pl.DataFrame, now: View) -> None:
    st.header("Late runs", anchor=False)
    late = runs.filter("late").reverse()
    if late.is_empty():
        st.success("No run was late.", icon=":material/check:")
        return
    st.dataframe(
        late.head(_RUNS_SHOWN).select(
            "close_time", "finished_at", "ticks", "conditions", "triggers", "holes", *STAGES, "total"
        ),
        hide_index=True,
        column_config={
            "close_time": now.column("last candle closed"),
            "finished_at": now.column("finished", seconds=True),
            **{stage: st.column_config.NumberColumn(f"{stage}, ms", format="%.2f") for stage in (*STAGES, "total")},
        },
    )


def _failures(failures: list[RunFailure], now: View) -> None:
    st.header("Failed runs", anchor=False)
    if not failures:
        st.success("No run has failed.", icon=":material/check:")
        return
    rows = [(each.deployment, each.state, from_ms(each.failed_ms), each.message) for each in failures]
    st.dataframe(
        pl.DataFrame(rows, schema=["deployment", "state", "failed", "reason"], orient="row"),
        hide_index=True,
        column_config={
            "failed": now.column(seconds=True),
            "reason": st.column_config.TextColumn(width="large"),
        },
    )


if __name__ == "__main__":
    show()
