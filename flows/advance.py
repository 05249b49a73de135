"""Moves the watermarks of one timeframe to a tick: every missed candle in order, each slot one recorded tick.

Run twice, or by two at once, it does the work once: the store takes a tick only from where its watermarks are. Run
late, it judges all that was missed and says so. Killed at any point, it goes on from the last recorded tick.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from analysis.savings import COUNTS, count_move
from candles.holes import holes_among
from common import failpoints
from common.candle_columns import VALUES
from common.errors import EventLogAhead, EventLogError, StaleTick
from common.timeframes import DURATION_MS, show_time, slot_at_or_before
from engine.evaluate import Fired
from engine.part import Slot
from events.log.publisher import drain
from flows.checkpoints import CHECKPOINT_TICKS
from flows.live import Live
from flows.runtime import Runtime
from registry.activity import is_active
from registry.groups import Group, Series
from registry.store.parts.ticks import TickMetrics, TickRecord, WatermarkMove

_log = logging.getLogger(__name__)

_PAUSE_A_FAILURE = 10
"""Publishing is not tried again for so many times as long as the attempt took that failed."""


@dataclass
class Advanced:
    """What a run did; times in microseconds."""

    timeframe: str
    tick_ms: int
    ticks: int = 0
    triggers: int = 0
    published: int = 0
    waiting: list[Group] = field(default_factory=list)
    """Groups that miss a candle which may still come."""
    publish_error: str | None = None
    """Why the event log did not take the newest triggers; a later run publishes them."""
    prepare_us: int = 0
    record_us: int = 0
    publish_us: int = 0


async def advance(
    runtime: Runtime,
    timeframe: str,
    tick_ms: int,
    *,
    shard: int = 0,
    shards: int = 1,
    on_tick: Callable[[int, int], object] | None = None,
) -> Advanced:
    """Judge every slot of the timeframe that closes by ``tick_ms`` and is not judged yet.

    Waits for ``tick_ms`` where it is in the future. ``on_tick(close_time_ms, triggers)`` is called after each recorded
    tick. A failing event log stops nothing: its triggers are published by a later run.
    """
    done = Advanced(timeframe, slot_at_or_before(tick_ms, timeframe))
    _publish(runtime, done)
    started = time.perf_counter_ns()
    live = runtime.prepare(timeframe, shard, shards)
    done.prepare_us = _microseconds_since(started)
    failpoints.reach("after_load")
    try:
        while (slot := _next_slot(live, done)) is not None:
            close_ms, due = slot
            await runtime.clock.sleep_until(close_ms)
            try:
                triggers = _judge_slot(runtime, live, close_ms, due, done)
            except StaleTick as stale:
                _log.warning("%s", stale)
                runtime.forget(timeframe, shard, shards)
                live = runtime.prepare(timeframe, shard, shards)
                continue
            if triggers is None:
                continue
            if triggers:
                _publish(runtime, done)
            if on_tick is not None:
                on_tick(close_ms, triggers)
    except BaseException:
        runtime.forget(timeframe, shard, shards)
        raise
    if live.ticks_since_checkpoint >= CHECKPOINT_TICKS:
        live.save_checkpoint(runtime.store)
    if done.publish_error is not None:
        _publish(runtime, done)
    await runtime.clock.sleep_until(done.tick_ms)
    return done


def _next_slot(live: Live, done: Advanced) -> tuple[int, set[Group]] | None:
    """The earliest close time that some group has to reach, and those groups."""
    due: dict[int, set[Group]] = {}
    for part in live.parts:
        for group in part.groups:
            if group.name not in done.waiting:
                close_ms = part.next_close(group, live.reader.first_open_from)
                if close_ms is not None and close_ms <= done.tick_ms:
                    due.setdefault(close_ms, set()).add(group.name)
    return min(due.items(), default=None)


def _judge_slot(runtime: Runtime, live: Live, close_ms: int, due: set[Group], done: Advanced) -> int | None:
    """Judge and record one slot; the number of triggers, or ``None`` if all of its groups wait for a candle."""
    slots = _Slots(live)
    moves: list[WatermarkMove] = []
    fired: list[Fired] = []
    holes: set[tuple[Series, int]] = set()
    counts = dict.fromkeys(COUNTS, 0)
    loaded: set[Series] = set()
    indicators_us = judge_us = 0
    for held_part in list(live.parts):
        part, movers = held_part, []
        for group in [group for group in held_part.groups if group.name in due]:
            missing = part.missing(group, close_ms, slots.load_complete)
            verdict = holes_among(missing, live.reader, runtime.clock.now_ms())
            if verdict is None:
                done.waiting.append(group.name)
            else:
                holes |= verdict
                movers.append(group)
        if not movers:
            continue
        if not part.is_alone and len(movers) < len(part.groups):
            part = live.split(runtime.store, part, movers)
            # A part of its own has a plan of its own, in which series stand elsewhere.
            movers = list(part.groups)
        started = time.perf_counter_ns()
        moved = part.move(movers, close_ms, slots.load)
        spent_us = _microseconds_since(started)
        indicators_us += spent_us - moved.judge_us
        judge_us += moved.judge_us
        fired += moved.fired
        loaded |= {part.names[index] for index in np.flatnonzero(moved.loaded)}
        for name, count in count_move(part.plan, live.subscriptions(part.plan), moved).items():
            counts[name] += count
        moves += [WatermarkMove(group.name, live.recorded[group.name], close_ms) for group in movers]
        failpoints.reach("mid_evaluation")
    if not moves:
        return None
    for series, open_ms in sorted(holes):
        _log.warning("%s has no candle that opens at %s: judged as missing", series, show_time(open_ms))

    length = DURATION_MS[done.timeframe]
    late = runtime.clock.now_ms() >= close_ms + length
    fired = [held for held in fired if is_active(live.activity[held.condition.id], close_ms)]
    fired.sort(key=lambda held: held.condition.id)
    read = {name for move in moves for name in move.group.series}
    anchors = {name: anchor for name, anchor in live.anchors.items() if name in read}
    record = TickRecord(
        timeframe=done.timeframe,
        close_time_ms=close_ms,
        late=late,
        moves=tuple(moves),
        triggers=_trigger_rows(fired, close_ms, length, late),
        holes=tuple(sorted(holes)),
        anchors=anchors,
        rebase=live.rebase,
        registry_version=live.registry_version,
        built_from={name: source for name in anchors if (source := live.reader.source(name)) is not None},
        metrics=TickMetrics(
            **counts,
            series=len(loaded),
            load_us=slots.load_us,
            indicators_us=indicators_us,
            judge_us=judge_us,
        ),
    )
    failpoints.reach("before_record")
    started = time.perf_counter_ns()
    runtime.store.ticks.record_tick(record)
    failpoints.reach("after_record")
    done.record_us += _microseconds_since(started)
    for move in moves:
        live.note_recorded(move.group, close_ms)
    for name in record.anchors:
        del live.anchors[name]
    live.ticks_since_checkpoint += 1
    done.ticks += 1
    done.triggers += len(fired)
    return len(fired)


class _Slots:
    """The candles of the slots that a tick needs, each slot loaded once."""

    def __init__(self, live: Live) -> None:
        self._reader = live.reader
        self._series = {name for part in live.parts for name in part.names}
        self._held: dict[tuple[str, int], tuple[Slot, Slot]] = {}
        self.load_us = 0

    def load(self, timeframe: str, open_ms: int) -> Slot:
        """All candles of a slot, built ones that lack sub-candles among them."""
        return self._both(timeframe, open_ms)[0]

    def load_complete(self, timeframe: str, open_ms: int) -> Slot:
        """The candles of a slot that lack nothing."""
        return self._both(timeframe, open_ms)[1]

    def _both(self, timeframe: str, open_ms: int) -> tuple[Slot, Slot]:
        key = (timeframe, open_ms)
        if key not in self._held:
            started = time.perf_counter_ns()
            rows = self._reader.at(timeframe, open_ms, self._series)
            everything = dict(zip(rows["series"], rows.select(VALUES).rows(), strict=True))
            partial = set(rows.filter("partial")["series"])
            complete = {name: row for name, row in everything.items() if name not in partial}
            self._held[key] = everything, complete
            self.load_us += _microseconds_since(started)
        return self._held[key]


def _trigger_rows(fired: list[Fired], close_ms: int, length: int, late: bool) -> pl.DataFrame:
    import msgspec

    rows = [
        (
            f"{held.condition.id}:{close_ms}",
            held.condition.id,
            held.condition.series.instrument.exchange,
            held.condition.series.instrument.symbol,
            held.condition.timeframe,
            held.price,
            # msgspec writes null for a value that is not finite, which JSON cannot hold.
            msgspec.json.encode(held.values).decode(),
            held.settled,
            held.condition.definition_versions,
        )
        for held in fired
    ]
    return pl.DataFrame(
        rows,
        schema={
            "trigger_id": pl.String,
            "condition_id": pl.String,
            "exchange": pl.String,
            "symbol": pl.String,
            "timeframe": pl.String,
            "price": pl.Float64,
            "values": pl.String,
            "settled": pl.Boolean,
            "definition_versions": pl.String,
        },
        orient="row",
    ).with_columns(
        pl.lit(late).alias("late"),
        pl.from_epoch(pl.lit(close_ms - length), "ms").dt.replace_time_zone("UTC").alias("open_time"),
        pl.from_epoch(pl.lit(close_ms), "ms").dt.replace_time_zone("UTC").alias("close_time"),
    )


def _publish(runtime: Runtime, done: Advanced) -> None:
    started = time.perf_counter_ns()
    if started < runtime.publish_from_ns:
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
        # A server that hangs costs each attempt its time limit. Judging waits for it a tenth of its time at most.
        ended = time.perf_counter_ns()
        runtime.publish_from_ns = ended + _PAUSE_A_FAILURE * (ended - started)
    done.publish_us += _microseconds_since(started)


def _microseconds_since(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000
