"""The landing page: what bots asked for, what that came down to, and what sharing saved."""

from dataclasses import astuple, dataclass
from functools import partial

import numpy as np
import polars as pl
import streamlit as st

from analysis.savings import ReferenceModel, Savings, saved_share
from candles.tally import Tally
from common.timeframes import DURATION_MS
from dashboard.charts import savings as charts
from dashboard.data.overview import Overview, by_length, overview, tally
from dashboard.data.reading import read
from dashboard.explanations import explanation
from dashboard.links import CONDITION
from dashboard.view import View, drawn, view
from registry.store.parts.condition_pages import UserUsage

_TICKS_SHOWN = 300
_HOUR_S = 3600
_MONTH_MS = 30 * DURATION_MS["1d"]
_USUAL_PRICE = 0.04


@dataclass(frozen=True)
class _Work:
    """One kind of work: of isolated bots, with equal conditions shared, and done."""

    name: str
    isolated: int
    equal: int
    done: int


def show() -> None:
    """Draw the page."""
    drawn(view("Savings"), _draw)


def _draw(now: View) -> None:
    figures = read(partial(overview, range_ms=now.range_ms))
    _wanted(figures)
    if figures.savings.ticks == 0:
        _no_ticks(figures, now)
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.header("Work avoided, counted", anchor=False, width="content")
        with st.popover("How each figure is computed", icon=":material/help:"):
            st.markdown(explanation(figures.costs))
    _counted(figures.savings)
    if (asked := tally()) is not None:
        _requests(asked)
    _times(figures.savings)
    _money(figures)
    _budgets(figures.ticks)
    _popular(figures.popular)
    _users(figures.users)
    _registered(figures.sizes, now)
    _over_time(figures.ticks, now)


def _wanted(figures: Overview) -> None:
    totals = figures.totals
    shown = {
        "Users": (totals["users"], "Users with an active subscription"),
        "Bots": (totals["bots"], "Bots with an active subscription"),
        "Subscriptions": (totals["subscriptions"], "Active subscriptions: one for each condition of each bot"),
        "Unique conditions": (totals["conditions"], "Registered conditions; equal ones are one"),
        "Unique indicators": (
            figures.indicators,
            "Indicators of what is judged, distinct in name, parameters, source and series",
        ),
        "Series": (
            figures.series,
            "Series that judged conditions read, once for each timeframe of conditions that reads them",
        ),
        "Triggers": (figures.triggers, "All that were ever recorded, whatever the time range"),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in shown.items():
            st.metric(label, value, format="localized", border=True, width="stretch", help=meaning)


def _no_ticks(figures: Overview, now: View) -> None:
    if figures.totals["conditions"] == 0:
        st.info("No conditions yet. Register one, or run the demo:", icon=":material/info:")
        st.code('hub conditions register "BTCUSDT 1h: rsi(14) crosses_below 30"\nmake demo', language="shell")
    elif now.range_ms is not None:
        st.info(f"Nothing was judged in the last {now.range_name}. Choose a longer time range, or judge a timeframe:")
        st.code("hub tick 1h", language="shell")
    else:
        st.info("No ticks yet: nothing has been judged. Judge a timeframe up to its last closed candle:")
        st.code("hub tick 1h", language="shell")


def _counted(savings: Savings) -> None:
    rows = (
        _Work("Evaluations", savings.isolated_evaluations, savings.evaluations, savings.evaluations),
        _Work(
            "Indicator computations",
            savings.isolated_indicators,
            savings.equal_sharing_indicators,
            savings.indicators,
        ),
        _Work("Candle loads", savings.isolated_loads, savings.equal_sharing_loads, savings.loads),
    )
    with st.container(horizontal=True):
        for work in rows:
            st.metric(
                f"{work.name} avoided",
                work.isolated - work.done,
                format="localized",
                delta=f"{saved_share(work.isolated, work.done):.2%} of {work.isolated:,}",
                delta_color="off",
                delta_arrow="off",
                border=True,
                width="stretch",
                help="Counted: what isolated bots would have done, less what the hub did",
            )
    st.echarts_chart(
        charts.counted(savings),
        height=300,
        key="counted",
        alt="Work of isolated bots, with equal conditions shared, and done by the hub",
    )
    table = pl.DataFrame(
        [
            (
                work.name,
                work.isolated,
                work.isolated - work.equal,
                work.equal - work.done,
                work.done,
                saved_share(work.isolated, work.done),
            )
            for work in rows
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


def _requests(asked: Tally) -> None:
    with st.container(horizontal=True):
        st.metric(
            "Requests to exchanges avoided",
            asked.isolated_requests - asked.requests,
            format="localized",
            delta=f"{saved_share(asked.isolated_requests, asked.requests):.2%} of {asked.isolated_requests:,}",
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Counted since the data folder's first request, whatever the time range",
        )
        st.metric(
            "Requests to exchanges made",
            asked.requests,
            format="localized",
            border=True,
            help="Everything: markets, back-fills, repetitions, and what confirms candles from websockets",
        )
        if asked.answered:
            st.metric(
                "Requests answered in an exchange's place",
                asked.answered,
                format="localized",
                border=True,
                help="Candles, prices and markets that bots read through the hub instead of asking the exchange",
            )


def _times(savings: Savings) -> None:
    st.header("Time for the same verdicts", anchor=False)
    model = ReferenceModel()
    measured, modelled = st.columns(2)
    with measured, st.container(border=True, height="stretch"):
        st.markdown("**Measured** on this machine, candles in a local file")
        if savings.measured_isolated_s is None or savings.measured_share is None:
            st.info(
                "What an isolated evaluation costs has not been measured on this store. The nightly deployment "
                "`upkeep` measures it; `hub demo` does so in the demo's own store."
            )
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


def _money(figures: Overview) -> None:
    st.header("Money", anchor=False)
    savings = figures.savings
    seconds = {"modelled": savings.modelled_isolated_s - savings.modelled_shared_s}
    if savings.measured_isolated_s is not None:
        seconds = {"measured": savings.measured_isolated_s - savings.measured_shared_s} | seconds
    with st.container(horizontal=True, vertical_alignment="bottom"):
        price = st.number_input(
            "Price of a core-hour",
            min_value=0.0,
            value=_USUAL_PRICE,
            step=0.01,
            format="%.4f",
            key="price",
            bind="query-params",
            width=200,
            help="In the currency of your choice. Money = price x hours of one core that were saved",
        )
        for basis, saved_s in seconds.items():
            hours = saved_s / _HOUR_S
            monthly = hours * price * _MONTH_MS / figures.span_ms if figures.span_ms else 0.0
            st.metric(
                f"Saved, {basis}",
                _amount(hours * price),
                delta=f"{_amount(hours)} core-hours; {_amount(monthly)} in 30 days at this rate",
                delta_color="off",
                delta_arrow="off",
                border=True,
                width="stretch",
                help=f"{hours:,.4f} h x {price:g}, from the {basis} times above",
            )


def _amount(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"


def _budgets(ticks: pl.DataFrame) -> None:
    st.header("Tick time against its budget", anchor=False)
    rows = []
    for timeframe in by_length(set(ticks["timeframe"])):
        of_timeframe = ticks.filter(pl.col("timeframe") == timeframe)
        spent_ms = of_timeframe.select(pl.sum_horizontal("load_us", "indicators_us", "judge_us") / 1e3)
        median_ms, slow_ms = (float(np.quantile(spent_ms.to_series().to_numpy(), at)) for at in (0.5, 0.95))
        rows.append((timeframe, of_timeframe.height, median_ms, slow_ms, 100 * slow_ms / DURATION_MS[timeframe]))
    st.dataframe(
        pl.DataFrame(rows, schema=["timeframe", "ticks", "median", "slow", "share"], orient="row"),
        hide_index=True,
        column_config={
            "ticks": st.column_config.NumberColumn(format="localized"),
            "median": st.column_config.NumberColumn("median, ms", format="%.2f"),
            "slow": st.column_config.NumberColumn("95th percentile, ms", format="%.2f"),
            "share": st.column_config.NumberColumn(
                "of the budget",
                format="%.4f %%",
                help="The 95th percentile as a share of the timeframe: beyond 100 %, ticks would fall behind",
            ),
        },
    )
    st.caption(
        "Loading, indicators and judging of each tick; the budget of a tick is the length of its timeframe. "
        f"The newest {_TICKS_SHOWN} of each timeframe."
    )


def _popular(popular: pl.DataFrame) -> None:
    if popular.is_empty():
        return
    st.header("Most wanted conditions", anchor=False)
    st.dataframe(
        popular.rename({"text": "condition"}).with_columns(pl.format(CONDITION, "condition_id").alias("link")),
        hide_index=True,
        column_order=["condition", "subscribers", "link"],
        column_config={
            "condition": st.column_config.TextColumn(width="large"),
            "subscribers": st.column_config.ProgressColumn(
                format="localized", min_value=0, max_value=int(popular["subscribers"][0])
            ),
            "link": st.column_config.LinkColumn("", display_text="open"),
        },
    )


def _users(users: list[UserUsage]) -> None:
    if not users:
        return
    st.header("By user", anchor=False)
    st.dataframe(
        pl.DataFrame(
            [astuple(each) for each in users],
            schema=["user", "bots", "subscriptions", "conditions", "evaluations"],
            orient="row",
        ),
        hide_index=True,
        column_config={
            "conditions": st.column_config.NumberColumn("different conditions", format="localized"),
            "evaluations": st.column_config.NumberColumn(
                "evaluations a day",
                format="localized",
                help="What these bots would evaluate by themselves: one evaluation for each subscription and candle",
            ),
        },
    )
    st.caption(f"The {len(users):,} whose bots would evaluate most by themselves.")


def _registered(sizes: pl.DataFrame, now: View) -> None:
    if sizes.height < 2:
        return
    st.header("Conditions over time", anchor=False)
    st.echarts_chart(
        charts.registered(sizes, now.zone), height=240, key="registered", alt="Registered and subscribed conditions"
    )
    st.caption("Noted at the first tick of an hour.")


def _over_time(ticks: pl.DataFrame, now: View) -> None:
    st.header("Tick by tick", anchor=False)
    timeframes = by_length(set(ticks["timeframe"]))
    chosen = st.segmented_control(
        "Timeframe", timeframes, default=timeframes[0], required=True, key="timeframe", bind="query-params"
    )
    shown = ticks.filter(pl.col("timeframe") == chosen).tail(_TICKS_SHOWN)
    work, stages = st.columns(2)
    with work:
        st.markdown("**Work per tick**: candle loads + indicator computations + evaluations")
        st.echarts_chart(
            charts.work_per_tick(shown, now.zone), height=320, key="work", alt="Work per tick, isolated and shared"
        )
    with stages:
        total = pl.sum_horizontal("load_us", "indicators_us", "judge_us") / 1e3
        spent = shown.select(median=total.median(), slow=total.quantile(0.95)).row(0, named=True)
        st.markdown(
            f"**Stage times per tick**: median {spent['median']:.1f} ms, 95th percentile {spent['slow']:.1f} ms"
        )
        st.echarts_chart(charts.stage_times(shown, now.zone), height=320, key="stages", alt="Stage times per tick")
    st.caption(f"The last {shown.height:,} ticks of {chosen} by the close of their candle.")


if __name__ == "__main__":
    show()
