"""Where a condition that somebody writes would have fired, before anybody registers it."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from analysis.backtesting.backtest import HORIZONS
from analysis.backtesting.forward import forward_returns
from analysis.backtesting.judging import base_candles, firings_in
from analysis.backtesting.sources import ReadCandles
from analysis.preview import PreviewScan, preview, previewed_span
from analysis.work import check_preview
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.settings import load_settings
from dashboard.charts.readings import Readings, candles_needed, read_values
from dashboard.data.reading import SECONDS_KEPT, opened
from engine.candle_history import FrameHistory
from registry.conditions import Condition
from registry.groups import Series
from registry.language.indicator_texts import indicator_texts
from registry.naming import reading
from registry.store.protocol import Store

_SCAN_S = 60
"""How long the scan of a text is kept."""
_BOOTSTRAP_SEED = 1


@dataclass(frozen=True)
class Sharing:
    """Who shares what a condition needs."""

    is_registered: bool
    subscribers: int
    """Active subscriptions of the same condition."""
    on_series: int
    """Registered conditions with the same own series."""
    indicators: int
    """Indicators that it needs."""
    indicators_known: int
    """Those that a registered condition needs already."""


@st.cache_data(ttl=_SCAN_S, max_entries=256, show_spinner=False)
def parsed(store_url: str, text: str) -> Condition:
    """The condition that a text describes, with the instruments that the hub knows. Raises what the text does wrong:
    :class:`common.errors.ConditionError`, with the place, and the like."""
    with opened(store_url) as store:
        return _parsed(store, text)


@st.cache_data(ttl=_SCAN_S, max_entries=64, show_spinner="Judging stored candles …")
def explore(store_url: str, text: str, range_ms: int | None) -> PreviewScan:
    """A scan of a text's last ``range_ms``, or of a year, up to the newest candle.

    Raises :class:`common.errors.CandlesMissing`, :class:`common.errors.TooMuchWork`, and what the text itself raises.
    """
    with opened(store_url) as store:
        condition = _parsed(store, text)
        epochs = Epochs(store)
        histories, calendars = epochs.up_to(condition, None), epochs.calendars(condition, None)
        start_ms = end_ms = None
        if all(series in histories for series in condition.all_series):
            start_ms, end_ms = previewed_span(condition, histories, None, None, calendars)
            if range_ms is not None:
                start_ms = end_ms - range_ms
            most = load_settings().on_demand_values_max
            check_preview(condition, histories, most, start_ms=start_ms, end_ms=end_ms)
        return preview(condition, histories, calendars, start_ms=start_ms, end_ms=end_ms)


@st.cache_data(ttl=_SCAN_S, max_entries=64, show_spinner="Comparing with every candle …")
def what_followed(store_url: str, text: str, range_ms: int | None) -> pl.DataFrame:
    """What followed the triggers of :func:`explore` for somebody who bought: a row for each usual horizon, as in
    :data:`analysis.backtesting.forward.FORWARD_SCHEMA`.

    Raises :class:`common.errors.BacktestError` where returns are not defined, and what :func:`explore` raises.
    """
    scan = explore(store_url, text, range_ms)
    with opened(store_url) as store:
        condition = _parsed(store, text)
        reader = SeriesReader.of(store)
        opened_from = reader.calendars.of(condition.series).last_open(scan.start_ms)
        candles = reader.between(condition.series, opened_from, scan.end_ms)
    read = ReadCandles({condition.series: FrameHistory(candles)}, reader.calendars)
    base, _ = base_candles(read, condition.series, scan.start_ms, scan.end_ms)
    fired = firings_in(scan.triggers, base, [condition]).of(0)
    return forward_returns(base, fired, HORIZONS, sign=1, seed=_BOOTSTRAP_SEED)


@st.cache_data(ttl=_SCAN_S, max_entries=64, show_spinner=False)
def explored_readings(store_url: str, text: str, stop_ms: int, count: int, zone: str) -> Readings:
    """The last ``count`` candles that open before a time, with the values that a text reads and its truth."""
    with opened(store_url) as store:
        condition = _parsed(store, text)
        reader = SeriesReader.of(store)
        needed = candles_needed(condition, count).items()
        histories = {series: reader.last(series, stop_ms, wanted) for series, wanted in needed}
        return read_values(condition, histories, count, reader.calendars, zone)


@st.cache_data(ttl=SECONDS_KEPT, max_entries=64, show_spinner=False)
def sharing(store_url: str, text: str) -> Sharing:
    """What registered conditions share with a text."""
    with opened(store_url) as store:
        condition = _parsed(store, text)
        needs = indicator_texts(condition.canonical)
        on_series, known = _on_series(store_url, condition.series)
        return Sharing(
            is_registered=store.registry.condition(condition.id) is not None,
            subscribers=store.registry.subscriber_count(condition.id),
            on_series=on_series,
            indicators=len(needs),
            indicators_known=len(needs & known),
        )


@st.cache_data(ttl=_SCAN_S, max_entries=64, show_spinner=False)
def _on_series(store_url: str, series: Series) -> tuple[int, set[str]]:
    """How many registered conditions are judged on a series, and the indicators that they need."""
    with opened(store_url) as store:
        stored = store.registry.conditions_on(series)
        known: set[str] = set()
        return len(stored), known.union(*(indicator_texts(each.canonical) for each in stored))


@st.cache_data(ttl=SECONDS_KEPT, show_spinner=False)
def example(store_url: str) -> str:
    """A condition on candles that the store has, to begin with."""
    with opened(store_url) as store:
        names = sorted(store.candles.names())
        hourly = [name for name in names if name.timeframe == "1h"] or names
        return f"{hourly[0] if hourly else 'BTCUSDT 1h'}: rsi(14) crosses_below 30"


def _parsed(store: Store, text: str) -> Condition:
    with reading(store.candles.directory()):
        return Condition.parse(text, default_exchange=load_settings().default_exchange)
