"""The landing page: what bots asked for, what that came down to, and what sharing saved."""

import polars as pl
import streamlit as st

from analysis.savings import ReferenceModel, Savings, saved_share
from candles.tally import Tally
from dashboard import data
from dashboard.charts import savings as charts

_TICKS_SHOWN = 300

_EXPLANATION = """
**Counted.** Each tick knows its conditions and their subscriptions, so it knows what bots that share nothing would have
done for the same verdicts: a subscription is one evaluation, one candle load for each series of its condition, and one
computation for each of its distinct indicators. *Equal conditions shared* is the same with one bot for each unique
condition. *Done by the hub*: each series loaded once, each unique indicator computed once, each unique condition judged
once. *Avoided* = isolated bots - done by the hub.

*Requests to exchanges avoided* counts one request of an isolated bot for each series of its condition and each candle
that the hub judged in time; a bot that catches up gets many candles with one, so late candles do not count. What the
hub asked includes everything: markets, back-fills, repetitions, and what confirms candles from websockets.

**Measured.** *This hub* is the sum of the timed stages: loading, indicators, judging, recording, publishing and
preparing the state; Prefect's own time is not included. *Isolated bots* is their counted work times unit costs, which
were measured on this machine by actually doing isolated evaluations, each with its own candle load from the local file.
{unit_costs}

**Modelled.** The reference model applies {load:g} ms for a candle load, {indicator:g} ms for an indicator and
{check:g} ms for a check to the counts above. It stands for bots that load candles from an exchange.

**Unique indicators and series** are those of the widest tick of each timeframe.
"""


def show() -> None:
    """Draw the page."""
    overview = data.read(data.overview)
    _wanted(overview)
    if overview.savings.ticks == 0:
        _no_ticks(overview)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader("Work avoided, counted", width="content")
        with st.popover("How each figure is computed", icon=":material/help:"):
            st.markdown(_explanation(overview))
    _counted(overview.savings)
    if (tally := data.tally()) is not None:
        _requests(tally)
    _times(overview.savings)
    _over_time(overview.ticks)


def _wanted(overview: data.Overview) -> None:
    totals = overview.totals
    figures = {
        "Users": totals["users"],
        "Bots": totals["bots"],
        "Subscriptions": totals["subscriptions"],
        "Unique conditions": totals["conditions"],
        "Unique indicators": overview.indicators,
        "Series": overview.series,
        "Triggers": overview.triggers,
    }
    with st.container(horizontal=True):
        for label, value in figures.items():
            st.metric(label, value, format="localized", border=True, width="stretch")


def _no_ticks(overview: data.Overview) -> None:
    if overview.totals["conditions"] == 0:
        st.info("No conditions yet. Register one, or run the demo:", icon=":material/info:")
        st.code('hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"\nmake demo', language="shell")
    else:
        st.info("No ticks yet: nothing has been judged. Judge a timeframe up to its last closed candle:")
        st.code("hub tick 1h", language="shell")


def _counted(savings: Savings) -> None:
    rows = {
        "Evaluations": (savings.isolated_evaluations, savings.evaluations, savings.evaluations),
        "Indicator computations": (savings.isolated_indicators, savings.equal_sharing_indicators, savings.indicators),
        "Candle loads": (savings.isolated_loads, savings.equal_sharing_loads, savings.loads),
    }
    with st.container(horizontal=True):
        for name, (isolated, _, done) in rows.items():
            st.metric(
                f"{name} avoided",
                isolated - done,
                format="localized",
                delta=f"{saved_share(isolated, done):.2%} of {isolated:,}",
                delta_color="off",
                delta_arrow="off",
                border=True,
                width="stretch",
            )
    st.echarts_chart(
        charts.counted(savings),
        height=300,
        key="counted",
        alt="Work of isolated bots, with equal conditions shared, and done by the hub",
    )
    table = pl.DataFrame(
        [
            (name, isolated, isolated - equal, equal - done, done, saved_share(isolated, done))
            for name, (isolated, equal, done) in rows.items()
        ],
        schema=["work", "isolated bots", "equal conditions", "indicators and series", "done by the hub", "avoided"],
        orient="row",
    )
    whole = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "isolated bots": whole,
            "equal conditions": st.column_config.NumberColumn("avoided: equal conditions", format="localized"),
            "indicators and series": st.column_config.NumberColumn(
                "avoided: shared indicators, series", format="localized"
            ),
            "done by the hub": whole,
            "avoided": st.column_config.ProgressColumn("avoided in all", format="percent", min_value=0, max_value=1),
        },
    )


def _requests(tally: Tally) -> None:
    with st.container(horizontal=True):
        st.metric(
            "Requests to exchanges avoided",
            tally.isolated_requests - tally.requests,
            format="localized",
            delta=f"{saved_share(tally.isolated_requests, tally.requests):.2%} of {tally.isolated_requests:,}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        st.metric("Requests to exchanges made", tally.requests, format="localized", border=True)


def _times(savings: Savings) -> None:
    st.subheader("Time for the same verdicts")
    model = ReferenceModel()
    measured, modelled = st.columns(2)
    with measured, st.container(border=True, height="stretch"):
        st.markdown("**Measured** on this machine, candles in a local file")
        if savings.measured_isolated_s is None or savings.measured_share is None:
            st.info("Isolated evaluations have not been measured here; `make demo` measures them.")
            _seconds({"This hub": savings.measured_shared_s})
        else:
            _seconds(
                {"Isolated bots": savings.measured_isolated_s, "This hub": savings.measured_shared_s},
                saved=savings.measured_share,
            )
            st.caption("Isolated bots: counted work x unit costs of isolated evaluations that were actually done.")
    with modelled, st.container(border=True, height="stretch"):
        st.markdown(
            f"**Modelled**: {model.load_ms:g} ms per candle load, {model.indicator_ms:g} ms per indicator, "
            f"{model.check_ms:g} ms per check"
        )
        _seconds(
            {"Isolated bots": savings.modelled_isolated_s, "This hub": savings.modelled_shared_s},
            saved=savings.modelled_share,
        )
        st.caption(_worked_example(model))


def _seconds(times: dict[str, float], saved: float | None = None) -> None:
    with st.container(horizontal=True):
        for label, seconds in times.items():
            st.metric(label, f"{seconds:,.0f} s" if seconds >= 100 else f"{seconds:,.2f} s", width=150)
        if saved is not None:
            st.metric("Saved", f"{saved:.2%}", width=120)


def _worked_example(model: ReferenceModel) -> str:
    isolated = model.isolated_ms(5_000) / 1e3
    shared = model.shared_ms(series=1, indicators=1, conditions=500) / 1e3
    return (
        f"The model's worked example, 5,000 x 160 ms = {isolated:g} s against {shared:g} s "
        f"({saved_share(isolated, shared):.2%}), holds only if all 500 conditions read one indicator of one series."
    )


def _over_time(ticks: pl.DataFrame) -> None:
    st.subheader("Tick by tick")
    timeframes = ticks["timeframe"].unique(maintain_order=True).to_list()
    chosen = st.segmented_control(
        "Timeframe", timeframes, default=timeframes[0], required=True, key="timeframe", bind="query-params"
    )
    shown = ticks.filter(pl.col("timeframe") == chosen).tail(_TICKS_SHOWN)
    work, stages = st.columns(2)
    with work:
        st.markdown("**Work per tick**: candle loads + indicator computations + evaluations")
        st.echarts_chart(charts.work_per_tick(shown), height=320, key="work", alt="Work per tick, isolated and shared")
    with stages:
        total = pl.sum_horizontal("load_us", "indicators_us", "judge_us") / 1e3
        spent = shown.select(median=total.median(), slow=total.quantile(0.95)).row(0, named=True)
        st.markdown(
            f"**Stage times per tick**: median {spent['median']:.1f} ms, 95th percentile {spent['slow']:.1f} ms"
        )
        st.echarts_chart(charts.stage_times(shown), height=320, key="stages", alt="Stage times per tick")
    st.caption(f"The last {shown.height:,} ticks of {chosen}; times are candle closes, UTC.")


def _explanation(overview: data.Overview) -> str:
    model, costs = ReferenceModel(), overview.costs
    unit_costs = (
        "They have not been measured here yet."
        if costs is None
        else (
            f"Means of {costs.sample:,} evaluations: {costs.load_us / 1e3:.2f} ms per candle load, "
            f"{costs.indicator_us / 1e3:.2f} ms per indicator, {costs.check_us / 1e3:.3f} ms per check."
        )
    )
    return _EXPLANATION.format(
        unit_costs=unit_costs, load=model.load_ms, indicator=model.indicator_ms, check=model.check_ms
    )


if __name__ == "__main__":
    show()
