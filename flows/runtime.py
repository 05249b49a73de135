"""What a flow run works with: store, event log, clock, and the warm state of the timeframes judged here."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from events.log import EventLog
from events.opening import open_log
from flows.activity import wanted_from
from flows.calendars import calendar_of
from flows.candles.reader import SeriesReader
from flows.part import Group, Part
from flows.plan import Plan, make_plan
from registry.clock import Clock, SystemClock
from registry.conditions import Condition
from registry.expression import Series
from registry.settings import Settings, load_settings
from registry.store import open_store
from registry.store.protocol import Store
from registry.store.records import ActiveSpan, series_of
from registry.timeframes import DURATION_MS

_EXPIRED_SHARE = 20
"""Plans are made anew when more than one in so many conditions has expired."""

Key = tuple[str, int, int]
"""Timeframe, shard, number of shards."""


@dataclass
class Live:
    """The warm state of one timeframe: equal to what a cold process would build from the store."""

    timeframe: str
    registry_version: int
    parts: list[Part]
    conditions: Mapping[str, Sequence[Condition]]
    """Group -> its conditions."""
    recorded: dict[str, int | None]
    """Group -> watermark in the store, ``None`` before its first tick."""
    anchors: dict[str, int]
    """Anchors of series that the store does not know yet."""
    subscribers: Mapping[str, int]
    """Condition id -> active subscriptions."""
    activity: Mapping[str, Sequence[ActiveSpan]]
    """Condition id -> when candles have to close to trigger it."""
    reader: SeriesReader
    absent: set[str]
    """Series without candles that conditions wait for."""
    versions: Mapping[str, int]
    """Group without a tick -> version of the candles that its state was built from."""
    rebase: int
    """The last rebase when it was built."""

    def subscriptions(self, plan: Plan) -> NDArray[np.int64]:
        """Active subscriptions of a plan's conditions."""
        return np.array([self.subscribers.get(condition.id, 0) for condition in plan.conditions], np.int64)


@dataclass
class Runtime:
    """Everything that flow runs of this process share."""

    store: Store
    log: EventLog
    clock: Clock
    live: dict[Key, Live] = field(default_factory=dict)

    def prepare(self, timeframe: str, shard: int, shards: int) -> Live:
        """The state at the stored watermarks, kept from the run before where nothing has changed."""
        key = (timeframe, shard, shards)
        held = self.live.get(key)
        if held is None or not self._is_valid(held):
            self.live.pop(key, None)
            held = self.live[key] = _build(self.store, timeframe, shard, shards)
        return held

    def forget(self, timeframe: str, shard: int, shards: int) -> None:
        """Drop a state that may have moved beyond what was recorded."""
        self.live.pop((timeframe, shard, shards), None)

    def split(self, live: Live, part: Part, movers: Sequence[Group]) -> Part:
        """Part groups that can move from those that cannot; the part of the movers."""
        names = {group.name for group in movers}
        live.parts.remove(part)
        halves = [
            _make_part(self.store, live, {name: part.reached[name] for name in held})
            for held in (names, set(part.reached) - names)
        ]
        live.parts += halves
        return halves[0]

    def _is_valid(self, held: Live) -> bool:
        marks = self.store.ticks.watermarks(held.timeframe)
        return (
            held.registry_version == self.store.registry.version()
            and held.rebase == self.store.ticks.last_rebase()
            and all(marks.get(group) == mark for group, mark in held.recorded.items())
            and not self._has_other_candles(held)
            and not _is_mostly_expired(held)
        )

    def _has_other_candles(self, held: Live) -> bool:
        """Whether a group can be judged that had no candles, or began on candles that have changed since.

        Once a group has a tick, what it was judged from stays.
        """
        first = [group for group, mark in held.recorded.items() if mark is None]
        changed = any(_version(self.store, held.reader, group) != held.versions[group] for group in first)
        return changed or (bool(held.absent) and any(map(SeriesReader.of(self.store).exists, held.absent)))


_current: list[Runtime] = []


@contextmanager
def use_runtime(runtime: Runtime) -> Iterator[Runtime]:
    """Let the flow runs of this process work with ``runtime``."""
    _current.append(runtime)
    try:
        yield runtime
    finally:
        _current.remove(runtime)


def current_runtime() -> Runtime:
    """The runtime in use; raises ``LookupError`` outside :func:`use_runtime`."""
    if not _current:
        raise LookupError("no runtime: flow runs work inside `with use_runtime(...)` or `with open_runtime(...)`")
    return _current[-1]


@contextmanager
def open_runtime(settings: Settings | None = None, clock: Clock | None = None) -> Iterator[Runtime]:
    """Open the store and the event log that the settings name, and use them; closed in the reverse order."""
    settings = settings or load_settings()
    clock = clock or SystemClock()
    with (
        open_store(settings.resolved_store_url, clock=clock) as store,
        open_log(settings) as log,
        use_runtime(Runtime(store, log, clock)) as runtime,
    ):
        yield runtime


def _build(store: Store, timeframe: str, shard: int, shards: int) -> Live:
    version, rebase = store.registry.version(), store.ticks.last_rebase()
    stored = {held.condition_id: held for held in store.registry.conditions(timeframe)}
    reader, activity, marks = SeriesReader.of(store), store.registry.activity(), store.ticks.watermarks(timeframe)
    groups: dict[str, list[Condition]] = {}
    absent: set[str] = set()
    for registered in stored.values():
        if wanted_from(activity[registered.condition_id], marks.get(registered.group_key)) is None:
            continue
        condition = Condition.from_canonical(registered.canonical)
        if _shard_of(condition, shards) != shard:
            continue
        if missing := {str(series) for series in condition.all_series if not reader.exists(str(series))}:
            absent |= missing
        else:
            groups.setdefault(condition.group, []).append(condition)
    known = store.ticks.anchors()
    every = {series for held in groups.values() for condition in held for series in condition.all_series}
    live = Live(
        timeframe=timeframe,
        registry_version=version,
        parts=[],
        conditions=groups,
        recorded={name: marks.get(name) for name in groups},
        anchors={str(series): reader.first(str(series)) or 0 for series in every if str(series) not in known},
        subscribers=store.registry.subscribers(),
        activity=activity,
        reader=reader,
        absent=absent,
        versions={name: _version(store, reader, name) for name in groups if name not in marks},
        rebase=rebase,
    )
    alone: dict[str, int] = {}
    together: dict[int, dict[str, int]] = {}
    for name, held in groups.items():
        base = held[0].series
        judged = marks.get(name)
        starts = [wanted_from(activity[condition.id], judged) for condition in held]
        wanted = min(start for start in starts if start is not None)
        # A group of which nothing was wanted for a while goes on where something is wanted again.
        reached = judged if judged == wanted else max(judged or 0, _first_watermark(reader, base, wanted))
        if len(held[0].all_series) == 1:
            alone[name] = reached
        else:
            together.setdefault(reached, {})[name] = reached
    live.parts = [_make_part(store, live, reached) for reached in (alone, *together.values()) if reached]
    return live


def _make_part(store: Store, live: Live, reached: Mapping[str, int]) -> Part:
    plan = make_plan(condition for name in reached for condition in live.conditions[name])
    calendars = store.candles.calendars()
    known = store.ticks.anchors()
    until = max(reached.values())
    histories = {}
    for series in plan.series:
        name = str(series)
        anchor = known.get(name, live.anchors.get(name, 0))
        histories[name] = live.reader.between(name, anchor, until - DURATION_MS[series.timeframe] + 1)
        if histories[name].is_empty():
            # Its first candle is still to come; the part has to know when that is.
            histories[name] = live.reader.between(name, anchor, anchor + 1)
    index = {series: position for position, series in enumerate(plan.series)}
    return Part(
        plan,
        [make_group(live.conditions[name][0], index) for name in sorted(reached)],
        reached,
        [calendar_of(series, calendars) for series in plan.series],
        histories,
    )


def make_group(condition: Condition, index: Mapping[Series, int]) -> Group:
    """The group of a condition in a plan with the series at ``index``."""
    return Group(condition.group, index[condition.series], tuple(index[series] for series in condition.all_series))


def _is_mostly_expired(held: Live) -> bool:
    """Whether enough conditions are judged in vain that planning again pays; their triggers do not count anyway."""
    conditions = [(name, condition.id) for name, group in held.conditions.items() for condition in group]
    expired = sum(wanted_from(held.activity[one], held.recorded[name]) is None for name, one in conditions)
    return expired * _EXPIRED_SHARE > len(conditions)


def _version(store: Store, reader: SeriesReader, group: str) -> int:
    return store.candles.version({reader.stored(series) for series in series_of(group)})


def _first_watermark(reader: SeriesReader, base: Series, active_from_ms: int) -> int:
    """The last candle that had closed when the first condition of a group became active.

    Older candles give values and the truth before, never triggers. With none the first candle is judged.
    """
    length = DURATION_MS[base.timeframe]
    closed = reader.last(str(base), active_from_ms - length + 1, 1)
    if closed.is_empty():
        return reader.first(str(base)) or 0
    return int(closed["open_time"].dt.epoch("ms")[0]) + length


def _shard_of(condition: Condition, shards: int) -> int:
    return zlib.crc32(str(condition.series.instrument).encode()) % shards
