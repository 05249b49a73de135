"""One condition: its text, who waits for it, its candles with triggers, values and truth, and why it fires or not."""

import json

import polars as pl
import streamlit as st

from analysis.explain_report import render
from common.counted import counted
from common.errors import ConditionError, HubError
from common.slots import Slots, slots_of
from common.timeframes import from_ms, to_ms
from dashboard.charts.candles import CANDLES, TRUTH, candle_chart
from dashboard.charts.readings import Readings
from dashboard.data.conditions import ConditionFacts, condition_page, explained, newest_triggers, readings
from dashboard.data.reading import asked, read
from dashboard.links import CONDITION
from dashboard.view import View
from registry.conditions import Condition
from registry.language.as_text.text import to_text
from registry.language.tree import Number, operands
from registry.store.parts.condition_pages import ConditionQuery
from registry.store.parts.registry import read_condition

_WINDOWS = (200, 500, 1_000, 2_000)
_NEIGHBOURS = 50


def show(facts: ConditionFacts, now: View) -> None:
    """Draw the condition."""
    if facts.unjudged is not None:
        said = "An operator has retired it" if facts.unjudged.state == "retired" else "It is not judged"
        st.warning(f"{said} (since {now.show(facts.unjudged.since_ms)}): `{facts.unjudged.reason}`")
    try:
        condition = read_condition(facts.stored)
    except ConditionError:
        st.markdown(f"#### `{facts.stored.text}`")
        st.error("Its stored text cannot be read any more, so it can be neither judged nor drawn.")
        return
    _head(facts, condition, now)
    triggers = read(lambda url: newest_triggers(url, facts.stored.condition_id, facts.trigger_count))
    # The chart is above the table, but the trigger selected in the table decides which candles it shows.
    chart = st.container()
    focus_ms = _triggers(facts, triggers, condition, now)
    with chart:
        _candles(facts, triggers, condition, focus_ms, now)
    _series(facts, now)
    _neighbours(facts, now)


def _head(facts: ConditionFacts, condition: Condition, now: View) -> None:
    # As code, because Markdown would turn <= into a single character and _ into italics.
    st.markdown(f"#### `{facts.stored.text}`")
    fires = "on every candle on which it is true" if condition.momentary else "when it becomes true"
    spans = "; ".join(
        f"{now.show(span.from_ms)} to {'now' if span.until_ms is None else now.show(span.until_ms)}"
        for span in facts.spans
    )
    details = {
        "Canonical": f"`{facts.stored.canonical}`",
        "Id": f"`{facts.stored.condition_id}`",
        "Fires": f"{fires} ({'momentary' if condition.momentary else 'not momentary'})",
        "Definitions": f"`{facts.stored.definition_versions}`" if facts.stored.definition_versions else "no indicator",
        "Judged": spans or "never",
        "Judged up to": "not yet" if facts.judged_ms is None else now.show(facts.judged_ms),
        "Waits for it": _crowd(facts),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, value, meaning in (
            ("State", facts.state, "judged; idle: nobody has subscribed for longer than the grace time; or retired"),
            (
                "Health",
                facts.health,
                "ok; unknown: not judged yet; err: ticks cannot judge it; stale: behind by two candles",
            ),
            ("Subscribers", f"{facts.subscribers:,}", "Active subscriptions, in any spelling of the condition"),
            ("Triggers", f"{facts.trigger_count:,}", "All that were ever recorded"),
        ):
            st.metric(label, value, border=True, width=150, help=meaning)
        st.markdown("  \n".join(f"**{name}** {value}" for name, value in details.items()))
    if facts.waits_for is not None:
        waits = facts.waits_for
        st.info(f"It waits for the candle of {waits.series} that opened at {now.show(waits.open_ms)}: {waits.outcome}.")


def _crowd(facts: ConditionFacts) -> str:
    """How many bots act on the same trigger: they will want to trade at the same moment."""
    if not facts.subscribers:
        return "no bot" + (f"; {facts.paused:,} paused" if facts.paused else "")
    types = ", ".join(f"{count:,} {name}" for name, count in facts.waiting.items())
    paused = f"; {facts.paused:,} paused" if facts.paused else ""
    bots, users = counted(facts.subscribers, "bot"), counted(facts.users, "user")
    return f"{bots} of {users} at the same moment ({types}){paused}"


def _candles(
    facts: ConditionFacts, triggers: pl.DataFrame, condition: Condition, focus_ms: int | None, now: View
) -> None:
    last_ms = facts.judged_ms or facts.last_close_ms
    if last_ms is None:
        st.info(f"No candles of {facts.stored.group.base} yet. Import some:", icon=":material/info:")
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
    drawn = read(lambda url: readings(url, facts.stored.condition_id, after_ms, count, now.zone, facts.candles_version))
    if drawn is None:
        st.info("A series that it reads has no candles yet. Import some:", icon=":material/info:")
        st.code("hub candles import FILE", language="shell")
        return
    chart = candle_chart(drawn, triggers, facts.spans)
    selected = st.echarts_chart(
        chart.options,
        height=chart.height,
        key=f"candles-{facts.stored.condition_id}",
        on_select="rerun",
        alt=f"Candles of {facts.stored.group.base} with triggers, the values that the condition reads and its truth",
    )
    st.caption(
        f"{drawn.frame.height:,} candles up to {now.show(stop_ms)}, by their close. Triangles are recorded triggers. "
        "The strip is the condition's truth; where candles are shaded it was not judged, so nothing could fire. Values "
        "come from these candles and as many earlier ones as they need to settle."
    )
    _explanation(facts, drawn, _chosen(selected["selection"]["selected"], drawn), now)


def _chosen(selected: list[dict[str, object]], drawn: Readings) -> int | None:
    """Close time of the candle that was clicked, on the candles or on the truth strip."""
    for each in selected:
        places = each.get("data_indices")
        if each.get("series_id") in (CANDLES, TRUTH) and isinstance(places, list) and places:
            return to_ms(drawn.frame["close_time"][int(places[0])])
    return None


def _explanation(facts: ConditionFacts, drawn: Readings, clicked_ms: int | None, now: View) -> None:
    closes = drawn.frame["close_time"].dt.epoch("ms").reverse().to_list()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at_ms = st.selectbox(
            "Explain the candle that closed at",
            closes,
            index=closes.index(clicked_ms) if clicked_ms in closes else 0,
            format_func=now.show,
            key=f"explained-{facts.stored.condition_id}-{clicked_ms}",
            width=280,
            help="Or click a candle, or its place on the truth strip",
        )
    assert at_ms is not None
    why = st.expander(
        f"Why it fires, or does not, at {now.show(at_ms)}",
        expanded=clicked_ms is not None,
        key=f"why-{facts.stored.condition_id}-{clicked_ms}",
        on_change="rerun",
    )
    if not why.open:
        return
    with why:
        try:
            explanation, standing = asked(lambda url: explained(url, facts.stored.condition_id, at_ms))
        except HubError as error:
            st.warning(str(error))
            return
        st.code("\n".join(render(explanation, standing)), language=None, wrap_lines=True)


def window_stop(slots: Slots, last_ms: int, focus_ms: int | None, count: int) -> int:
    """Close time of the last candle to show: ``last_ms``, or a quarter of a window after a focus before the window."""
    if focus_ms is None or slots.last_closed(focus_ms) > slots.last_closed(last_ms) - count:
        return last_ms
    return slots.close(slots.last_closed(focus_ms) + count // 4)


def _triggers(facts: ConditionFacts, triggers: pl.DataFrame, condition: Condition, now: View) -> int | None:
    """Draw the triggers; return the close time of the selected one, by default the newest."""
    st.header("Triggers", anchor=False)
    if triggers.is_empty():
        if facts.judged_ms is None:
            st.info("No triggers: its series has not been judged yet. Judge it:", icon=":material/info:")
            st.code(f"hub tick {condition.timeframe}", language="shell")
        else:
            st.info(f"It has not fired up to {now.show(facts.judged_ms)}. Judge later candles:")
            st.code(f"hub tick {condition.timeframe}", language="shell")
        return None
    older = facts.trigger_count - triggers.height
    st.caption(
        "Newest first. Select one to see the candles around it."
        + (f" {counted(older, 'older trigger is', 'older triggers are')} not listed." if older else "")
    )
    event = st.dataframe(
        trigger_rows(triggers, condition),
        hide_index=True,
        placeholder="-",
        on_select="rerun",
        selection_mode="single-row",
        key=f"triggers-{facts.stored.condition_id}",
        column_config={
            "closed": now.column(),
            "price": st.column_config.NumberColumn(format="%.8g"),
        },
    )
    selected = event["selection"]["rows"]
    return to_ms(triggers["close_time"][selected[0] if selected else 0])


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


def _series(facts: ConditionFacts, now: View) -> None:
    st.header("Series that it reads", anchor=False)
    rows = [
        (
            each.series,
            each.built_from or "its own",
            "current" if each.is_current else "absent" if each.last_close_ms is None else "behind",
            None if each.anchor_ms is None else from_ms(each.anchor_ms),
            None if each.first_open_ms is None else from_ms(each.first_open_ms),
            None if each.last_close_ms is None else from_ms(each.last_close_ms),
        )
        for each in facts.series
    ]
    moment = pl.Datetime("ms", "UTC")
    schema = {"series": pl.String, "candles": pl.String, "state": pl.String} | dict.fromkeys(
        ("anchor", "first", "newest"), moment
    )
    st.dataframe(
        pl.DataFrame(rows, schema=schema, orient="row"),
        hide_index=True,
        placeholder="-",
        column_config={
            "candles": st.column_config.TextColumn(help="Of which timeframe its candles are"),
            "state": st.column_config.TextColumn(help="Whether its last closed candle is there"),
            "anchor": now.column(help_text="Opening of the candle from which on it is judged, fixed for good"),
            "first": now.column("first candle opened"),
            "newest": now.column("newest candle closed"),
        },
    )


def _neighbours(facts: ConditionFacts, now: View) -> None:
    st.header("Other conditions on the same candles", anchor=False)
    query = ConditionQuery(
        symbols=(str(facts.stored.group.base.instrument),),
        timeframes=(facts.stored.timeframe,),
        limit=_NEIGHBOURS + 1,
    )
    page = read(lambda url: condition_page(url, query))
    others = page.rows.filter(pl.col("condition_id") != facts.stored.condition_id)
    if others.is_empty():
        st.info("None: it is the only one on its series.")
        return
    st.dataframe(
        others.head(_NEIGHBOURS).select(
            pl.col("text").str.split_exact(": ", 1).struct[1].alias("condition"),
            "health",
            "subscribers",
            "triggers",
            "last_trigger",
            pl.format(CONDITION, "condition_id").alias("link"),
        ),
        hide_index=True,
        placeholder="-",
        column_config={
            "condition": st.column_config.TextColumn(width="large"),
            "last_trigger": now.column("last trigger"),
            "link": st.column_config.LinkColumn("", display_text="open"),
        },
    )
    if page.matching > _NEIGHBOURS + 1:
        st.caption(f"Those with the most subscribers, of {page.matching - 1:,}.")
