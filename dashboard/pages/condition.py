"""One condition: its text, its candles with triggers and indicator values, and a table of its triggers."""

import json

import polars as pl
import streamlit as st

from common.errors import ConditionError
from common.slots import Slots, slots_of
from common.timeframes import show_time, to_ms
from dashboard import data
from dashboard.charts.candles import candle_chart
from dashboard.charts.readings import candles_needed, read_values
from registry.conditions import Condition
from registry.language.as_text.text import to_text
from registry.language.tree import Number, operands
from registry.store.parts.registry import read_condition

_WINDOWS = (200, 500, 1_000, 2_000)


def show(facts: data.ConditionFacts) -> None:
    """Draw the condition."""
    if facts.unjudged is not None:
        said = "An operator has retired it" if facts.unjudged.state == "retired" else "It is not judged"
        st.warning(f"{said} (since {show_time(facts.unjudged.since_ms)} UTC): `{facts.unjudged.reason}`")
    try:
        condition = read_condition(facts.stored)
    except ConditionError:
        st.markdown(f"#### `{facts.stored.text}`")
        st.error("Its stored text cannot be read any more, so it can be neither judged nor drawn.")
        return
    _head(facts, condition)
    # The chart is above the table, but the trigger selected in the table decides which candles it shows.
    chart = st.container()
    focus_ms = _triggers(facts, condition)
    with chart:
        _candles(facts, condition, focus_ms)


def _head(facts: data.ConditionFacts, condition: Condition) -> None:
    # As code, because Markdown would turn <= into a single character and _ into italics.
    st.markdown(f"#### `{facts.stored.text}`")
    fires = "on every candle on which it is true" if condition.momentary else "when it becomes true"
    details = {
        "Canonical": f"`{facts.stored.canonical}`",
        "Id": f"`{facts.stored.condition_id}`",
        "Fires": f"{fires} ({'momentary' if condition.momentary else 'not momentary'})",
        "Definitions": f"`{facts.stored.definition_versions}`" if facts.stored.definition_versions else "no indicator",
        "Active from": f"{show_time(facts.stored.active_from_ms)} UTC",
        "Judged up to": "not yet" if facts.judged_ms is None else f"{show_time(facts.judged_ms)} UTC",
    }
    with st.container(horizontal=True, gap="medium"):
        st.metric("Subscribers", facts.subscribers, format="localized", border=True, width=150)
        st.metric("Triggers", facts.trigger_count, format="localized", border=True, width=150)
        st.markdown("  \n".join(f"**{name}** {value}" for name, value in details.items()))


def _candles(facts: data.ConditionFacts, condition: Condition, focus_ms: int | None) -> None:
    last_ms = facts.judged_ms or facts.last_close_ms
    if last_ms is None:
        st.info(f"No candles of {facts.series} yet. Import some:", icon=":material/info:")
        st.code("hub candles import FILE", language="shell")
        return
    count = st.segmented_control(
        "Candles",
        _WINDOWS,
        default=500,
        required=True,
        format_func=lambda count: f"{count:,}",
        key="candles",
        persist_state="page",
    )
    assert count is not None
    slots = slots_of(condition.timeframe, facts.grid)
    stop_ms = window_stop(slots, last_ms, focus_ms, count)
    after_ms = slots.open(slots.last_closed(stop_ms)) + 1
    needed = candles_needed(condition, count)
    candles = data.read(lambda url: data.candles(url, facts.series, after_ms, needed))
    readings = read_values(condition, candles, count, facts.grid)
    chart = candle_chart(readings, facts.triggers)
    st.echarts_chart(
        chart.options,
        height=chart.height,
        key=f"candles-{facts.stored.condition_id}",
        alt=f"Candles of {facts.series} with the triggers and the values that the condition reads",
    )
    st.caption(
        f"{readings.frame.height:,} candles up to {show_time(stop_ms)}; times are candle closes, UTC. Triangles are "
        "triggers. Values are computed from these candles and earlier ones"
        + (
            ", enough of them for all values to have settled."
            if candles.height == needed
            else ", too few for the first values to have settled."
        )
        + _others(condition)
    )


def _others(condition: Condition) -> str:
    others = [series for series in condition.all_series if series != condition.series]
    return f" It also reads {', '.join(others)}, which the chart does not show." if others else ""


def window_stop(slots: Slots, last_ms: int, focus_ms: int | None, count: int) -> int:
    """Close time of the last candle to show: ``last_ms``, or a quarter of a window after a focus before the window."""
    if focus_ms is None or slots.last_closed(focus_ms) > slots.last_closed(last_ms) - count:
        return last_ms
    return slots.close(slots.last_closed(focus_ms) + count // 4)


def _triggers(facts: data.ConditionFacts, condition: Condition) -> int | None:
    """Draw the triggers; return the close time of the selected one, by default the newest."""
    st.subheader("Triggers")
    if facts.triggers.is_empty():
        if facts.judged_ms is None:
            st.info("No triggers: its series has not been judged yet. Judge it:", icon=":material/info:")
            st.code(f"hub tick {condition.timeframe}", language="shell")
        else:
            st.info(f"It has not fired up to {show_time(facts.judged_ms)}. Judge later candles:")
            st.code(f"hub tick {condition.timeframe}", language="shell")
        return None
    older = facts.trigger_count - facts.triggers.height
    st.caption(
        "Newest first. Select one to see the candles around it."
        + (f" {older:,} older triggers are not listed." if older else "")
    )
    event = st.dataframe(
        trigger_rows(facts.triggers, condition),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"triggers-{facts.stored.condition_id}",
        column_config={
            "closed": st.column_config.DatetimeColumn("closed (UTC)", format="YYYY-MM-DD HH:mm", timezone="UTC"),
            "price": st.column_config.NumberColumn(format="%.8g"),
        },
    )
    selected = event["selection"]["rows"]
    return to_ms(facts.triggers["close_time"][selected[0] if selected else 0])


def trigger_rows(triggers: pl.DataFrame, condition: Condition) -> pl.DataFrame:
    """``closed price``, one column for each value that the condition read, ``settled late``."""
    names = {
        to_text(operand, condition.series): to_text(operand, condition.series, short=True)
        for operand in operands(condition.tree)
        # The close is the price.
        if not isinstance(operand, Number) and to_text(operand, condition.series) != "close"
    }
    decoded = [json.loads(values) for values in triggers["values"]]
    return triggers.select(
        pl.col("close_time").alias("closed"),
        "price",
        *(
            pl.Series(shown, [values.get(name) for values in decoded], dtype=pl.Float64)
            for name, shown in names.items()
        ),
        "settled",
        "late",
    )
