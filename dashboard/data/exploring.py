"""Where a condition that somebody writes would have fired, before anybody registers it."""

from dataclasses import dataclass

import polars as pl
import streamlit as st

from analysis.preview import PreviewScan, preview, previewed_span
from analysis.work import check_preview
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.settings import load_settings
from dashboard.charts.readings import Readings, candles_needed, read_values
from dashboard.data.reading import SECONDS_KEPT, opened
from registry.conditions import Condition
from registry.language.indicator_texts import indicator_texts
from registry.naming import reading
from registry.store.protocol import Store

_SCAN_S = 60
"""How long the scan of a text is kept."""
HORIZONS = (1, 4, 24)
"""Candles after which forward returns are taken."""


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


@dataclass(frozen=True)
class Exploration:
    """What a condition would have done on the stored candles."""

    scan: PreviewScan
    returns: pl.DataFrame
    """``horizon triggers hit mean median baseline_hit baseline_mean``: for each horizon in candles, how often the close
    was higher that many candles after a trigger's close, and by what share, against the same after every candle of the
    span. Overlapping ones count one by one."""


@st.cache_data(ttl=_SCAN_S, max_entries=256, show_spinner=False)
def parsed(store_url: str, text: str) -> Condition:
    """The condition that a text describes, with the instruments that the hub knows. Raises what the text does wrong:
    :class:`common.errors.ConditionError`, with the place, and the like."""
    with opened(store_url) as store:
        return _parsed(store, text)


@st.cache_data(ttl=_SCAN_S, max_entries=64, show_spinner="Judging stored candles …")
def explore(store_url: str, text: str, range_ms: int | None) -> Exploration:
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
        scan = preview(condition, histories, calendars, start_ms=start_ms, end_ms=end_ms)
        opened_from = calendars.of(condition.series).last_open(scan.start_ms)
        closes = SeriesReader.of(store).between(condition.series, opened_from, scan.end_ms).select("open_time", "close")
        return Exploration(scan, forward_returns(closes, scan.triggers["open_time"]))


def forward_returns(candles: pl.DataFrame, triggers: pl.Series) -> pl.DataFrame:
    """The columns of :attr:`Exploration.returns`, from ``open_time close`` of consecutive candles and the open times of
    those that triggered."""
    fired = candles["open_time"].is_in(triggers.cast(candles["open_time"].dtype).to_list())
    rows = []
    for horizon in HORIZONS:
        change = candles["close"].shift(-horizon) / candles["close"] - 1
        after = change.filter(fired).drop_nulls()
        every = change.drop_nulls()
        rows.append(
            (
                horizon,
                after.len(),
                (after > 0).mean(),
                after.mean(),
                after.median(),
                (every > 0).mean(),
                every.mean(),
            )
        )
    names = ("hit", "mean", "median", "baseline_hit", "baseline_mean")
    schema = {"horizon": pl.Int64, "triggers": pl.Int64} | dict.fromkeys(names, pl.Float64)
    return pl.DataFrame(rows, schema=schema, orient="row")


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
        on_series, known = _neighbours(store, condition)
        return Sharing(
            is_registered=store.registry.condition(condition.id) is not None,
            subscribers=store.registry.subscriber_count(condition.id),
            on_series=on_series,
            indicators=len(needs),
            indicators_known=len(needs & known),
        )


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


def _neighbours(store: Store, condition: Condition) -> tuple[int, set[str]]:
    """How many registered conditions have the same own series, and the indicators that conditions of it need."""
    same = [
        stored for stored in store.registry.conditions(condition.timeframe) if stored.group.base == condition.series
    ]
    known: set[str] = set()
    for stored in same:
        known |= indicator_texts(stored.canonical)
    return len(same), known
