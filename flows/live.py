"""The warm state of one timeframe: built from the store, and extended by conditions that are registered later.

Building and extending are the same operation: a part with only the new conditions is brought to the close time that its
groups have reached (``flows.part_builder``), and merged into the part where they belong. The rest of the state does not
move.
"""

import logging
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from candles.series import SeriesReader
from common import failpoints
from common.errors import HubError
from engine.blocks import SPARE
from engine.part import Part, PlanGroup
from engine.plan import Plan
from flows.checkpoints import save
from flows.endings import Endings
from flows.isolation import concerns_everybody, find_culprits, judging, reason_for
from flows.part_builder import PartBuilder
from registry.activity import ActiveSpan, wanted_from
from registry.conditions import Condition
from registry.groups import Group, Series
from registry.shards import Shard
from registry.store.parts.registry import StoredCondition, read_condition
from registry.store.parts.ticks import PlanSize
from registry.store.protocol import Store

_log = logging.getLogger(__name__)

_MOST_RETRIED = 16
"""How many groups with conditions in error are tried again at a time, chosen at random so that each gets its turn."""
_EXPIRED_SHARE = 20
"""Plans are made again when more than one in this many conditions has expired."""


@dataclass
class Live:
    """The state of one timeframe, or of a shard of it: equal to what a cold process would build from the store."""

    timeframe: str
    shard: Shard | None
    """``None`` for all instruments."""
    reader: SeriesReader
    rebase: int
    """The last rebase when it was built; after another one the state is built again."""
    registry_version: int = -1
    parts: list[Part] = field(default_factory=list)
    conditions: dict[Group, list[Condition]] = field(default_factory=dict)
    """Group -> its conditions."""
    recorded: dict[Group, int | None] = field(default_factory=dict)
    """Group -> watermark in the store, ``None`` before its first tick."""
    anchors: dict[Series, int] = field(default_factory=dict)
    """Anchors of series that the store does not know yet."""
    activity: dict[str, Sequence[ActiveSpan]] = field(default_factory=dict)
    """Condition id -> the spans in which candles have to close to trigger it."""
    in_error: set[str] = field(default_factory=set)
    """Ids of conditions that would be judged if they could."""
    absent: set[Series] = field(default_factory=set)
    """Series without candles that conditions wait for."""
    versions: dict[Group, tuple[frozenset[Series], int]] = field(default_factory=dict)
    """Group that has seen candles without a tick -> those of its series whose candles may still change, and the version
    of these candles from which its state was built."""
    ticks_since_checkpoint: int = 0
    _waiting: dict[str, StoredCondition | Condition] = field(default_factory=dict)
    """Condition id -> a condition that may have to be judged, and is not among ``conditions``."""
    _endings: Endings = field(default_factory=Endings)
    _subscribers: dict[str, int] = field(default_factory=dict)
    _subscriptions: dict[Plan, NDArray[np.int64]] = field(default_factory=dict)
    _size: tuple[tuple[tuple[Plan, int], ...], PlanSize] | None = None
    """The plans with the number of their conditions, and what they consist of."""

    def size(self) -> PlanSize:
        """What the plans of its parts consist of, each thing once."""
        plans = tuple((part.plan, len(part.plan.conditions)) for part in self.parts)
        if self._size is None or self._size[0] != plans:
            indicators = {
                (block.computation, plan.series[lane])
                for plan, _ in plans
                for block in plan.indicators
                for lane in block.series
                if lane != SPARE
            }
            series = {each for plan, _ in plans for each in plan.series}
            size = PlanSize(sum(count for _, count in plans), len(indicators), len(series))
            self._size = plans, size
        return self._size[1]

    def subscriptions(self, plan: Plan) -> NDArray[np.int64]:
        """Active subscriptions of a plan's conditions."""
        counts = self._subscriptions.get(plan, np.zeros(0, np.int64))
        if counts.size < len(plan.conditions):
            more = [self._subscribers.get(condition.id, 0) for condition in plan.conditions[counts.size :]]
            counts = self._subscriptions[plan] = np.concatenate([counts, np.array(more, np.int64)])
        return counts

    def note_recorded(self, group: Group, close_ms: int) -> None:
        """Note that a tick of a group is in the store, so that the candles it was judged from no longer change."""
        self.recorded[group] = close_ms
        self.versions.pop(group, None)

    def save_checkpoint(self, store: Store) -> None:
        """Save the indicators' states for a cold process."""
        failpoints.reach("before_checkpoint")
        owner = f"{self.timeframe} {'0/1' if self.shard is None else self.shard.number}"
        save(store, owner, self.parts, self.versions, self.rebase)
        self.ticks_since_checkpoint = 0

    def grow(self, store: Store) -> None:
        """Take in conditions that were registered, or whose series got their first candles, since the last call.

        A condition that cannot be read or planned becomes an error of its own, and the others are taken in without it.
        """
        while errors := self._take_in_fresh(store):
            if not _report(store, errors) and not errors.keys() <= store.registry.unjudged().keys():
                raise next(iter(errors.values()))

    def isolate(self, store: Store, groups: Collection[Group], now_ms: int) -> bool:
        """Find the conditions of some groups because of which a slot could not be judged, and report them as errors.

        Returns whether there are any that were none before. The state is of no use afterwards.
        """
        marks = store.ticks.watermarks(self.timeframe)
        conditions: dict[Group, list[Condition]] = {}
        for group in groups:
            wanted = [each for each in self.conditions[group] if self._is_wanted(each.id, marks.get(group))]
            if wanted:
                conditions[group] = wanted
        reached = {group: self._start_of(group, members, marks.get(group)) for group, members in conditions.items()}
        culprits = find_culprits(conditions, judging(store, self.reader, self.anchors, reached, now_ms))
        return bool(_report(store, {condition.id: error for condition, error in culprits.items()}))

    def _take_in_fresh(self, store: Store) -> dict[str, Exception]:
        """One round of :meth:`grow`: condition id -> why it cannot be taken in. The rest follows in the next round."""
        errors: dict[str, Exception] = {}
        self._follow(store)
        if not self._waiting:
            self.absent = set()
            return errors
        self.reader = SeriesReader.of(store)
        marks, known = store.ticks.watermarks(self.timeframe), store.ticks.anchors()
        fresh = self._fresh_conditions(store, marks, errors)
        if errors:
            return errors
        homes = {member.group: part for part in self.parts for member in part.groups}
        alone: dict[Group, int] = {}
        together: dict[tuple[Part | None, int], dict[Group, int]] = {}
        for group, reached in self._starts(fresh, homes, marks, known, errors).items():
            if len(group.series) == 1:
                alone[group] = reached
            else:
                home = homes.get(group) or self._part_at(reached)
                together.setdefault((home, reached), {})[group] = reached
        if errors:
            return errors
        rounds = [(home, groups) for (home, _), groups in together.items()]
        if alone:
            rounds.insert(0, (next((part for part in self.parts if part.is_alone), None), alone))
        for home, groups in rounds:
            # Before the state is built: candles that come meanwhile count as changed.
            versions = {
                group: self._version_of(store, group, reached, marks)
                for group, reached in groups.items()
                if group not in homes and reached != marks.get(group)
            }
            errors |= self._take_in(store, home, groups, fresh)
            if errors:
                return errors
            self.versions |= versions
            for group in groups:
                self.conditions.setdefault(group, []).extend(fresh[group])
                for condition in fresh[group]:
                    del self._waiting[condition.id]
                    self._endings.note(condition.id, group, self.activity[condition.id])
                if group not in homes:
                    self.recorded[group] = marks.get(group)
        return errors

    def _follow(self, store: Store) -> None:
        """Take over what changed in the registry since the last call."""
        changes = store.registry.changes_after(self.registry_version, self.timeframe, self.shard)
        self.registry_version = changes.version
        self.activity |= changes.activity
        if changes.is_complete:
            self.in_error.clear()
            self._subscribers = {each: count for each, count in changes.subscribers.items() if count}
            self._subscriptions.clear()
            gone = self._endings.groups.keys() - changes.activity.keys()
            self.activity |= {condition_id: store.registry.activity_of(condition_id) for condition_id in gone}
        else:
            self._count_subscribers(changes.subscribers)
        for stored in changes.conditions:
            if stored.condition_id in self._endings.groups:
                self._endings.note(stored.condition_id, stored.group, self.activity[stored.condition_id])
            else:
                self._waiting[stored.condition_id] = stored

    def _count_subscribers(self, subscribers: Mapping[str, int]) -> None:
        plans = {part.plan for part in self.parts}
        self._subscriptions = {plan: counts for plan, counts in self._subscriptions.items() if plan in plans}
        for condition_id, count in subscribers.items():
            self._subscribers[condition_id] = count
            for plan, counts in self._subscriptions.items():
                position = plan.find(condition_id)
                if position is not None and position < counts.size:
                    counts[position] = count

    def _starts(
        self,
        fresh: Mapping[Group, Sequence[Condition]],
        homes: Mapping[Group, Part],
        marks: Mapping[Group, int],
        known: Collection[Series],
        errors: dict[str, Exception],
    ) -> dict[Group, int]:
        """The close time that each group has reached; ``known`` are the series with an anchor.

        Conditions whose series cannot be read are added to ``errors``, unless no series can.
        """
        starts: dict[Group, int] = {}
        for group, added in fresh.items():
            try:
                self.anchors |= {each: self.reader.first(each) or 0 for each in group.series if each not in known}
                starts[group] = (
                    homes[group].reached[group] if group in homes else self._start_of(group, added, marks.get(group))
                )
            except Exception as error:
                if concerns_everybody(error):
                    raise
                errors |= {condition.id: error for condition in added}
        if errors and not starts and len({group.base for group in fresh}) > 1:
            raise next(iter(errors.values()))
        return starts

    def _start_of(self, group: Group, conditions: Iterable[Condition], watermark: int | None) -> int:
        """The close time from which a group is judged: its watermark, or later if none of its conditions was wanted
        for a while."""
        starts = [wanted_from(self.activity[condition.id], watermark) for condition in conditions]
        wanted = min(start for start in starts if start is not None)
        if watermark == wanted:
            return wanted
        return max(watermark or 0, _first_watermark(self.reader, group.base, wanted))

    def outdated(self, store: Store) -> set[Group]:
        """Groups whose state was built from candles that have changed since, or would by now be built from others.

        Only groups that wait for their first tick can be among them: what has been judged no longer changes.
        """
        now = SeriesReader.of(store) if self.anchors else self.reader
        other = {
            series
            for series in self.anchors
            if now.source(series) != self.reader.source(series)
            or now.calendars.grid(series) != self.reader.calendars.grid(series)
        }
        return {
            group
            for group, (series, version) in self.versions.items()
            if self._candle_version(store, series) != version or not other.isdisjoint(group.series)
        }

    def drop(self, groups: Collection[Group]) -> None:
        """Forget what is known about some groups, so that :meth:`grow` builds them again; the others stay as they
        are."""
        for part in list(self.parts):
            leaving = groups & part.reached.keys()
            if leaving:
                self.parts.remove(part)
                if staying := part.reached.keys() - leaving:
                    self.parts.append(part.carve(staying))
        for group in groups:
            for condition in self.conditions.get(group, ()):
                self._waiting[condition.id] = condition
                self._endings.forget(condition.id)
            for known in (self.conditions, self.recorded, self.versions):
                known.pop(group, None)
        read = {series for group in self.conditions for series in group.series}
        self.anchors = {series: anchor for series, anchor in self.anchors.items() if series in read}

    def _version_of(
        self, store: Store, group: Group, reached: int, marks: Mapping[Group, int]
    ) -> tuple[frozenset[Series], int]:
        """What is kept in ``versions`` for a group that waits for its first tick."""
        series = self._changeable(group, reached, marks)
        return series, self._candle_version(store, series)

    def _changeable(self, group: Group, reached: int, marks: Mapping[Group, int]) -> frozenset[Series]:
        """The series of a group whose candles up to ``reached`` may still change: those that no group has judged so
        far. A live series that a waiting group reads is not among them, although it gets candles all the time."""
        judged = {series for other, mark in marks.items() if mark >= reached for series in other.series}
        return frozenset(group.series) - judged

    def _candle_version(self, store: Store, series: Collection[Series]) -> int:
        """A number that changes with the candles of some series."""
        return store.candles.version({self.reader.stored(each) for each in series}) if series else 0

    def split(self, part: Part, movers: Iterable[PlanGroup]) -> Part:
        """Split a part into the groups that can move and those that cannot; returns the part of the movers."""
        moving = {member.group for member in movers}
        self.parts.remove(part)
        halves = [part.carve(half) for half in (moving, part.reached.keys() - moving)]
        self.parts += halves
        return halves[0]

    def is_mostly_expired(self) -> bool:
        """Whether so many conditions have expired that planning without them pays; their triggers do not count."""
        return self._endings.expired(self.activity, self.recorded) * _EXPIRED_SHARE > len(self._endings.groups)

    def _fresh_conditions(
        self, store: Store, marks: Mapping[Group, int], errors: dict[str, Exception]
    ) -> dict[Group, list[Condition]]:
        """Group -> conditions that are wanted, not here yet, and whose series all have candles.

        Those that cannot be read are added to ``errors``. What is not wanted, or in error, is told again when that
        changes.
        """
        unjudged = store.registry.unjudged()
        fresh: dict[Group, list[Condition]] = {}
        lacking: dict[Group, set[Series]] = {}
        for condition_id, waiting in list(self._waiting.items()):
            group = waiting.group
            is_wanted = self._is_wanted(condition_id, marks.get(group))
            self.in_error.discard(condition_id)
            if is_wanted and condition_id in unjudged and unjudged[condition_id].state == "err":
                self.in_error.add(condition_id)
            if condition_id in unjudged or not is_wanted:
                del self._waiting[condition_id]
                continue
            try:
                if group not in lacking:
                    lacking[group] = {series for series in group.series if not self.reader.exists(series)}
                if not lacking[group]:
                    condition = waiting if isinstance(waiting, Condition) else read_condition(waiting)
                    fresh.setdefault(group, []).append(condition)
            except Exception as error:
                if concerns_everybody(error):
                    raise
                errors[condition_id] = error
        self.absent = {series for missing in lacking.values() for series in missing}
        return fresh

    def _is_wanted(self, condition_id: str, watermark: int | None) -> bool:
        """Whether a condition has candles to be judged on after its group's watermark."""
        spans = self.activity.get(condition_id)
        return spans is not None and wanted_from(spans, watermark) is not None

    def _part_at(self, reached: int) -> Part | None:
        """A part whose groups move together and have all reached the given close time."""
        return next(
            (part for part in self.parts if not part.is_alone and set(part.reached.values()) == {reached}), None
        )

    def _take_in(
        self, store: Store, home: Part | None, reached: Mapping[Group, int], conditions: Mapping[Group, list[Condition]]
    ) -> dict[str, Exception]:
        """Take in groups, or return why some of their conditions keep them from being taken in."""
        try:
            fresh = self._build(store, reached, conditions)
        except Exception as error:
            if concerns_everybody(error):
                raise
            builder = PartBuilder(store, self.reader, self.anchors)
            culprits = find_culprits(
                {group: conditions[group] for group in reached},
                lambda some: builder.build({group: reached[group] for group in some}, some),
            )
            if not culprits:
                raise
            return {condition.id: each for condition, each in culprits.items()}
        if home is None:
            self.parts.append(fresh)
        else:
            home.adopt(fresh)
        return {}

    def _build(self, store: Store, reached: Mapping[Group, int], conditions: Mapping[Group, list[Condition]]) -> Part:
        return PartBuilder(store, self.reader, self.anchors).build(reached, conditions)


def retry_errors(store: Store, timeframe: str, now_ms: int) -> None:
    """Try conditions in error again: those that can be judged by now are judged from where they stopped."""
    in_error = {condition_id for condition_id, why in store.registry.unjudged().items() if why.state == "err"}
    if not in_error:
        return
    groups: dict[Group, list[StoredCondition]] = {}
    for stored in store.registry.conditions(timeframe):
        if stored.condition_id in in_error:
            groups.setdefault(stored.group, []).append(stored)
    marks, reader = store.ticks.watermarks(timeframe), SeriesReader.of(store)
    recovered: list[str] = []
    # Those without candles wait for ingest, which knows why there are none.
    judgeable = [group for group in groups if all(map(reader.exists, group.series))]
    for group in random.sample(judgeable, min(_MOST_RETRIED, len(judgeable))):
        since_ms = min(each.active_from_ms for each in groups[group])
        readable: dict[str, Condition] = {}
        for each in groups[group]:
            try:
                readable[each.condition_id] = read_condition(each)
            except HubError:
                continue
        if not readable:
            continue
        try:
            anchors = {series: reader.first(series) or 0 for series in group.series}
            reached = marks.get(group) or _first_watermark(reader, group.base, since_ms)
            judging(store, reader, anchors, {group: reached}, now_ms)({group: list(readable.values())})
        except Exception as error:
            if concerns_everybody(error):
                raise
        else:
            recovered += readable
    if recovered:
        store.registry.report_errors({}, recovered)
        _log.warning("conditions that were in error can be judged again: %s", ", ".join(sorted(recovered)))


def _report(store: Store, errors: Mapping[str, Exception]) -> list[str]:
    """Have errors kept in the store, where the conditions' status tells them; those that are new are logged, once."""
    fresh = store.registry.report_errors({each: reason_for(error) for each, error in errors.items()}) if errors else []
    for condition_id in fresh:
        error = errors[condition_id]
        known = isinstance(error, HubError)
        _log.error("condition %s is not judged: %s", condition_id, error, exc_info=None if known else error)
    return fresh


def _first_watermark(reader: SeriesReader, base: Series, active_from_ms: int) -> int:
    """The close of the last candle that had closed when the first condition of a group became active.

    Earlier candles provide values and the truth one step before, but never trigger. Without any, judging starts with
    the first candle.
    """
    calendar = reader.calendar(base)
    closed: pl.DataFrame = reader.last(base, calendar.last_open(active_from_ms) + 1, 1)
    if closed.is_empty():
        return reader.first(base) or 0
    return calendar.close(int(closed["open_time"].dt.epoch("ms")[0]))
