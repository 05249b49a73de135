"""Whether the hub does its work: what is wrong, how far everything is judged, and the questions that are asked then."""

from collections.abc import Iterator

import streamlit as st

from common.counted import counted
from dashboard.data.hub import CandleFindings, Performance, candle_findings, condition_counts, hub_state, performance
from dashboard.data.reading import read
from dashboard.pages import health_tables as tables
from dashboard.view import View, drawn, duration, view
from flows.hub_state import HubState

# A longer lag is a fault, as for the alert. (A text would be shown here: Streamlit shows those of its scripts.)
_LAG_MS = 120_000
_SHORTEST_MS = 0.1
_HEALTHS = {
    "ok": "Judged up to the newest candle that can be judged",
    "unknown": "Registered and not judged yet",
    "err": "Ticks cannot judge it: its status says why",
    "stale": "Not judged for longer than two candles take; where markets have sessions, a week more",
}


def show() -> None:
    """Draw the page."""
    drawn(view("Health", ranged=False, usual="5 s"), _draw)


def _draw(now: View) -> None:
    state = read(hub_state)
    speed, candles = read(performance), read(candle_findings)
    _figures(state)
    for fault in _faults(state, now):
        st.warning(fault, icon=":material/warning:")
    _conditions(state)
    tables.timeframes(state, now)
    tables.waiting(state, now)
    left, right = st.columns(2)
    with left:
        tables.candles(state, candles, now)
    with right:
        tables.events(state)
    tables.failed_runs(state, now)
    _questions(state, speed, candles)


def _figures(state: HubState) -> None:
    lag_ms = max((each.lag_ms for each in state.timeframes), default=0)
    workers = 0 if state.prefect is None else sum(worker.is_online for worker in state.prefect.workers)
    events = state.events
    figures: dict[str, tuple[str | int, str]] = {
        "Service": (
            "not running" if state.health is None else state.health.status,
            "What the service says of itself at /health/ready",
        ),
        "Workers online": (workers, "Workers that Prefect's server has heard of lately"),
        "Longest lag": (
            duration(lag_ms),
            "Since when the last closed candle of a timeframe is not judged, for the timeframe that is farthest behind",
        ),
        "Groups waiting": (sum(len(each.waiting) for each in state.timeframes), "Groups of series that lack a candle"),
        "Groups stale": (sum(each.stale for each in state.timeframes), "Those whose source does not deliver"),
        "To publish": (
            "unknown" if events is None else events.unpublished,
            "Triggers that are recorded and not in the event log yet",
        ),
        "Dead letters": (
            "unknown" if events is None else sum(events.dead_letters.values()),
            "Deliveries that consumers gave up: `hub events dead` lists them",
        ),
        "Runs failed, 24 h": (
            "unknown" if state.prefect is None else state.prefect.failed,
            "Flow runs that failed or crashed; the next run judges what they did not",
        ),
        "Audit": (
            "not yet" if state.audit is None else f"{state.audit.differences:,} differ",
            "Triggers of the newest audit that were missed, invented or recorded with other contents; always 0",
        ),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in figures.items():
            st.metric(label, value, border=True, width="stretch", help=meaning)


def _conditions(state: HubState) -> None:
    st.header("Conditions", anchor=False)
    counts = read(condition_counts)
    judged = sum(each.conditions for each in state.timeframes)
    behind = sum(each.behind for each in state.timeframes)
    groups = sum(each.groups for each in state.timeframes)
    waiting = sum(len(each.waiting) + each.without_candles for each in state.timeframes)
    figures = {f"Health {name}": (counts[name], meaning) for name, meaning in _HEALTHS.items()}
    figures |= {
        "State idle": (counts["idle"], "Not judged, as nobody has subscribed for longer than the grace time"),
        "State retired": (state.retired, "Taken out by an operator"),
        "To be judged": (judged, "Conditions with a subscription, or within the grace time after one"),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in figures.items():
            st.metric(label, value, format="localized", border=True, width="stretch", help=meaning)
    st.caption(
        f"Expected: {counted(groups, 'group')} of series. Judged to the newest candle: {groups - waiting - behind:,}; "
        f"waiting for a candle: {waiting:,}; for a tick: {behind:,}. None is ever skipped: a watermark moves "
        "candle by candle."
    )


def _faults(state: HubState, now: View) -> Iterator[str]:
    """What is wrong, and the way out."""
    if state.health is None:
        yield "The service is not running: `hub up` starts it."
    elif state.health.faults:
        yield f"{state.health.url} is {state.health.status}: {'; '.join(state.health.faults)}."
    prefect = state.prefect
    if state.prefect_problem is not None:
        yield state.prefect_problem
    elif prefect is None or not prefect.is_worked_on:
        yield "No worker is online, so nothing is judged by itself: `hub up` or `hub worker` starts one."
    if prefect is not None and prefect.is_paused:
        yield f"The pool of the ticks is paused: resume it at {prefect.url}."
    if prefect is not None and prefect.late:
        yield f"{counted(prefect.late, 'run is', 'runs are')} late."
    for failure in state.failing:
        yield f"{failure.deployment} has failed, last at {now.show(failure.failed_ms)}: {failure.message}"
    if state.audit is not None and state.audit.differences:
        differ = counted(state.audit.differences, "trigger that differs", "triggers that differ")
        yield f"The newest audit found {differ}: `hub verify` lists them."
    if state.health is not None and state.events_problem is not None:
        yield state.events_problem
    late = [each.timeframe for each in state.timeframes if each.lag_ms > _LAG_MS]
    if late:
        yield f"Not judged up to now: {', '.join(late)}."
    if state.in_error:
        yield (
            f"{counted(state.in_error, 'condition')} cannot be judged; the page Conditions and `hub conditions list` "
            "say why."
        )


def _questions(state: HubState, speed: Performance, candles: CandleFindings) -> None:
    savings = speed.savings
    hit_rate = 1 - savings.indicators / savings.equal_sharing_indicators if savings.equal_sharing_indicators else 0.0
    series, current = sum(each.series for each in state.candles), sum(each.current for each in state.candles)
    depth = "unknown" if state.events is None else f"{state.events.unpublished:,} triggers"
    behind = "" if state.events is None else f", {max(state.events.lags.values(), default=0):,} at the slowest consumer"
    indicators = "no tick yet" if speed.indicators_ms is None else f"median {speed.indicators_ms:.2f} ms a tick"
    answered = "less than 0.1 ms" if speed.answer_ms < _SHORTEST_MS else f"{speed.answer_ms:.1f} ms"
    totals = state.totals
    st.header("A condition does not trigger", anchor=False)
    st.markdown(
        f"""
1. *Is it registered?* {totals["conditions"]:,} conditions are: search for its text or id on the page Conditions, or ask
   `GET /conditions/{{condition_id}}/status`.
2. *Is its subscription active?* {totals["subscriptions"]:,} are, of {totals["bots"]:,} bots. Its owner asks
   `GET /conditions/user/subscriptions`; triggers are delivered from `active_from` on.
3. *Was it judged?* {savings.ticks:,} ticks are on record, the page Ticks shows them. A click on a candle on the
   condition's own page explains it: every operand, the verdict, and what keeps it from firing.
4. *Is there market data?* {current:,} of {series:,} series have their last closed candle; {candles.gaps:,} gaps are
   known, {candles.revisions:,} candles were corrected after they had been judged, {candles.quarantined:,} rows were
   refused.
"""
    )
    st.header("Something is slow", anchor=False)
    st.markdown(
        f"""
1. *Evaluation cache hit rate*: {hit_rate:.2%} of the indicator values that conditions read were computed for another
   condition already.
2. *Database*: the store answered a small question in {answered}.
3. *Event bus queue depth*: {depth} to publish{behind}.
4. *Indicator calculation time*: {indicators}; the page Ticks has all stages.
"""
    )


if __name__ == "__main__":
    show()
