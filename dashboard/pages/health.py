"""Whether the hub does its work: what runs, how far every timeframe is judged, what waits, events, failed runs."""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import streamlit as st

from common.timeframes import from_ms
from dashboard import data
from flows.hub_state import HubState

_EVERY_S = 5.0
# A longer lag is a fault, as for the alert. (A text would be shown here: Streamlit shows those of its scripts.)
_LAG_MS = 120_000
_WAITING_SHOWN = 200
_CLOSED = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")


def show() -> None:
    """Draw the page, and again every few seconds."""
    st.fragment(_show, run_every=timedelta(seconds=_EVERY_S))()


def _show() -> None:
    state = data.read(data.hub_state)
    st.caption(f"At {from_ms(state.now_ms):%Y-%m-%d %H:%M:%S} UTC, looked at every {_EVERY_S:g} seconds")
    _figures(state)
    for fault in _faults(state):
        st.warning(fault, icon=":material/warning:")
    _timeframes(state)
    _waiting(state)
    candles, events = st.columns(2)
    with candles:
        _candles(state)
    with events:
        _events(state)
    _failed_runs(state)


def _figures(state: HubState) -> None:
    lag_ms = max((each.lag_ms for each in state.timeframes), default=0)
    workers = 0 if state.prefect is None else sum(worker.is_online for worker in state.prefect.workers)
    figures: dict[str, str | int] = {
        "Service": "not running" if state.health is None else state.health.status,
        "Workers online": workers,
        "Longest lag": f"{lag_ms / 1000:,.0f} s",
        "Groups waiting": sum(len(each.waiting) for each in state.timeframes),
        "Groups stale": sum(each.stale for each in state.timeframes),
        "To publish": "unknown" if state.events is None else state.events.unpublished,
        "Runs failed, 24 h": "unknown" if state.prefect is None else state.prefect.failed,
        "Conditions in error": state.in_error,
    }
    with st.container(horizontal=True):
        for label, value in figures.items():
            st.metric(label, value, border=True, width="stretch")


def _faults(state: HubState) -> Iterator[str]:
    """What is wrong, and the way out."""
    if state.health is None:
        yield "The service is not running: `hub up` starts it."
    elif state.health.faults:
        yield f"{state.health.url} is {state.health.status}: {'; '.join(state.health.faults)}."
    view = state.prefect
    if state.prefect_problem is not None:
        yield state.prefect_problem
    elif view is None or not view.is_worked_on:
        yield "No worker is online, so nothing is judged by itself: `hub up` or `hub worker` starts one."
    if view is not None and view.is_paused:
        yield f"The pool of the ticks is paused: resume it at {view.url}."
    if view is not None and view.late:
        yield f"{view.late:,} runs are late."
    for failure in state.failing:
        yield f"{failure.deployment} has failed, last at {from_ms(failure.failed_ms):%Y-%m-%d %H:%M}: {failure.message}"
    if state.audit is not None and state.audit.differences:
        yield f"The newest audit found {state.audit.differences:,} triggers that differ: `hub verify` lists them."
    if state.health is not None and state.events_problem is not None:
        yield state.events_problem
    late = [each.timeframe for each in state.timeframes if each.lag_ms > _LAG_MS]
    if late:
        yield f"Not judged up to now: {', '.join(late)}."
    if state.in_error:
        yield f"{state.in_error:,} conditions cannot be judged; the page Conditions and `hub conditions list` say why."


def _timeframes(state: HubState) -> None:
    st.subheader("Timeframes")
    if not state.timeframes:
        st.info("Nothing is to be judged: no condition has a subscription or was registered lately.")
        return
    rows = [
        (
            each.timeframe,
            each.conditions,
            None if each.last_tick_ms is None else from_ms(each.last_tick_ms),
            each.lag_ms / 1000,
            from_ms(each.next_tick_ms),
            each.groups,
            each.behind,
            len(each.waiting),
            each.stale,
            each.without_candles,
        )
        for each in state.timeframes
    ]
    names = (
        "timeframe",
        "conditions",
        "last_tick",
        "lag",
        "next_tick",
        "groups",
        "behind",
        "waiting",
        "stale",
        "absent",
    )
    st.dataframe(
        pl.DataFrame(rows, schema=list(names), orient="row"),
        hide_index=True,
        column_config={
            "conditions": st.column_config.NumberColumn(format="localized"),
            "last_tick": st.column_config.DatetimeColumn("last tick (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
            "lag": st.column_config.NumberColumn("lag, s", format="%.0f", help=_HELP["lag"]),
            "next_tick": st.column_config.DatetimeColumn("next tick (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
            **{name: st.column_config.NumberColumn(help=_HELP[name]) for name in names[6:]},
        },
    )


_HELP = {
    "lag": "Since when the candle has been closed that the group lacks that has come furthest.",
    "behind": "Groups of series that lack nothing but a tick.",
    "waiting": "Groups that lack a candle.",
    "stale": "Groups that wait for a source that does not deliver.",
    "absent": "Groups with a series that has no candles at all.",
}


def _waiting(state: HubState) -> None:
    waiting = sorted((one for each in state.timeframes for one in each.waiting), key=lambda one: one.since_ms)
    if not waiting:
        return
    st.subheader("What waits")
    rows = [
        (one.group, one.series, from_ms(one.open_ms), from_ms(one.since_ms), one.is_stale, one.outcome)
        for one in waiting[:_WAITING_SHOWN]
    ]
    st.dataframe(
        pl.DataFrame(rows, schema=["group", "series", "candle", "since", "stale", "what will happen"], orient="row"),
        hide_index=True,
        column_config={
            "candle": _CLOSED,
            "since": _CLOSED,
            "what will happen": st.column_config.TextColumn(width="large"),
        },
    )
    if len(waiting) > _WAITING_SHOWN:
        st.caption(f"The {_WAITING_SHOWN} that have waited longest, of {len(waiting):,}.")


def _candles(state: HubState) -> None:
    st.subheader("Candles that conditions read")
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
            "newest": st.column_config.DatetimeColumn("newest close (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
        },
    )


def _events(state: HubState) -> None:
    st.subheader("Readers of events")
    events = state.events
    if events is None:
        st.info("The event log is not running." if state.health is None else "The event log does not answer.")
        return
    st.caption(f"{events.stored:,} triggers are recorded, {events.unpublished:,} of them not published yet")
    names = sorted(events.lags | events.dead_letters)
    if not names:
        st.info("No consumer has read the log yet.")
        return
    rows = [(name, events.lags.get(name, 0), events.dead_letters.get(name, 0)) for name in names]
    st.dataframe(
        pl.DataFrame(rows, schema=["consumer", "events behind", "dead letters"], orient="row"), hide_index=True
    )


def _failed_runs(state: HubState) -> None:
    if state.prefect is None or not state.prefect.newest_failed:
        return
    st.subheader("Newest failed runs")
    rows = [(each.name, each.state, from_ms(each.ended_ms), each.reason) for each in state.prefect.newest_failed]
    st.dataframe(
        pl.DataFrame(rows, schema=["run", "state", "ended", "reason"], orient="row"),
        hide_index=True,
        column_config={
            "ended": st.column_config.DatetimeColumn("ended (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC"),
            "reason": st.column_config.TextColumn(width="large"),
        },
    )
    st.caption(f"All runs are on Prefect's own pages: {state.prefect.url}/runs")


if __name__ == "__main__":
    show()
