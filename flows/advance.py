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
from numpy.typing import NDArray

from events.publisher import drain
from flows.evaluate import VALUES, Fired
from flows.runtime import Live, Runtime
from flows.savings import count_tick
from registry.errors import EventLogAhead, EventLogError, StaleTick
from registry.store.records import Move, TickMetrics, TickRecord
from registry.timeframes import DURATION_MS, show_time, slot_at_or_before

_log = logging.getLogger(__name__)

_HOLD_TIMEFRAMES = 2
_LONGEST_HOLD_MS = 5 * 60_000


@dataclass
class Advanced:
    """What a run did; times in microseconds."""

    timeframe: str
    tick_ms: int
    ticks: int = 0
    triggers: int = 0
    published: int = 0
    waiting: list[str] = field(default_factory=list)
    """Series whose next candle has not come yet."""
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
    try:
        while live is not None:
            close_ms, moving_names = _next_slot(live, done)
            if close_ms is None:
                break
            await runtime.clock.sleep_until(close_ms)
            try:
                triggers = _judge_slot(runtime, live, close_ms, moving_names, done)
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
    await runtime.clock.sleep_until(done.tick_ms)
    return done


def _next_slot(live: Live, done: Advanced) -> tuple[int | None, list[str]]:
    """The earliest close time that some series has to reach, and those series."""
    length = DURATION_MS[done.timeframe]
    due = {name: mark + length for name, mark in live.reached.items() if name not in done.waiting}
    close_ms = min(due.values(), default=None)
    if close_ms is None or close_ms > done.tick_ms:
        return None, []
    return close_ms, [name for name, next_ms in due.items() if next_ms == close_ms]


def _judge_slot(runtime: Runtime, live: Live, close_ms: int, names: list[str], done: Advanced) -> int | None:
    """Judge and record one slot; the number of triggers, or ``None`` if all of its series wait for their candle."""
    length = DURATION_MS[done.timeframe]
    started = time.perf_counter_ns()
    arrived = runtime.store.candles.at(done.timeframe, close_ms - length)
    candles, present = _matrix(live, arrived)
    load_us = _microseconds_since(started)
    moving = np.zeros(len(live.names), np.bool_)
    moving[[live.position[name] for name in names]] = True
    present &= moving
    absent = [live.names[index] for index in np.flatnonzero(moving & ~present)]
    holes = _holes(runtime, absent, close_ms, length) if absent else []
    for name in absent:
        if name not in holes:
            moving[live.position[name]] = False
            done.waiting.append(name)
    if not moving.any():
        return None

    started = time.perf_counter_ns()
    live.evaluator.move(candles, present, moving)
    indicators_us = _microseconds_since(started)
    started = time.perf_counter_ns()
    fired = [held for held in live.evaluator.judge(moving) if close_ms > live.active_from[held.condition.id]]
    judge_us = _microseconds_since(started)

    moved = [live.names[index] for index in np.flatnonzero(moving)]
    late = runtime.clock.now_ms() >= close_ms + length
    record = TickRecord(
        timeframe=done.timeframe,
        close_time_ms=close_ms,
        late=late,
        moves=tuple(Move(name, live.recorded[name], close_ms) for name in moved),
        triggers=_trigger_rows(fired, close_ms, length, late),
        holes=tuple((name, close_ms - length) for name in holes),
        anchors={name: live.anchors[name] for name in moved if name in live.anchors},
        metrics=TickMetrics(
            **count_tick(live.plan, live.subscribers, moving, present),
            load_us=load_us,
            indicators_us=indicators_us,
            judge_us=judge_us,
        ),
    )
    started = time.perf_counter_ns()
    runtime.store.ticks.record_tick(record)
    done.record_us += _microseconds_since(started)
    for name in moved:
        live.recorded[name] = live.reached[name] = close_ms
        live.anchors.pop(name, None)
    done.ticks += 1
    done.triggers += len(fired)
    return len(fired)


def _holes(runtime: Runtime, absent: list[str], close_ms: int, length: int) -> list[str]:
    """Series whose missing candle is given up: a later one has come and the hold time is over."""
    if runtime.clock.now_ms() < close_ms + min(_HOLD_TIMEFRAMES * length, _LONGEST_HOLD_MS):
        return []
    extent = runtime.store.candles.extent(absent[0].rsplit(" ", 1)[-1])
    holes = [name for name in absent if extent[name][1] >= close_ms]
    for name in holes:
        _log.warning("%s has no candle that closes at %s: judged as missing", name, show_time(close_ms))
    return holes


def _matrix(live: Live, arrived: pl.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Candles as float64[5, series], and which series have one."""
    candles = np.zeros((len(VALUES), len(live.names)))
    present = np.zeros(len(live.names), np.bool_)
    positions = [live.position.get(name) for name in arrived["series"]]
    rows = [row for row, position in enumerate(positions) if position is not None]
    columns = [position for position in positions if position is not None]
    candles[:, columns] = arrived.select(VALUES).to_numpy()[rows].T
    present[columns] = True
    return candles, present


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
    try:
        done.published += drain(runtime.store, runtime.log)
        done.publish_error = None
    except EventLogAhead:
        raise
    except EventLogError as error:
        if done.publish_error is None:
            _log.error("%s", error)
        done.publish_error = str(error)
    done.publish_us += _microseconds_since(started)


def _microseconds_since(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000
