"""The warm state of one timeframe: built from the store, and grown by conditions that are registered later.

Building and growing are one thing: a part of the new conditions alone is brought to where its groups are, and taken in
by the part that they belong to. What is there already does not move. A series' indicators come from the newest
checkpoint that leaves enough candles to repeat, or else from the candles since its anchor; the bits are the same.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.series import SeriesReader
from common import failpoints
from common.timeframes import DURATION_MS
from engine.calendars import calendar_of
from engine.part import Part, PlanGroup, Repeats, SeriesHistory
from engine.plan import Plan, make_plan
from flows.checkpoints import Checkpoints, save
from registry.activity import ActiveSpan, wanted_from
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.store.protocol import Store

_EXPIRED_SHARE = 20
"""Plans are made anew when more than one in so many conditions has expired."""


@dataclass
class Live:
    """The state of one timeframe's shard: equal to what a cold process would build from the store."""

    timeframe: str
    shard: int
    shards: int
    reader: SeriesReader
    rebase: int
    """The last rebase when it was built: a series that starts anew is built anew."""
    registry_version: int = -1
    parts: list[Part] = field(default_factory=list)
    conditions: dict[Group, list[Condition]] = field(default_factory=dict)
    """Group -> its conditions."""
    recorded: dict[Group, int | None] = field(default_factory=dict)
    """Group -> watermark in the store, ``None`` before its first tick."""
    anchors: dict[Series, int] = field(default_factory=dict)
    """Anchors of series that the store does not know yet."""
    activity: Mapping[str, Sequence[ActiveSpan]] = field(default_factory=dict)
    """Condition id -> when candles have to close to trigger it."""
    absent: set[Series] = field(default_factory=set)
    """Series without candles that conditions wait for."""
    versions: dict[Group, int] = field(default_factory=dict)
    """Group that has seen candles without a tick -> version of the candles that its state was built from."""
    ticks_since_checkpoint: int = 0
    _ending: list[tuple[Group, str]] = field(default_factory=list)
    """(group, condition id) of those that are judged for a grace time only."""
    _subscribers: Mapping[str, int] = field(default_factory=dict)
    _subscriptions: dict[Plan, NDArray[np.int64]] = field(default_factory=dict)

    def subscriptions(self, plan: Plan) -> NDArray[np.int64]:
        """Active subscriptions of a plan's conditions."""
        if plan not in self._subscriptions:
            counts = [self._subscribers.get(condition.id, 0) for condition in plan.conditions]
            self._subscriptions[plan] = np.array(counts, np.int64)
        return self._subscriptions[plan]

    def note_recorded(self, group: Group, close_ms: int) -> None:
        """A tick of a group is in the store: what it was judged from stays."""
        self.recorded[group] = close_ms
        self.versions.pop(group, None)

    def save_checkpoint(self, store: Store) -> None:
        """Keep the indicators' state for a cold process."""
        failpoints.reach("before_checkpoint")
        save(store, f"{self.timeframe} {self.shard}/{self.shards}", self.parts, self.versions, self.rebase)
        self.ticks_since_checkpoint = 0

    def grow(self, store: Store) -> None:
        """Take in the conditions that were registered, or whose series got candles, since the last look."""
        self.registry_version = store.registry.version()
        self.reader = SeriesReader.of(store)
        self._subscribers, self._subscriptions = store.registry.subscribers(), {}
        self.activity = store.registry.activity()
        marks, known = store.ticks.watermarks(self.timeframe), store.ticks.anchors()
        fresh = self._fresh_conditions(store, marks)
        every = {series for held in fresh.values() for condition in held for series in condition.all_series}
        self.anchors |= {name: self.reader.first(name) or 0 for name in every if name not in known}
        homes = {group.name: part for part in self.parts for group in part.groups}
        alone: dict[Group, int] = {}
        together: dict[tuple[Part | None, int], dict[Group, int]] = {}
        for name, held in fresh.items():
            base = held[0].series
            if name in homes:
                reached = homes[name].reached[name]
            else:
                judged = marks.get(name)
                starts = [wanted_from(self.activity[condition.id], judged) for condition in held]
                wanted = min(start for start in starts if start is not None)
                # A group of which nothing was wanted for a while goes on where something is wanted again.
                reached = judged if judged == wanted else max(judged or 0, _first_watermark(self.reader, base, wanted))
            if name not in homes:
                self.recorded[name] = marks.get(name)
                if reached != self.recorded[name]:
                    self.versions[name] = self.candle_version(store, name)
            if len(held[0].all_series) == 1:
                alone[name] = reached
            else:
                home = homes.get(name) or self._part_at(reached)
                together.setdefault((home, reached), {})[name] = reached
        if alone:
            self._take_in(store, next((part for part in self.parts if part.is_alone), None), alone, fresh)
        for (home, _), groups in together.items():
            self._take_in(store, home, groups, fresh)
        for name, held in fresh.items():
            self.conditions.setdefault(name, []).extend(held)
        self._ending = [
            (name, condition.id)
            for name, held in self.conditions.items()
            for condition in held
            if self.activity[condition.id][-1].until_ms is not None
        ]

    def is_made_otherwise(self, store: Store) -> bool:
        """Whether a series without an anchor would by now be read from other candles than its state was."""
        if not self.anchors:
            return False
        now = SeriesReader.of(store)
        return any(now.source(name) != self.reader.source(name) for name in self.anchors)

    def candle_version(self, store: Store, group: Group) -> int:
        """A number that changes with the candles of a group's series."""
        return store.candles.version({self.reader.stored(series) for series in group.series})

    def split(self, store: Store, part: Part, movers: Iterable[PlanGroup]) -> Part:
        """Part groups that can move from those that cannot; the part of the movers."""
        names = {group.name for group in movers}
        self.parts.remove(part)
        halves = [
            self._make_part(store, {name: part.reached[name] for name in held}, self.conditions)
            for held in (names, set(part.reached) - names)
        ]
        self.parts += halves
        return halves[0]

    def is_mostly_expired(self) -> bool:
        """Whether enough conditions are judged in vain that planning again pays; their triggers do not count anyway."""
        expired = sum(wanted_from(self.activity[one], self.recorded[name]) is None for name, one in self._ending)
        return expired * _EXPIRED_SHARE > sum(map(len, self.conditions.values()))

    def _fresh_conditions(self, store: Store, marks: Mapping[Group, int]) -> dict[Group, list[Condition]]:
        """Group -> conditions of this shard that are wanted, are not here yet, and whose series have candles."""
        here = {condition.id for held in self.conditions.values() for condition in held}
        found: dict[Group, list[Condition]] = {}
        self.absent = set()
        for registered in store.registry.conditions(self.timeframe):
            if registered.condition_id in here:
                continue
            # One that was registered since the look at the activity is taken in next time: the version has moved.
            spans = self.activity.get(registered.condition_id)
            if spans is None or wanted_from(spans, marks.get(registered.group)) is None:
                continue
            condition = Condition.from_canonical(registered.canonical)
            if _shard_of(condition, self.shards) != self.shard:
                continue
            if missing := {series for series in condition.all_series if not self.reader.exists(series)}:
                self.absent |= missing
            else:
                found.setdefault(condition.group, []).append(condition)
        return found

    def _part_at(self, reached: int) -> Part | None:
        """A part of groups that move together and have all reached a time."""
        return next(
            (part for part in self.parts if not part.is_alone and set(part.reached.values()) == {reached}), None
        )

    def _take_in(
        self, store: Store, home: Part | None, reached: Mapping[Group, int], conditions: Mapping[Group, list[Condition]]
    ) -> None:
        fresh = self._make_part(store, reached, conditions)
        if home is None:
            self.parts.append(fresh)
        else:
            home.adopt(fresh)

    def _make_part(
        self, store: Store, reached: Mapping[Group, int], conditions: Mapping[Group, list[Condition]]
    ) -> Part:
        plan = make_plan(condition for name in reached for condition in conditions[name])
        index = {series: position for position, series in enumerate(plan.series)}
        groups = [make_group(conditions[name][0], index) for name in sorted(reached)]
        calendars = store.candles.calendars()
        return Part(
            plan,
            groups,
            reached,
            [calendar_of(series, calendars) for series in plan.series],
            self._histories(store, plan, groups, reached),
        )

    def _histories(
        self, store: Store, plan: Plan, groups: Iterable[PlanGroup], reached: Mapping[Group, int]
    ) -> dict[Series, SeriesHistory]:
        """The candles since a checkpoint, or since the anchor where there is none that serves."""
        known, until = store.ticks.anchors(), max(reached.values())
        anchors = [known.get(name, self.anchors.get(name, 0)) for name in plan.series]
        checkpoints = Checkpoints(store, plan)
        ends = [until] * len(plan.series)
        for group in groups:
            ends[group.base] = reached[group.name]
        histories = [
            self._history(position, plan, anchor, end, checkpoints)
            for position, (anchor, end) in enumerate(zip(anchors, ends, strict=True))
        ]
        while True:
            bases = {group.base for group in groups}
            short = Repeats(plan, bases, ends, [held.candles for held in histories]).short
            again = [position for position, held in enumerate(histories) if short[position] and held.past]
            if not again:
                return dict(zip(plan.series, histories, strict=True))
            for position in again:
                histories[position] = self._history(
                    position, plan, anchors[position], ends[position], checkpoints, older=histories[position]
                )

    def _history(
        self,
        position: int,
        plan: Plan,
        anchor: int,
        end: int,
        checkpoints: Checkpoints,
        older: SeriesHistory | None = None,
    ) -> SeriesHistory:
        """From the newest checkpoint, or one older than that of ``older``, on."""
        series = plan.series[position]
        before = end if older is None or older.past is None else older.past.open_ms + DURATION_MS[series.timeframe] - 1
        past = checkpoints.of(position, anchor, before)
        start = anchor if past is None else past.open_ms + 1
        candles = self.reader.between(series, start, end - DURATION_MS[series.timeframe] + 1)
        return SeriesHistory(anchor, candles, past)


def make_group(condition: Condition, index: Mapping[Series, int]) -> PlanGroup:
    """The group of a condition in a plan with the series at ``index``."""
    return PlanGroup(condition.group, index[condition.series], tuple(index[series] for series in condition.all_series))


def _first_watermark(reader: SeriesReader, base: Series, active_from_ms: int) -> int:
    """The last candle that had closed when the first condition of a group became active.

    Older candles give values and the truth before, never triggers. With none the first candle is judged.
    """
    length = DURATION_MS[base.timeframe]
    closed: pl.DataFrame = reader.last(base, active_from_ms - length + 1, 1)
    if closed.is_empty():
        return reader.first(base) or 0
    return int(closed["open_time"].dt.epoch("ms")[0]) + length


def _shard_of(condition: Condition, shards: int) -> int:
    return zlib.crc32(str(condition.series.instrument).encode()) % shards
