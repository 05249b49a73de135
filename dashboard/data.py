"""What the pages show, read from the store. No other module opens it; it is opened read-only, for one query at a time.

Queries go through the owner of the store if ``HUB_STORE_URL`` names one; otherwise they read the files, as long as
nobody owns them.

Answers are cached for a few seconds and shared by all viewers, so that fifty browsers cost as much as one. Each query
takes the store's URL, which makes it part of the cache's key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import polars as pl
import streamlit as st

from analysis.savings import Savings, summarise
from candles.calendars import stored_calendars
from candles.series import SeriesReader
from candles.tally import Tally
from common.clock import SystemClock
from common.errors import HubError, StoreLocked, StoreMissing
from common.grids import Grid
from common.settings import load_settings
from flows.hub_state import HubState, look_at_hub
from registry.groups import Series
from registry.store import open_store
from registry.store.owner import url_of
from registry.store.parts.registry import StoredCondition, Unjudged
from registry.store.parts.ticks import UnitCosts
from registry.store.protocol import Store
from registry.store.remote.token import client_token

_SECONDS_KEPT = 5
_TRIGGERS_SHOWN = 1_000
_TICKS_SHOWN = 300

T = TypeVar("T")


@dataclass(frozen=True)
class Overview:
    """What the savings page shows."""

    totals: dict[str, int]
    indicators: int
    """Unique indicators: unique in name, parameters, source and series."""
    series: int
    triggers: int
    savings: Savings
    ticks: pl.DataFrame
    """The newest of each timeframe, oldest first."""
    costs: UnitCosts | None


@dataclass(frozen=True)
class ConditionFacts:
    """One condition and what came of it; ``triggers`` has its newest triggers, newest first."""

    stored: StoredCondition
    subscribers: int
    trigger_count: int
    triggers: pl.DataFrame
    judged_ms: int | None
    """Close time up to which its series has been judged; ``None`` before its first tick."""
    last_close_ms: int | None
    """Close time of its newest candle; ``None`` without candles."""
    unjudged: Unjudged | None
    """Why it is not judged; ``None`` if it is."""
    grid: Grid
    """Where the slots of its series begin."""

    @property
    def series(self) -> Series:
        """Its own series."""
        return self.stored.group.base


def read(query: Callable[[str], T]) -> T:
    """The answer to a query on the store that the settings name; if it cannot be read, a panel replaces the page."""
    try:
        answer = query(url_of(load_settings()))
    except HubError as error:
        _show_error(error)
        st.stop()
    return answer


def tally() -> Tally | None:
    """What exchanges were asked so far, ``None`` where nothing was fetched into the data folder."""
    return Tally.read(load_settings().data_dir)


@st.cache_data(ttl=_SECONDS_KEPT, show_spinner="Reading the store …")
def overview(store_url: str) -> Overview:
    """The figures of the savings page."""
    with _opened(store_url) as store:
        totals = store.ticks.totals()
        newest = [store.ticks.newest_ticks(_TICKS_SHOWN, timeframe=name) for name in totals["timeframe"]]
        sizes = store.ticks.plan_sizes().values()
        return Overview(
            totals=store.registry.totals(),
            indicators=sum(size.indicators for size in sizes),
            series=sum(size.series for size in sizes),
            triggers=store.triggers.last_seq(),
            savings=summarise(store),
            ticks=pl.concat(newest).sort("tick_id") if newest else store.ticks.newest_ticks(0),
            costs=store.ticks.unit_costs(),
        )


@st.cache_data(ttl=_SECONDS_KEPT, show_spinner="Reading the store …")
def conditions(store_url: str) -> pl.DataFrame:
    """All conditions, those with the most subscribers first.

    Columns ``condition_id text canonical symbol timeframe subscribers triggers last_trigger slots``; ``slots`` counts
    the slots from the series' anchor to its watermark and is null before the first tick.
    """
    with _opened(store_url) as store:
        registered = store.registry.conditions()
        subscribers = store.registry.subscribers()
        counts = store.triggers.counts()
        anchors, calendars = store.ticks.anchors(), stored_calendars(store)
        marks = {
            timeframe: store.ticks.watermarks(timeframe) for timeframe in {stored.timeframe for stored in registered}
        }

    def slots(stored: StoredCondition) -> int | None:
        judged, anchor = marks[stored.timeframe].get(stored.group), anchors.get(stored.group.base)
        if judged is None or anchor is None:
            return None
        grid = calendars.of(stored.group.base).slots
        return grid.last_closed(judged) - grid.number(anchor) + 1

    rows = [
        (
            stored.condition_id,
            stored.text,
            stored.canonical,
            f"{stored.exchange}:{stored.symbol}",
            stored.timeframe,
            subscribers.get(stored.condition_id, 0),
            slots(stored),
        )
        for stored in registered
    ]
    return (
        pl.DataFrame(
            rows,
            schema={
                "condition_id": pl.String,
                "text": pl.String,
                "canonical": pl.String,
                "symbol": pl.String,
                "timeframe": pl.String,
                "subscribers": pl.Int64,
                "slots": pl.Int64,
            },
            orient="row",
        )
        .join(counts.rename({"last_close_time": "last_trigger"}), on="condition_id", how="left", maintain_order="left")
        .with_columns(pl.col("triggers").fill_null(0))
        .sort("subscribers", "triggers", descending=True, maintain_order=True)
    )


@st.cache_data(ttl=_SECONDS_KEPT, show_spinner="Reading the store …")
def condition(store_url: str, condition_id: str) -> ConditionFacts | None:
    """One condition, or the one that stands for it since an upgrade; ``None`` if no condition has that id."""
    with _opened(store_url) as store:
        condition_id = store.registry.successor(condition_id)
        stored = store.registry.condition(condition_id)
        if stored is None:
            return None
        reader = SeriesReader.of(store)
        extent = reader.extent(stored.group.base)
        return ConditionFacts(
            stored=stored,
            subscribers=store.registry.subscriber_count(condition_id),
            trigger_count=store.triggers.condition_state(condition_id).triggers,
            triggers=store.triggers.of(condition_id, _TRIGGERS_SHOWN),
            judged_ms=store.ticks.watermark(stored.group),
            last_close_ms=reader.calendar(stored.group.base).close(extent[1]) if extent else None,
            unjudged=store.registry.unjudged_of(condition_id),
            grid=reader.calendars.grid(stored.group.base),
        )


@st.cache_data(ttl=_SECONDS_KEPT, show_spinner=False)
def hub_state(store_url: str) -> HubState:
    """What the hub is doing."""
    with _opened(store_url) as store:
        return look_at_hub(load_settings(), store, SystemClock().now_ms())


@st.cache_data(ttl=_SECONDS_KEPT, max_entries=64, show_spinner=False)
def candles(store_url: str, series: Series, stop_ms: int, count: int) -> pl.DataFrame:
    """The last ``count`` candles of a series that open before ``stop_ms``."""
    with _opened(store_url) as store:
        return SeriesReader.of(store).last(series, stop_ms, count)


def _opened(store_url: str) -> Store:
    # The token is not an argument of the queries, because arguments are the cache's keys.
    return open_store(store_url, token=client_token(load_settings()), read_only=True)


def _show_error(error: HubError) -> None:
    text = f"{str(error)[:1].upper()}{str(error)[1:]}."
    match error:
        case StoreMissing():
            st.info(f"**There is no store yet.** {text}", icon=":material/inventory_2:")
            st.markdown("Create one with real candles and simulated bots:")
            st.code("make demo", language="shell")
        case StoreLocked():
            st.warning(
                f"**Another process is writing.** {text} The dashboard can read when no process writes.",
                icon=":material/lock:",
            )
            st.button("Try again")
        case _:
            st.error(f"**The data cannot be read.** {text}", icon=":material/error:")
            st.button("Try again")
