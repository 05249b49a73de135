"""The figures of the page Savings."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from analysis.savings import Savings, savings_of
from candles.tally import Tally
from common.clock import SystemClock
from common.settings import load_settings
from common.timeframes import DURATION_MS
from dashboard.data.reading import SECONDS_KEPT, opened
from registry.store.parts.condition_pages import ConditionQuery, UserUsage
from registry.store.parts.ticks import UnitCosts
from registry.store.protocol import Store

_MOST_WANTED = 10
_MOST_USERS = 50
_TICKS_SHOWN = 300
_SIZES_SHOWN = 500


@dataclass(frozen=True)
class Overview:
    """What the page Savings shows. ``savings``, ``ticks`` and ``sizes`` are those of its range, the rest is of now."""

    totals: dict[str, int]
    """``conditions subscriptions users bots`` and what else :meth:`RegistryStore.totals` counts."""
    indicators: int
    series: int
    """Unique indicators and series of what is judged."""
    triggers: int
    """All that were ever recorded."""
    savings: Savings
    span_ms: int
    """How long the hub has judged within the range: from the first of its ticks to the last, in full hours."""
    ticks: pl.DataFrame
    """The newest of each timeframe, oldest first."""
    sizes: pl.DataFrame
    """What was registered and wanted, a row an hour or, of a long range, every few: ``noted_at conditions
    subscribed``. The newest is the last."""
    costs: UnitCosts | None
    popular: pl.DataFrame
    """``condition_id text subscribers`` of the conditions with the most subscribers."""
    users: list[UserUsage]
    """Those whose bots would evaluate most by themselves, first."""


def tally() -> Tally | None:
    """What exchanges were asked so far, ``None`` where nothing was fetched into the data folder."""
    return Tally.read(load_settings().data_dir)


@st.cache_data(ttl=SECONDS_KEPT, show_spinner="Reading the store …")
def overview(store_url: str, range_ms: int | None) -> Overview:
    """The figures, of what was judged in the last ``range_ms``, from the full hour on, or ever."""
    now_ms = SystemClock().now_ms()
    since_ms = None if range_ms is None else now_ms - range_ms
    with opened(store_url) as store:
        by_day = store.ticks.totals("day", since_ms=since_ms)
        costs = store.ticks.unit_costs()
        timeframes = by_length(set(by_day["timeframe"]))
        newest = [store.ticks.newest_ticks(_TICKS_SHOWN, timeframe=name, since_ms=since_ms) for name in timeframes]
        sizes = store.ticks.plan_sizes().values()
        page = store.registry.condition_page(ConditionQuery(order="subscribers", limit=_MOST_WANTED))
        return Overview(
            totals=store.registry.totals(),
            indicators=sum(size.indicators for size in sizes),
            series=sum(size.series for size in sizes),
            triggers=store.triggers.last_seq(),
            savings=savings_of(by_day, costs),
            span_ms=_span_ms(store, by_day, since_ms or 0, now_ms),
            ticks=pl.concat(newest).sort("tick_id") if newest else store.ticks.newest_ticks(0),
            sizes=_some(store.ticks.registry_sizes(since_ms=since_ms)),
            costs=costs,
            popular=page.rows.filter(pl.col("subscribers") > 0).select("condition_id", "text", "subscribers"),
            users=store.registry.users(_MOST_USERS),
        )


def _span_ms(store: Store, by_day: pl.DataFrame, since_ms: int, now_ms: int) -> int:
    """From the first hour in which something was judged to the last; only the first and the last day's are read."""
    days_ms = by_day["start"].dt.epoch("ms")
    hours_ms = [
        hour_ms
        for day_ms in {min(days_ms, default=0), max(days_ms, default=0)}
        for hour_ms in store.ticks.totals("hour", since_ms=max(since_ms, day_ms), until_ms=day_ms + DURATION_MS["1d"])[
            "start"
        ].dt.epoch("ms")
    ]
    return min(now_ms, max(hours_ms) + DURATION_MS["1h"]) - min(hours_ms) if hours_ms else 0


def _some(sizes: pl.DataFrame) -> pl.DataFrame:
    """As many rows as a chart can show, evenly spread, with the last one."""
    step = max(1, -(-sizes.height // _SIZES_SHOWN))
    return sizes.reverse().gather_every(step).reverse()


def by_length(timeframes: set[str]) -> list[str]:
    """Timeframes, shortest first."""
    return [timeframe for timeframe in DURATION_MS if timeframe in timeframes]
