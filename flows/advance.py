"""Advances the watermarks of one timeframe to a tick: every missed candle in order, one recorded tick for each slot.

Run twice, or by two workers at once, it does the work once: the store accepts a tick only if it starts from the stored
watermarks. Run late, it judges everything that was missed and marks it as late. Killed at any point, it continues from
the last recorded tick.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from candles.holes import holes_among
from common import failpoints
from common.errors import EventLogAhead, EventLogError, StaleTick
from common.grids import UTC_GRID
from common.timeframes import DURATION_MS, show_time
from engine.counting import COUNTS, count_move
from engine.evaluate import FiredCondition
from engine.part import Part, PlanGroup
from events.log.publisher import drain
from flows.checkpoints import CHECKPOINT_TICKS
from flows.isolation import concerns_everybody
from flows.live import Live
from flows.runtime import Runtime
from flows.tick_candles import TickCandles
from flows.trigger_rows import trigger_rows
from registry.activity import is_active
from registry.groups import Group, Series
from registry.shards import Shard
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove

_log = logging.getLogger(__name__)


@dataclass
class Advanced:
    """What a run did; times in microseconds."""

    timeframe: str
    tick_ms: int
    ticks: int = 0
    groups: int = 0
    """Groups that moved, once for each of their slots."""
    conditions: int = 0
    """Conditions judged, likewise."""
    triggers: int = 0
    published: int = 0
    isolated_requests: int = 0
    """Requests that isolated bots would have made to exchanges for the candles that were judged in time: one for each
    series of each bot's condition. A bot that catches up gets many candles with one, so late ones do not count."""
    waiting: set[Group] = field(default_factory=set)
    """Groups without a candle that may still come."""
    in_error: int = 0
    """Conditions of the timeframe that would be judged if they could."""
    publish_error: str | None = None
    """Why the event log did not accept the newest triggers; a later run publishes them."""
    prepare_us: int = 0
    record_us: int = 0
    publish_us: int = 0


async def advance(
    runtime: Runtime,
    timeframe: str,
    tick_ms: int,
    *,
    shard: Shard | None = None,
    on_tick: Callable[[int, int], object] | None = None,
) -> Advanced:
    """Judge every slot of the timeframe that closes by ``tick_ms`` and has not been judged yet: of each series, or of
    those of a shard, up to the last slot on its own grid that has ended by then.

    Waits until ``tick_ms`` if it is in the future. ``on_tick(close_time_ms, triggers)`` is called after each recorded
    tick. A failing event log stops nothing: a later run publishes the triggers.
    """
    done = Advanced(timeframe, tick_ms)
    _publish(runtime, done)
    started = time.perf_counter_ns()
    live = runtime.prepare(timeframe, shard)
    done.prepare_us = _microseconds_since(started)
    failpoints.reach("after_load")
    try:
        while True:
            # Before anything is read for the slot: candles that change later are not among what it was judged from.
            candles_read, slot = runtime.store.candles.last_change(), _next_slot(live, done)
            if slot is not None and runtime.clock.now_ms() < slot[0]:
                await runtime.clock.sleep_until(slot[0])
                candles_read, slot = runtime.store.candles.last_change(), _next_slot(live, done)
            if slot is None:
                break
            close_ms, due = slot
            try:
                triggers = _judge_slot(runtime, live, close_ms, due, candles_read, done)
            except Exception as error:
                if isinstance(error, StaleTick):
                    _log.warning("%s", error)
                elif concerns_everybody(error) or not live.isolate(runtime.store, due, runtime.clock.now_ms()):
                    raise
                # Parts may have moved beyond what was recorded.
                runtime.forget(timeframe, shard)
                live = runtime.prepare(timeframe, shard)
                continue
            if triggers is None:
                continue
            if triggers:
                _publish(runtime, done)
            if on_tick is not None:
                on_tick(close_ms, triggers)
    except BaseException:
        runtime.forget(timeframe, shard)
        raise
    if live.ticks_since_checkpoint >= CHECKPOINT_TICKS:
        live.save_checkpoint(runtime.store)
    if done.publish_error is not None:
        _publish(runtime, done)
    done.in_error = len(live.in_error)
    await runtime.clock.sleep_until(done.tick_ms)
    return done


def _next_slot(live: Live, done: Advanced) -> tuple[int, set[Group]] | None:
    """The earliest close time that some group has to reach, and those groups."""
    dues = [
        due
        for part in live.parts
        if (due := part.due(done.tick_ms, done.waiting, live.reader.first_open_from)) is not None
    ]
    if not dues:
        return None
    close_ms = min(due_ms for due_ms, _ in dues)
    return close_ms, {member.group for due_ms, members in dues if due_ms == close_ms for member in members}


def _judge_slot(
    runtime: Runtime, live: Live, close_ms: int, due: set[Group], candles_read: int, done: Advanced
) -> int | None:
    """Judge and record one slot; the number of triggers, or ``None`` if all of its groups wait for a candle.

    Raises :class:`common.errors.StaleTick` if the store went on in the meantime.
    """
    if not live.outdated(runtime.store).isdisjoint(due):
        raise StaleTick("candles changed after the state of their series was built; it is built again")
    tick = _Tick(runtime, live, close_ms, candles_read)
    for part in list(live.parts):
        movers, waiting = tick.movers(part, due)
        done.waiting |= waiting
        if movers:
            tick.move(part, movers)
            failpoints.reach("mid_evaluation")
    if not tick.moves:
        return None
    for series, open_ms in sorted(tick.holes):
        _log.warning("%s has no candle that opens at %s: judged as missing", series, show_time(open_ms))
    record = tick.make_record()
    failpoints.reach("before_record")
    started = time.perf_counter_ns()
    runtime.store.ticks.record_tick(record)
    failpoints.reach("after_record")
    done.record_us += _microseconds_since(started)
    for move in record.moves:
        live.note_recorded(move.group, close_ms)
    for series in record.anchors:
        del live.anchors[series]
    live.ticks_since_checkpoint += 1
    done.ticks += 1
    done.groups += len(record.moves)
    done.conditions += record.metrics.conditions
    done.triggers += record.triggers.height
    if not record.late:
        done.isolated_requests += record.metrics.isolated_loads
    return record.triggers.height


class _Tick:
    """A tick in the making: what the parts do on one slot adds up to one record."""

    def __init__(self, runtime: Runtime, live: Live, close_ms: int, candles_read: int) -> None:
        self.moves: list[WatermarkMove] = []
        self.holes: set[tuple[Series, int]] = set()
        self._runtime, self._live, self._close_ms, self._candles_read = runtime, live, close_ms, candles_read
        self._confirmed = runtime.ingest.holes() if runtime.ingest is not None else frozenset()
        self._awaited = runtime.ingest.awaited() if runtime.ingest is not None else {}
        self._candles = TickCandles(live.reader, (series for part in live.parts for series in part.series))
        self._fired: list[FiredCondition] = []
        self._loaded: set[Series] = set()
        self._counts = dict.fromkeys(COUNTS, 0)
        self._indicators_us = self._judge_us = 0

    def movers(self, part: Part, due: set[Group]) -> tuple[list[PlanGroup], set[Group]]:
        """The due groups of a part whose missing candles are all holes, and those that wait for a candle."""
        members = [member for member in part.groups if member.group in due]
        waiting: set[Group] = set()
        for group, missing in part.lacking(members, self._close_ms, self._candles.load_complete).items():
            now_ms = self._runtime.clock.now_ms()
            holes = holes_among(missing, self._live.reader, now_ms, self._confirmed, self._awaited)
            if holes is None:
                waiting.add(group)
            else:
                self.holes |= holes
        if waiting:
            members = [member for member in members if member.group not in waiting]
        return members, waiting

    def move(self, part: Part, movers: Sequence[PlanGroup]) -> None:
        """Judge the slot's candle for groups of a part. The part is split if its other groups cannot follow."""
        live = self._live
        if not part.is_alone and len(movers) < len(part.groups):
            part = live.split(part, movers)
            # The part of the movers has a plan of its own, in which series have other indices.
            movers = part.groups
        started = time.perf_counter_ns()
        moved = part.move(movers, self._close_ms, self._candles.load)
        self._indicators_us += _microseconds_since(started) - moved.judge_us
        self._judge_us += moved.judge_us
        self._fired += moved.fired
        self._loaded |= {part.series[index] for index in np.flatnonzero(moved.loaded)}
        for name, count in count_move(part.plan, live.subscriptions(part.plan), moved).items():
            self._counts[name] += count
        self.moves += [WatermarkMove(member.group, live.recorded[member.group], self._close_ms) for member in movers]

    def make_record(self) -> TickRecord:
        """What the store records of the tick; triggers of conditions that are no longer active are left out."""
        live, close_ms = self._live, self._close_ms
        late = self._runtime.clock.now_ms() >= close_ms + DURATION_MS[live.timeframe]
        fired = [trigger for trigger in self._fired if is_active(live.activity[trigger.condition.id], close_ms)]
        fired.sort(key=lambda trigger: trigger.condition.id)
        read = {series for move in self.moves for series in move.group.series}
        anchors = {series: anchor for series, anchor in live.anchors.items() if series in read}
        return TickRecord(
            timeframe=live.timeframe,
            close_time_ms=close_ms,
            late=late,
            moves=tuple(self.moves),
            triggers=trigger_rows(fired, close_ms, live.reader.calendars, late=late),
            holes=tuple(sorted(self.holes)),
            anchors=anchors,
            rebase=live.rebase,
            registry_version=live.registry_version,
            candles_read=self._candles_read,
            built_from={series: source for series in anchors if (source := live.reader.source(series)) is not None},
            grids={series: grid for series in anchors if (grid := live.reader.calendars.grid(series)) != UTC_GRID},
            metrics=TickMetrics(
                **self._counts,
                series=len(self._loaded),
                load_us=self._candles.load_us,
                indicators_us=self._indicators_us,
                judge_us=self._judge_us,
            ),
        )


def _publish(runtime: Runtime, done: Advanced) -> None:
    """Publish what the event log lacks, unless it failed a short while ago."""
    started = runtime.monotonic_ns()
    if started < runtime.publish_from_ns:
        done.publish_error = runtime.publish_problem
        return
    try:
        done.published += drain(runtime.store, runtime.log)
        done.publish_error = None
    except EventLogAhead:
        raise
    except EventLogError as error:
        if done.publish_error is None:
            _log.error("%s", error)
        done.publish_error = str(error)
        runtime.pause_publishing(started, str(error))
    done.publish_us += (runtime.monotonic_ns() - started) // 1000


def _microseconds_since(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000
