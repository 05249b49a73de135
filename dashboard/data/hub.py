"""What the hub is doing, and what stands behind the questions that are asked when something seems wrong."""

import time
from dataclasses import dataclass

import polars as pl
import streamlit as st

from analysis.savings import Savings, summarise
from common.clock import SystemClock
from common.settings import load_settings
from dashboard.data.reading import SECONDS_KEPT, opened
from flows.hub_state import HubState, look_at_hub

_FINDINGS_S, _SPEED_S = 60, 30
_RECENT_TICKS = 300
HEALTHS = ("ok", "unknown", "err", "stale")


@dataclass(frozen=True)
class Performance:
    """What is asked first when the hub is slow."""

    answer_ms: float
    """How long the store took to answer a small question."""
    savings: Savings
    """Of everything that was ever judged."""
    indicators_ms: float | None
    """Median time that a tick took for its indicators, of the newest ticks; ``None`` before the first."""


@dataclass(frozen=True)
class CandleFindings:
    """What is wrong with candles, in numbers."""

    gaps: int
    """Stretches without candles that should be there, in all stored series."""
    revisions: int
    """Candles whose source gave other values after they had been judged; a rebase takes them."""
    quarantined: int
    """Rows that were refused on their way in."""


# As it is, without copies: nothing in it changes, and thousands of groups may wait.
@st.cache_resource(ttl=SECONDS_KEPT, show_spinner=False)
def hub_state(store_url: str) -> HubState:
    """What the hub is doing."""
    with opened(store_url) as store:
        return look_at_hub(load_settings(), store, SystemClock().now_ms())


@st.cache_data(ttl=_SPEED_S, show_spinner=False)
def performance(store_url: str) -> Performance:
    """How fast the hub is."""
    with opened(store_url) as store:
        started = time.perf_counter()
        store.registry.totals()
        answer_ms = (time.perf_counter() - started) * 1e3
        newest = store.ticks.newest_ticks(_RECENT_TICKS)
        median = newest.select(pl.col("indicators_us").median() / 1e3).item()
        return Performance(answer_ms, summarise(store), median)


@st.cache_data(ttl=SECONDS_KEPT, show_spinner=False)
def condition_counts(store_url: str) -> dict[str, int]:
    """As :meth:`registry.store.parts.registry.RegistryStore.condition_counts`."""
    with opened(store_url) as store:
        return store.registry.condition_counts()


@st.cache_data(ttl=_FINDINGS_S, show_spinner=False)
def candle_findings(store_url: str) -> CandleFindings:
    """What is wrong with the stored candles."""
    with opened(store_url) as store:
        return CandleFindings(
            gaps=store.candles.gaps().height,
            revisions=store.candles.revisions().filter("pending").height,
            quarantined=store.candles.quarantined().height,
        )
