"""Which series the hub needs from exchanges, and from when on: what its active conditions read."""

from collections.abc import Mapping
from dataclasses import dataclass

from candles.series import SeriesReader
from common.errors import ConditionError
from registry.activity import wanted_from
from registry.groups import Group, Series
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

_MARGIN = 100
"""Candles of a series without any, beyond those that its conditions need."""
_FIRST_CANDLES = 1_000
"""Candles of such a series at least: they come with one request, and later conditions may look further back."""


@dataclass(frozen=True)
class SeriesNeed:
    """What is needed of one stored series, however many conditions read it."""

    since_ms: int
    """Open time from which candles are lacking: that of the newest one, and otherwise as long ago as indicators need to
    settle."""
    timeframes: frozenset[str]
    """The timeframes of the conditions that read it."""
    waiting: tuple[str, ...] = ()
    """The ids of these conditions, if there are no candles of it yet."""


def wanted_series(store: Store, now_ms: int) -> Mapping[Series, SeriesNeed]:
    """What the active conditions read: stored series, in the order of their names.

    A series without candles of its own that is built from another one needs those of the other one.
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
            slots = reader.calendars.of(series).slots
            count = max(_candles_needed(series, conditions) + _MARGIN, _FIRST_CANDLES)
            first = max(slots.last_closed(now_ms) - count + 1, slots.number(0))
            wanted[series] = SeriesNeed(
                slots.open(first), timeframes, tuple(stored.condition_id for stored in conditions)
            )
        else:
            kept = reader.stored(series)
            # Several series may be built from one.
            others = wanted[kept].timeframes if kept in wanted else frozenset()
            wanted[kept] = SeriesNeed(extent[1], timeframes | others)
    return dict(sorted(wanted.items()))


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
