"""The table of conditions, and one condition with what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import streamlit as st
from cachetools import LRUCache

from analysis.explain import explain
from analysis.nearness import distance_to_truth
from analysis.progress import Waiting, waiting_of
from analysis.standing import Standing, standing_of
from analysis.work import check_explanation
from candles.epochs import Epochs
from candles.series import SeriesReader
from common.clock import SystemClock
from common.errors import HubError
from common.grids import Grid
from common.settings import load_settings
from condition_hub.explanation import CandleExplanation
from dashboard.charts.readings import Readings, candles_needed, read_values
from dashboard.data.overview import by_length
from dashboard.data.reading import SECONDS_KEPT, opened
from registry.activity import ActiveSpan, wanted_from
from registry.groups import Series
from registry.store.parts.condition_pages import ConditionPage, ConditionQuery
from registry.store.parts.registry import StoredCondition, Unjudged, read_condition
from registry.store.protocol import Store

_TRIGGERS_SHOWN = 1_000
_CHOICES_S = 60
_UNCHANGED_S = 600
"""How long an answer is kept whose question says of which candles or triggers it is."""
_DISTANCES: LRUCache[tuple[str, str, int | None], float | None] = LRUCache(65_536)
"""Store, condition, watermark -> distance to truth."""


@dataclass(frozen=True)
class Choices:
    """How many conditions there are, and what they can be narrowed to."""

    conditions: int
    symbols: list[str]
    timeframes: list[str]
    """Shortest first."""


@dataclass(frozen=True)
class SeriesHealth:
    """One series that a condition reads. Times are milliseconds."""

    series: Series
    built_from: str | None
    """The timeframe whose candles it is built from; ``None`` for its own."""
    anchor_ms: int | None
    """Open time of the candle that it was first judged from; ``None`` before its first tick."""
    first_open_ms: int | None
    last_close_ms: int | None
    """Of its newest candle; ``None`` without candles."""
    is_current: bool
    """Whether its last closed candle is there."""


@dataclass(frozen=True)
class ConditionFacts:
    """One condition and what came of it."""

    stored: StoredCondition
    state: str
    health: str
    spans: tuple[ActiveSpan, ...]
    """When it was, and is, judged."""
    waiting: Mapping[str, int]
    """Type of bot -> how many bots have an active subscription."""
    paused: int
    users: int
    """Users with an active subscription."""
    trigger_count: int
    candles_version: tuple[int, int]
    """Others after each change of the candles that it reads, and after each rebase."""
    judged_ms: int | None
    """Close time up to which its series has been judged; ``None`` before its first tick."""
    series: tuple[SeriesHealth, ...]
    """Its own first."""
    unjudged: Unjudged | None
    """Why it is not judged; ``None`` if it is."""
    waits_for: Waiting | None
    """The candle that it lacks; ``None`` if it lacks none."""
    grid: Grid
    """Where the slots of its series begin."""

    @property
    def subscribers(self) -> int:
        """Active subscriptions."""
        return sum(self.waiting.values())

    @property
    def last_close_ms(self) -> int | None:
        """Close time of the newest candle of its own series; ``None`` without candles."""
        return self.series[0].last_close_ms


@st.cache_data(ttl=SECONDS_KEPT, max_entries=256, show_spinner=False)
def condition_page(store_url: str, query: ConditionQuery) -> ConditionPage:
    """A page of the conditions that match a query."""
    with opened(store_url) as store:
        return store.registry.condition_page(query)


@st.cache_data(ttl=_CHOICES_S, show_spinner="Reading the store …")
def choices(store_url: str) -> Choices:
    """What conditions can be narrowed to."""
    with opened(store_url) as store:
        series = store.registry.conditions_per_series()
        return Choices(
            conditions=store.registry.totals()["conditions"],
            symbols=sorted({str(each.instrument) for each in series}),
            timeframes=by_length({each.timeframe for each in series}),
        )


def distances(store_url: str, judged: Sequence[tuple[str, int | None]]) -> list[float | None]:
    """How far each of some conditions is from being TRUE on its newest judged candle, as a share; see
    :func:`analysis.nearness.distance_to_truth`.

    ``judged`` has the id of each, and the close time of that candle; ``None`` before its first tick.
    """
    keys = [(store_url, condition_id, judged_ms) for condition_id, judged_ms in judged]
    missing = [(key, key[1], key[2]) for key in keys if key[2] is not None and key not in _DISTANCES]
    if missing:
        with opened(store_url) as store:
            near = _Nearness(store)
            for key, condition_id, judged_ms in missing:
                _DISTANCES[key] = near.distance(condition_id, judged_ms)
    return [_DISTANCES.get(key) for key in keys]


@st.cache_data(ttl=SECONDS_KEPT, max_entries=256, show_spinner="Reading the store …")
def condition(store_url: str, condition_id: str) -> ConditionFacts | None:
    """One condition, or the one that stands for it since an upgrade; ``None`` if no condition has that id."""
    now_ms = SystemClock().now_ms()
    with opened(store_url) as store:
        condition_id = store.registry.successor(condition_id)
        stored = store.registry.condition(condition_id)
        if stored is None:
            return None
        anchors = store.ticks.anchors()
        reader = SeriesReader.of(store, anchors)
        series = tuple(_series_health(reader, each, anchors.get(each), now_ms) for each in stored.group.series)
        spans, unjudged = store.registry.activity_of(condition_id), store.registry.unjudged_of(condition_id)
        judged_ms = store.ticks.watermark(stored.group)
        page = store.registry.condition_page(ConditionQuery(words=condition_id, limit=1))
        shown = page.rows.row(0, named=True)
        subscriptions = store.registry.subscribers_of(condition_id)
        start_ms = wanted_from(spans, judged_ms)
        waits_for = None if start_ms is None else waiting_of(reader, stored.group, start_ms, now_ms)
        active = [each for each in subscriptions if each.state == "active"]
        types = sorted({each.bot_type for each in active})
        return ConditionFacts(
            stored=stored,
            state=shown["state"],
            health=shown["health"] or "none",
            spans=spans,
            waiting={name: sum(each.bot_type == name for each in active) for name in types},
            paused=len(subscriptions) - len(active),
            users=len({each.user_id for each in active}),
            trigger_count=store.triggers.condition_state(condition_id).triggers,
            candles_version=(
                store.candles.version({reader.stored(each) for each in stored.group.series}),
                store.ticks.last_rebase(),
            ),
            judged_ms=judged_ms,
            series=series,
            unjudged=unjudged,
            waits_for=waits_for,
            grid=reader.calendars.grid(stored.group.base),
        )


@st.cache_data(ttl=_UNCHANGED_S, max_entries=64, show_spinner=False)
def newest_triggers(store_url: str, condition_id: str, count: int) -> pl.DataFrame:
    """The newest triggers of a condition that has fired ``count`` times, newest first."""
    with opened(store_url) as store:
        return store.triggers.of(condition_id, min(count, _TRIGGERS_SHOWN))


@st.cache_data(ttl=_UNCHANGED_S, max_entries=64, show_spinner=False)
def readings(
    store_url: str,
    condition_id: str,
    stop_ms: int,
    count: int,
    zone: str,
    version: tuple[int, int],  # noqa: ARG001 - a part of the cache's key
) -> Readings | None:
    """The last ``count`` candles of a condition's series that open before ``stop_ms``, with the values that it reads
    and its truth, as of :attr:`ConditionFacts.candles_version`; ``None`` while a series has no candles."""
    with opened(store_url) as store:
        stored = store.registry.condition(condition_id)
        assert stored is not None
        read = read_condition(stored)
        reader = SeriesReader.of(store)
        histories = {
            series: reader.last(series, stop_ms, needed) for series, needed in candles_needed(read, count).items()
        }
        if any(candles.is_empty() for candles in histories.values()):
            return None
        return read_values(read, histories, count, reader.calendars, zone)


@st.cache_data(ttl=SECONDS_KEPT, max_entries=64, show_spinner="Judging the candle …")
def explained(store_url: str, condition_id: str, at_ms: int) -> tuple[CandleExplanation, Standing]:
    """Why a condition fires on the last candle that had closed by a time, or why not."""
    with opened(store_url) as store:
        stored = store.registry.condition(condition_id)
        assert stored is not None
        read = read_condition(stored)
        epochs = Epochs(store)
        histories, calendars = epochs.up_to(read, at_ms), epochs.calendars(read, at_ms)
        if all(series in histories for series in read.all_series):
            check_explanation(read, histories, load_settings().on_demand_values_max)
        explanation = explain(read, histories, calendars, at_ms=at_ms)
        return explanation, standing_of(store, read, explanation.close_time)


class _Nearness:
    """Distances of conditions to their truth, which share the candles that they read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reader = SeriesReader.of(store)
        self._candles: dict[Series, pl.DataFrame] = {}

    def distance(self, condition_id: str, judged_ms: int) -> float | None:
        stored = self._store.registry.condition(condition_id)
        return None if stored is None else self._computed(stored, judged_ms)

    def _computed(self, stored: StoredCondition, judged_ms: int) -> float | None:
        try:
            read = read_condition(stored)
            needed = candles_needed(read, 2)
            explanation = explain(
                read,
                {series: self._last(series, count, judged_ms) for series, count in needed.items()},
                self._reader.calendars,
                at_ms=judged_ms,
            )
        except HubError:
            return None
        return None if explanation.tree is None else distance_to_truth(explanation.tree, read.surface)

    def _last(self, series: Series, count: int, stop_ms: int) -> pl.DataFrame:
        """Candles of a series that open before a time, at least ``count`` of them if there are."""
        known = self._candles.get(series)
        if known is None or known.height < count:
            known = self._candles[series] = self._reader.last(series, stop_ms, count)
        return known


def _series_health(reader: SeriesReader, series: Series, anchor_ms: int | None, now_ms: int) -> SeriesHealth:
    extent, calendar = reader.extent(series), reader.calendar(series)
    return SeriesHealth(
        series=series,
        built_from=reader.source(series),
        anchor_ms=anchor_ms,
        first_open_ms=None if extent is None else extent[0],
        last_close_ms=None if extent is None else calendar.close(extent[1]),
        is_current=extent is not None
        and (extent[1] >= calendar.last_open(now_ms) or calendar.is_current(extent[1], now_ms)),
    )
