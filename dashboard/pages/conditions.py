"""The table of conditions; selecting a row, or ``?id=`` in the address, opens one of them."""

from dataclasses import replace
from functools import partial

import polars as pl
import streamlit as st

from dashboard.data.conditions import Choices, choices, condition, condition_page, distances
from dashboard.data.hub import HEALTHS
from dashboard.data.reading import read
from dashboard.pages import condition as one_condition
from dashboard.view import View, drawn, view
from registry.store.parts.condition_pages import ConditionOrder, ConditionQuery

_ROWS_A_PAGE = 25
_ORDERS: dict[str, tuple[ConditionOrder, bool]] = {
    "most subscribers": ("subscribers", True),
    "newest trigger": ("last_trigger", True),
    "most triggers": ("triggers", True),
    "text": ("text", False),
    "newest": ("registered", True),
}
_STATES = ("judged", "idle", "err", "retired")
_HELP = {
    "state": "judged; idle: without a subscription for longer than the grace time; err; retired: by an operator",
    "health": "ok; unknown: not judged yet; err: ticks cannot judge it; stale: not judged for more than two candles",
    "distance": "What the values of the newest judged candle lack for it to be true, as a share of the threshold. What "
    "needs all of its parts lacks what the farthest one lacks.",
}


def show() -> None:
    """Draw the page."""
    condition_id = st.query_params.get("id")
    if condition_id is None:
        drawn(view("Conditions", ranged=False), _table)
        return
    now = view("Condition", ranged=False)
    if st.button("All conditions", icon=":material/arrow_back:", type="tertiary", key="back"):
        del st.query_params["id"]
        st.rerun()
    drawn(now, lambda now: _one(condition_id, now))


def _one(condition_id: str, now: View) -> None:
    facts = read(lambda store_url: condition(store_url, condition_id))
    if facts is None:
        st.warning(f"No condition has the id `{condition_id}`.", icon=":material/search_off:")
        return
    one_condition.show(facts, now)


def _table(now: View) -> None:
    known = read(choices)
    if not known.conditions:
        st.info("No conditions yet. Register one, or run the demo:", icon=":material/info:")
        st.code('hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"\nmake demo', language="shell")
        return
    query = _query(known)
    pages = max(1, -(-read(partial(condition_page, query=replace(query, limit=1))).matching // _ROWS_A_PAGE))
    page = min(pages, st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1)
    first = (page - 1) * _ROWS_A_PAGE
    matches = read(partial(condition_page, query=replace(query, offset=first)))
    shown = matches.rows
    judged = shown.select("condition_id", pl.col("judged_until").dt.epoch("ms")).rows()
    near = read(partial(distances, judged=judged))
    rows = shown.select(
        pl.col("text").str.split_exact(": ", 1).struct[1].alias("condition"),
        "symbol",
        "timeframe",
        "state",
        "health",
        pl.Series("distance", near, pl.Float64),
        "subscribers",
        "triggers",
        "last_trigger",
        pl.col("condition_id").alias("id"),
    )
    event = st.dataframe(
        rows,
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key="conditions",
        placeholder="-",
        column_config={
            "condition": st.column_config.TextColumn(width=290),
            "timeframe": st.column_config.TextColumn(width=75),
            "state": st.column_config.TextColumn(width=70, help=_HELP["state"]),
            "health": st.column_config.TextColumn(width=80, help=_HELP["health"]),
            "subscribers": st.column_config.ProgressColumn(
                width=110,
                format="localized",
                min_value=0,
                max_value=max(1, shown.select(pl.col("subscribers").max()).item() or 1),
            ),
            "triggers": st.column_config.NumberColumn(format="localized", width=80),
            "last_trigger": now.column("last trigger"),
            "distance": st.column_config.NumberColumn("to true", width=80, format="percent", help=_HELP["distance"]),
        },
    )
    st.caption(
        f"{first + 1 if shown.height else 0:,} to {first + shown.height:,} of {matches.matching:,} that match; "
        f"{known.conditions:,} conditions in all. Select a row to see its candles and triggers."
    )
    selected = event["selection"]["rows"]
    if selected:
        st.query_params["id"] = shown["condition_id"][selected[0]]
        st.rerun(scope="app")


def _query(known: Choices) -> ConditionQuery:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search", placeholder="rsi(14), bbands, an id", key="search", type="search", bind="query-params", width=280
        )
        symbols = st.multiselect("Symbol", known.symbols, key="symbols", persist_state="page", width=280)
        healths = st.multiselect("Health", HEALTHS, key="healths", persist_state="page", width=160)
        states = st.multiselect("State", _STATES, key="states", persist_state="page", width=160)
        timeframes = st.pills(
            "Timeframe", known.timeframes, selection_mode="multi", key="timeframes", persist_state="page"
        )
        order = st.selectbox("Sort by", list(_ORDERS), key="sort", bind="query-params", width=180)
    column, is_descending = _ORDERS[order]
    return ConditionQuery(
        words=search or "",
        symbols=tuple(symbols),
        timeframes=tuple(timeframes),
        healths=tuple(healths),
        states=tuple(states),
        order=column,
        descending=is_descending,
        limit=_ROWS_A_PAGE,
    )


if __name__ == "__main__":
    show()
