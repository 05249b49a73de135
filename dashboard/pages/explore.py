"""Write a condition and see where it would have fired, how often, and what followed, before registering it."""

import json
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import polars as pl
import streamlit as st

from analysis.preview import PreviewScan
from common.errors import CandlesMissing, ConditionError, HubError, TooMuchWork
from common.settings import load_settings
from common.timeframes import DURATION_MS
from dashboard.charts.candles import candle_chart
from dashboard.data.exploring import example, explore, explored_readings, parsed, sharing, what_followed
from dashboard.data.reading import asked, read
from dashboard.links import condition_link
from dashboard.view import View, drawn, view
from registry.conditions import Condition
from registry.store.owner import running

_CANDLES = 500
_LONGEST_TEXT = 2_000
_FEWEST_COMPARED = 2
_SHOWN_DIGITS = 4
"""Of a share that is shown in percent, with two digits."""
T = TypeVar("T")


def show() -> None:
    """Draw the page."""
    now = view("Explore", usual="off")
    text = st.text_input(
        "Condition",
        value=read(example),
        max_chars=_LONGEST_TEXT,
        key="when",
        bind="query-params",
        live=True,
        help="As in `docs/language.md`: SYMBOL TIMEFRAME: expression. Nothing is registered.",
    )
    drawn(now, partial(_draw, (text or "").strip()))


def _draw(text: str, now: View) -> None:
    if not text:
        st.info("Write a condition, for example:")
        st.code("BTCUSDT 1h: rsi(14) crosses_below 30", language=None)
        return
    condition = _tried(text, lambda: asked(lambda url: parsed(url, text)))
    if condition is None:
        return
    st.markdown(f"Read as `{condition.canonical}`")
    _cost(condition, text)
    scan = _tried(text, lambda: asked(lambda url: explore(url, text, now.range_ms)))
    if scan is not None:
        _fired(scan, condition, now)
        _candles(scan, condition, text, now)
        _returns(scan, condition, text, now)
    _request(condition, text)


def _tried(text: str, query: Callable[[], T]) -> T | None:
    """The answer, or ``None`` after saying what is wrong with the text, and where."""
    try:
        return query()
    except ConditionError as error:
        st.error(_sentence(error), icon=":material/error:")
        if error.position is not None:
            st.code(f"{text}\n{' ' * min(error.position, len(text))}^", language=None)
    except CandlesMissing as error:
        st.info(_sentence(error))
        st.code("hub candles import FILE", language="shell")
    except TooMuchWork as error:
        st.warning(_sentence(error))
    except HubError as error:
        st.error(_sentence(error), icon=":material/error:")
    return None


def _cost(condition: Condition, text: str) -> None:
    shared = read(lambda url: sharing(url, text))
    new = shared.indicators - shared.indicators_known
    figures = {
        "Registered": ("yes" if shared.is_registered else "no", "Whether an equal condition is registered already"),
        "Subscribers": (f"{shared.subscribers:,}", "Active subscriptions of the same condition, in any spelling"),
        "On its series": (f"{shared.on_series:,}", "Registered conditions that are judged on the same candles"),
        "Indicators": (f"{shared.indicators:,}", "Distinct indicators that it needs"),
        "Not shared": (f"{new:,}", "Indicators that no registered condition of the series needs already"),
        "Settles after": (
            f"{max(needed.settle for needed in condition.needed.values()):,} candles",
            "Candles from the first one on until another start would not change its values any more",
        ),
    }
    with st.container(horizontal=True):
        for label, (value, meaning) in figures.items():
            st.metric(label, value, border=True, width="stretch", help=meaning)
    if shared.is_registered:
        condition_link(condition.id, "Open the registered condition")


def _fired(scan: PreviewScan, condition: Condition, now: View) -> None:
    days = scan.candles * DURATION_MS[condition.timeframe] / DURATION_MS["1d"]
    st.header("Where it would have fired", anchor=False)
    with st.container(horizontal=True):
        st.metric("Triggers", scan.triggers.height, format="localized", border=True, width="stretch")
        st.metric("Candles", scan.candles, format="localized", border=True, width="stretch")
        st.metric(
            "Triggers a day",
            f"{scan.triggers.height / days:.3g}" if days else "unknown",
            border=True,
            width="stretch",
            help="Over the days that have candles",
        )
    st.caption(f"Candles that close after {now.show(scan.start_ms)} and by {now.show(scan.end_ms)}.")


def _candles(scan: PreviewScan, condition: Condition, text: str, now: View) -> None:
    stop_ms = scan.end_ms
    readings = read(lambda url: explored_readings(url, text, stop_ms, _CANDLES, now.zone))
    chart = candle_chart(readings, scan.triggers.select("close_time", "price"))
    st.echarts_chart(
        chart.options,
        height=chart.height,
        key="explored",
        alt=f"Candles of {condition.series} with the triggers and the values that the condition reads",
    )
    st.caption(f"The last {readings.frame.height:,} candles. Triangles are triggers, as a tick would record them.")
    if scan.triggers.height:
        st.dataframe(
            scan.triggers.select("close_time", "price", "settled").reverse(),
            hide_index=True,
            height=220,
            column_config={
                "close_time": now.column("closed"),
                "price": st.column_config.NumberColumn(format="%.8g"),
            },
        )


def _returns(scan: PreviewScan, condition: Condition, text: str, now: View) -> None:
    st.header("What followed", anchor=False)
    if scan.triggers.is_empty() or scan.candles < _FEWEST_COMPARED:
        st.info("There is no trigger in this range, so there is nothing to compare.")
        return
    followed = _tried(text, lambda: asked(lambda url: what_followed(url, text, now.range_ms)))
    if followed is None:
        return
    if followed["triggers"].sum() == 0:
        st.info("No trigger has candles behind it in this range, so there is nothing to compare.")
        return
    share = partial(st.column_config.NumberColumn, format="percent")
    st.dataframe(
        followed.select(
            pl.format("{} x {}", "horizon", pl.lit(condition.timeframe)).alias("after"),
            # As it is shown, and 0 without a sign.
            pl.all().exclude(pl.Float64),
            pl.col(pl.Float64).round(_SHOWN_DIGITS) + 0.0,
        ),
        hide_index=True,
        placeholder="-",
        column_order=[
            *("after", "triggers", "hit_rate", "baseline_hit_rate"),
            *("median", "mean", "baseline_mean", "edge", "edge_low", "edge_high"),
        ],
        column_config={
            "triggers": st.column_config.NumberColumn(help="Those with so many candles after them"),
            "hit_rate": share("higher", help="Triggers after which the price was higher"),
            "baseline_hit_rate": share("higher, any candle", help="The same after every candle of the range"),
            "median": share("median change"),
            "mean": share("mean change"),
            "baseline_mean": share("mean change, any candle", help="The same after every candle of the range"),
            "edge": share("edge", help="The mean change, less that after any candle"),
            "edge_low": share("from", help="Where the edge lies with 95 % certainty, by resampling"),
            "edge_high": share("to", help="Where the edge lies with 95 % certainty, by resampling"),
        },
    )
    st.caption(
        "From the open of the candle after the trigger to a close so many candles after it, before costs: what "
        "somebody could have had who acted on the trigger. It is no forecast; `hub backtest` has costs, and how much "
        "of it is luck."
    )


def _request(condition: Condition, text: str) -> None:
    st.header("Register it", anchor=False)
    url = _api_url()
    body = json.dumps({"condition": text}).replace("'", "'\\''")
    st.code(
        f'curl "{url}/conditions/register" -H "Authorization: Bearer $HUB_API_KEY" \\\n'
        f"  -H 'Content-Type: application/json' -d '{body}'",
        language="shell",
    )
    st.caption(f"Or `hub conditions register`. Its id is `{condition.id}`, whatever its spelling.")


def _api_url() -> str:
    """Where the API is: as the settings say, or else that of the service that runs in the data folder."""
    settings = load_settings()
    here = None if "api_url" in settings.model_fields_set else running(settings.data_dir)
    return settings.api_url if here is None else here.url


def _sentence(error: HubError) -> str:
    said = str(error)
    return f"{said[:1].upper()}{said[1:]}."


if __name__ == "__main__":
    show()
