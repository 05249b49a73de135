"""The tables of the page Health."""

import polars as pl
import streamlit as st

from common.counted import counted
from common.timeframes import from_ms
from dashboard.data.hub import CandleFindings
from dashboard.view import View
from flows.hub_state import HubState

_WAITING_SHOWN = 200
_HELP = {
    "lag": "Since when the candle has been closed that the group lacks that has come furthest.",
    "behind": "Groups of series that lack nothing but a tick.",
    "waiting": "Groups that lack a candle.",
    "stale": "Groups that wait for a source that does not deliver.",
    "absent": "Groups with a series that has no candles at all.",
}


def timeframes(state: HubState, now: View) -> None:
    """How far each timeframe has been judged."""
    st.header("Timeframes", anchor=False)
    if not state.timeframes:
        st.info("Nothing is to be judged: no condition has a subscription or was registered lately.")
        return
    rows = [
        (
            each.timeframe,
            each.conditions,
            None if each.last_tick_ms is None else from_ms(each.last_tick_ms),
            each.lag_ms // 1000,
            from_ms(each.next_tick_ms),
            each.groups,
            each.behind,
            len(each.waiting),
            each.stale,
            each.without_candles,
        )
        for each in state.timeframes
    ]
    counts = ("groups", "behind", "waiting", "stale", "absent")
    st.dataframe(
        pl.DataFrame(rows, schema=["timeframe", "conditions", "last_tick", "lag", "next_tick", *counts], orient="row"),
        hide_index=True,
        column_config={
            "conditions": st.column_config.NumberColumn(format="localized"),
            "last_tick": now.column("last tick"),
            "lag": st.column_config.NumberColumn("lag, s", format="localized", help=_HELP["lag"]),
            "next_tick": now.column("next tick"),
            **{name: st.column_config.NumberColumn(help=_HELP[name]) for name in counts[1:]},
        },
    )


def waiting(state: HubState, now: View) -> None:
    """The groups that lack a candle, those that have waited longest first."""
    lacking = sorted((one for each in state.timeframes for one in each.waiting), key=lambda one: one.since_ms)
    if not lacking:
        return
    st.header("What waits", anchor=False)
    rows = [
        (one.group, one.series, from_ms(one.open_ms), from_ms(one.since_ms), one.is_stale, one.outcome)
        for one in lacking[:_WAITING_SHOWN]
    ]
    st.dataframe(
        pl.DataFrame(rows, schema=["group", "series", "candle", "since", "stale", "what will happen"], orient="row"),
        hide_index=True,
        column_config={
            "candle": now.column("candle opened"),
            "since": now.column(),
            "what will happen": st.column_config.TextColumn(width="large"),
        },
    )
    if len(lacking) > _WAITING_SHOWN:
        st.caption(f"The {_WAITING_SHOWN} that have waited longest, of {len(lacking):,}.")


def candles(state: HubState, findings: CandleFindings, now: View) -> None:
    """The candles that conditions read, by exchange."""
    st.header("Candles that conditions read", anchor=False)
    rows = [
        (
            each.exchange,
            each.current / each.series,
            each.series,
            each.absent,
            None if each.newest_close_ms is None else from_ms(each.newest_close_ms),
        )
        for each in state.candles
    ]
    if not rows:
        st.info("No condition reads candles.")
        return
    st.dataframe(
        pl.DataFrame(rows, schema=["exchange", "current", "series", "absent", "newest"], orient="row"),
        hide_index=True,
        column_config={
            "current": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
            "newest": now.column("newest close"),
        },
    )
    st.caption(
        f"In all stored series: {counted(findings.gaps, 'gap')} (`hub candles gaps`), "
        f"{counted(findings.revisions, 'corrected candle')} (`hub candles rebase` takes them), "
        f"{counted(findings.quarantined, 'refused row')}."
    )


def events(state: HubState) -> None:
    """The readers of the event log."""
    st.header("Readers of events", anchor=False)
    log = state.events
    if log is None:
        st.info("The event log is not running." if state.health is None else "The event log does not answer.")
        return
    st.caption(f"Recorded: {counted(log.stored, 'trigger')}; not published yet: {log.unpublished:,}")
    names = sorted(log.lags | log.dead_letters)
    if not names:
        st.info("No consumer has read the log yet.")
        return
    rows = [(name, log.lags.get(name, 0), log.dead_letters.get(name, 0)) for name in names]
    st.dataframe(
        pl.DataFrame(rows, schema=["consumer", "events behind", "dead letters"], orient="row"), hide_index=True
    )


def failed_runs(state: HubState, now: View) -> None:
    """The newest flow runs that failed."""
    if state.prefect is None or not state.prefect.newest_failed:
        return
    st.header("Newest failed runs", anchor=False)
    rows = [(each.name, each.state, from_ms(each.ended_ms), each.reason) for each in state.prefect.newest_failed]
    st.dataframe(
        pl.DataFrame(rows, schema=["run", "state", "ended", "reason"], orient="row"),
        hide_index=True,
        column_config={
            "ended": now.column(seconds=True),
            "reason": st.column_config.TextColumn(width="large"),
        },
    )
    st.caption(f"All runs are on Prefect's own pages: {state.prefect.url}/runs")
