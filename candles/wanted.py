"""Which series the hub needs from exchanges, and from when on: what its active conditions read, its bots live on, and
others read through it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from candles.series import SeriesReader
from common.errors import ConditionError
from common.timeframes import DURATION_MS
from registry.activity import wanted_from
from registry.groups import Group, Series
from registry.instruments import Instrument
from registry.store.parts.live import SeriesDemand
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

_MARGIN = 100
"""Candles of a series without any, beyond those that its conditions need."""
_FIRST_CANDLES = 1_000
"""Candles of such a series at least: they come with one request, and later conditions may look further back."""

_WITHOUT_CANDLES = "1m"
"""The timeframe on which bots live where no other is stored or read."""


@dataclass(frozen=True)
class SeriesNeed:
    """What is needed of one stored series, however many conditions and bots read it."""

    since_ms: int
    """Open time from which candles are lacking: that of the newest one, and otherwise as long ago as indicators need to
    settle."""
    timeframes: frozenset[str]
    """The timeframes of the conditions that read it."""
    waiting: tuple[str, ...] = ()
    """The ids of these conditions, if there are no candles of it yet."""
    is_new: bool = False
    """Whether there are no candles of it yet."""


def wanted_series(store: Store, now_ms: int, demands: Sequence[SeriesDemand] = ()) -> Mapping[Series, SeriesNeed]:
    """What the active conditions read, bots live on, and others demand: stored series, in the order of their names.

    A demanded series is never built: its readers get what its exchange says.

    A series without candles of its own that is built from another one needs those of the other one. A bot lives on the
    smallest timeframe that is stored of its instrument, or will be, as conditions read it; without any, on 1m.
    """
    reader = SeriesReader.of(store)
    activity, unjudged = store.registry.activity(), store.registry.unjudged()
    marks: dict[str, Mapping[Group, int]] = {}
    readers: dict[Series, list[StoredCondition]] = {}
    for stored in store.registry.conditions():
        if stored.timeframe not in marks:
            marks[stored.timeframe] = store.ticks.watermarks(stored.timeframe)
        reached = marks[stored.timeframe].get(stored.group)
        spans = activity.get(stored.condition_id, ())
        if stored.condition_id in unjudged or wanted_from(spans, reached) is None:
            continue
        for series in stored.group.series:
            readers.setdefault(series, []).append(stored)
    wanted: dict[Series, SeriesNeed] = {}
    for series, conditions in readers.items():
        timeframes = frozenset(stored.timeframe for stored in conditions)
        extent = reader.extent(reader.stored(series)) if reader.exists(series) else None
        if extent is None:
            first_ms = _first_open(reader, series, now_ms, _candles_needed(series, conditions))
            waiting = tuple(stored.condition_id for stored in conditions)
            wanted[series] = SeriesNeed(first_ms, timeframes, waiting, is_new=True)
        else:
            kept = reader.stored(series)
            # Several series may be built from one.
            others = wanted[kept].timeframes if kept in wanted else frozenset()
            wanted[kept] = SeriesNeed(extent[1], timeframes | others)
    for series, need in _lived_on(store, reader, wanted, now_ms).items():
        wanted.setdefault(series, need)
    for series, need in _demanded(store, demands, reader, now_ms).items():
        known = wanted.setdefault(series, need)
        if known.is_new and need.since_ms < known.since_ms:
            wanted[series] = replace(known, since_ms=need.since_ms)
    return dict(sorted(wanted.items()))


def _lived_on(store: Store, reader: SeriesReader, wanted: Iterable[Series], now_ms: int) -> dict[Series, SeriesNeed]:
    """What bots need of the series that they live on."""
    instruments = set(map(Instrument.parse, store.bots.instruments()))
    if not instruments:
        return {}
    smallest: dict[Instrument, Series] = {}
    # What is stored counts before what will be.
    stored = store.candles.names()
    for names in (stored, wanted):
        known = set(smallest)
        for series in names:
            instrument = series.instrument
            if instrument in known or instrument not in instruments:
                continue
            best = smallest.get(instrument)
            if best is None or DURATION_MS[series.timeframe] < DURATION_MS[best.timeframe]:
                smallest[instrument] = series
    needs: dict[Series, SeriesNeed] = {}
    extents: dict[str, Mapping[Series, tuple[int, int]]] = {}
    for instrument in instruments:
        series = smallest.get(instrument) or Series(instrument, _WITHOUT_CANDLES)
        if series in stored:
            if series.timeframe not in extents:
                extents[series.timeframe] = store.candles.extent(series.timeframe)
            needs[series] = SeriesNeed(extents[series.timeframe][series][1], frozenset())
        else:
            needs[series] = SeriesNeed(_first_open(reader, series, now_ms, 0), frozenset(), is_new=True)
    return needs


def _demanded(
    store: Store, demands: Sequence[SeriesDemand], reader: SeriesReader, now_ms: int
) -> dict[Series, SeriesNeed]:
    """What is needed of the series that are read through the hub."""
    stored = store.candles.names() if demands else set()
    extents: dict[str, Mapping[Series, tuple[int, int]]] = {}
    needs: dict[Series, SeriesNeed] = {}
    for demand in demands:
        series = demand.series
        if series in stored:
            if series.timeframe not in extents:
                extents[series.timeframe] = store.candles.extent(series.timeframe)
            needs[series] = SeriesNeed(extents[series.timeframe][series][1], frozenset())
        else:
            since_ms = min(demand.since_ms, _first_open(reader, series, now_ms, 0))
            needs[series] = SeriesNeed(since_ms, frozenset(), is_new=True)
    return needs


def _first_open(reader: SeriesReader, series: Series, now_ms: int, needed: int) -> int:
    """From when on a series without candles is fetched of which some are needed."""
    slots = reader.calendars.of(series).slots
    count = max(needed + _MARGIN, _FIRST_CANDLES)
    return slots.open(max(slots.last_closed(now_ms) - count + 1, slots.number(0)))


def _candles_needed(series: Series, conditions: list[StoredCondition]) -> int:
    most = 0
    for stored in conditions:
        try:
            needed = read_condition(stored).needed[series]
        except ConditionError:
            # It is not judged; a tick says so.
            continue
        most = max(most, needed.settle, needed.lookback)
    return most
