"""Which series the hub needs from exchanges, and from when on: what its active conditions read."""

from collections.abc import Mapping

from candles.series import SeriesReader
from common.errors import ConditionError
from registry.activity import wanted_from
from registry.groups import Group, Series
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.protocol import Store

_MARGIN = 100
"""Candles of a series without any, beyond those that its conditions need."""


def wanted_series(store: Store, now_ms: int, timeframe: str | None = None) -> Mapping[Series, int]:
    """Series to fetch -> the open time from which candles are lacking, each once, however many conditions read it.

    With ``timeframe``, only what the conditions of that timeframe read.

    It is the newest stored candle of a series that has candles, of the series that it is built from if it has none of
    its own, and otherwise as long ago as indicators need to settle.
    """
    reader = SeriesReader.of(store)
    activity, unjudged = store.registry.activity(), store.registry.unjudged()
    marks: dict[str, Mapping[Group, int]] = {}
    wanted: dict[Series, int] = {}
    absent: dict[Series, list[StoredCondition]] = {}
    for stored in store.registry.conditions(timeframe):
        reached = marks.setdefault(stored.timeframe, store.ticks.watermarks(stored.timeframe)).get(stored.group)
        spans = activity.get(stored.condition_id, ())
        if stored.condition_id in unjudged or wanted_from(spans, reached) is None:
            continue
        for series in stored.group.series:
            extent = reader.extent(reader.stored(series)) if reader.exists(series) else None
            if extent is not None:
                wanted[reader.stored(series)] = extent[1]
            else:
                absent.setdefault(series, []).append(stored)
    for series, conditions in absent.items():
        slots = reader.calendars.of(series).slots
        wanted[series] = slots.open(slots.last_closed(now_ms) - _candles_needed(series, conditions) - _MARGIN)
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
