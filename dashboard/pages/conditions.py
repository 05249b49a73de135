"""The table of conditions; selecting a row, or ``?id=`` in the address, opens one of them."""

from functools import lru_cache
from itertools import starmap

import polars as pl
import streamlit as st

from common.errors import ConditionError
from dashboard import data
from dashboard.pages import condition
from registry.conditions import Condition

_ROWS_SHOWN = 1_000


def show() -> None:
    """Draw the page."""
    condition_id = st.query_params.get("id")
    if condition_id is None:
        _table(data.read(data.conditions))
        return
    if st.button("All conditions", icon=":material/arrow_back:", type="tertiary"):
        del st.query_params["id"]
        st.rerun()
    facts = data.read(lambda store_url: data.condition(store_url, condition_id))
    if facts is None:
        st.warning(f"No condition has the id `{condition_id}`.", icon=":material/search_off:")
        return
    condition.show(facts)


def _table(conditions: pl.DataFrame) -> None:
    if conditions.is_empty():
        st.info("No conditions yet. Register one, or run the demo:", icon=":material/info:")
        st.code('hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"\nmake demo', language="shell")
        return
    matches = _filtered(conditions)
    shown = matches.head(_ROWS_SHOWN)
    st.caption(
        f"{matches.height:,} of {conditions.height:,} conditions, those with the most subscribers first"
        + (f"; the first {shown.height:,} are listed" if shown.height < matches.height else "")
        + ". Select a row to see its candles and triggers."
    )
    read = shown.select("condition_id", "text", "canonical", "slots")
    rows = shown.select(
        pl.col("text").str.split_exact(": ", 1).struct[1].alias("condition"),
        "symbol",
        "timeframe",
        "subscribers",
        "triggers",
        "last_trigger",
        pl.Series("settled", list(starmap(_settled, read.rows())), pl.Boolean),
    )
    event = st.dataframe(
        rows,
        hide_index=True,
        height=640,
        on_select="rerun",
        selection_mode="single-row",
        key="conditions",
        placeholder="never",
        column_config={
            "condition": st.column_config.TextColumn(width="large"),
            "timeframe": st.column_config.TextColumn(width="small"),
            "subscribers": st.column_config.ProgressColumn(
                format="localized", min_value=0, max_value=max(1, conditions["subscribers"][0])
            ),
            "triggers": st.column_config.NumberColumn(format="localized"),
            "last_trigger": st.column_config.DatetimeColumn(
                "last trigger (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"
            ),
            "settled": st.column_config.CheckboxColumn(
                help="Since its anchor, its series has had enough slots for all of its indicators to settle."
            ),
        },
    )
    selected = event["selection"]["rows"]
    if selected:
        st.query_params["id"] = shown["condition_id"][selected[0]]
        st.rerun()


def _filtered(conditions: pl.DataFrame) -> pl.DataFrame:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search", placeholder="rsi(14), bbands, an id", key="search", type="search", persist_state="page", width=320
        )
        symbols = st.multiselect(
            "Symbol", sorted(conditions["symbol"].unique()), key="symbols", persist_state="page", width=320
        )
        timeframes = st.pills(
            "Timeframe",
            conditions["timeframe"].unique(maintain_order=True).to_list(),
            selection_mode="multi",
            key="timeframes",
            persist_state="page",
        )
    if symbols:
        conditions = conditions.filter(pl.col("symbol").is_in(symbols))
    if timeframes:
        conditions = conditions.filter(pl.col("timeframe").is_in(timeframes))
    for word in (search or "").lower().split():
        conditions = conditions.filter(
            pl.col("text").str.to_lowercase().str.contains(word, literal=True)
            | pl.col("condition_id").str.starts_with(word)
        )
    return conditions


def _settled(condition_id: str, text: str, canonical: str, slots: int | None) -> bool | None:
    needed = None if slots is None else _settle(condition_id, text, canonical)
    return None if slots is None or needed is None else slots >= needed


@lru_cache(maxsize=100_000)
def _settle(condition_id: str, text: str, canonical: str) -> int | None:
    """Candles until a condition has settled; ``None`` if its text cannot be read any more."""
    try:
        condition = Condition.from_short(text, condition_id) or Condition.from_canonical(canonical)
    except ConditionError:
        return None
    return condition.needed[condition.series].settle


if __name__ == "__main__":
    show()
