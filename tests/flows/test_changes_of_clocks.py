"""Live, scanned, after restarts and audited, days and quarters of days agree across both changes of clocks."""

from datetime import UTC, datetime

import polars as pl
import pytest

import analysis
from analysis.audit import audit
from common.clock import ReplayClock
from common.grids import Grid
from common.slots import slots_of
from common.timeframes import DURATION_MS, to_ms
from flows.advance import advance
from flows.runtime import Runtime
from registry.conditions import Condition
from registry.groups import Series
from registry.instruments import Instrument, Listing
from registry.store.files.file_store import FileStore
from registry.store.parts.registry import SubscriptionRequest
from tests.engine.test_other_grids import candles_of
from tests.events.log.memory_log import MemoryLog

DAY = DURATION_MS["1d"]
GRIDS = {
    "OKX:BTCUSDT": "Etc/GMT-8",
    "FX:EURUSD": "EET",
    "IC:XAUUSD": "America/New_York, day 17:00",
    "ASX:BHP": "Australia/Sydney",
    "NASDAQ:AAPL": "America/New_York, session 09:30-16:00",
}
TIMEFRAMES = ("1d", "4h")
CHANGES = {
    "America, spring": datetime(2024, 3, 10, tzinfo=UTC),
    "Europe, spring": datetime(2024, 3, 31, tzinfo=UTC),
    "Australia, autumn there": datetime(2024, 4, 7, tzinfo=UTC),
    "Europe, autumn": datetime(2024, 10, 27, tzinfo=UTC),
    "America, autumn": datetime(2024, 11, 3, tzinfo=UTC),
}
"""The Sundays on which clocks change."""


def listing(name: str) -> Listing:
    return Listing(
        Instrument.parse(name), grid=Grid.parse(GRIDS[name]), calendar="sessions" if name == "NASDAQ:AAPL" else "24x7"
    )


def candles(start_ms: int, end_ms: int) -> pl.DataFrame:
    frames = []
    for seed, name in enumerate(GRIDS):
        for timeframe in TIMEFRAMES:
            series = Series(Instrument.parse(name), timeframe)
            opens = slots_of(timeframe, listing(name).grid).between(start_ms, end_ms)
            if listing(name).calendar == "sessions":
                opens = opens[(opens // DAY + 3) % 7 < 5]
            frames.append(candles_of(series, opens.tolist(), seed=seed))
    return pl.concat(frames)


@pytest.mark.parametrize("change", CHANGES)
async def test_all_ways_to_judge_agree(store: FileStore, log: MemoryLog, change: str) -> None:
    start_ms = to_ms(CHANGES[change]) - DAY - DAY // 2
    end_ms = start_ms + 4 * DAY
    frame = candles(start_ms - 6 * DAY, end_ms)
    store.candles.list_instruments([listing(name) for name in GRIDS])
    store.candles.upsert(frame)
    conditions = [
        Condition.parse(f"{name} {timeframe}: {when}")
        for name in GRIDS
        for timeframe in TIMEFRAMES
        for when in ("every(close[1] > 0)", "close[1] crosses_above ema(4)")
    ] + [Condition.parse("FX:EURUSD 4h: every(close > close@OKX:BTCUSDT)")]
    store.registry.register(conditions, active_from_ms=start_ms)
    store.registry.subscribe(
        [SubscriptionRequest("user", f"bot {each.id}", each.id, "dca", {}) for each in conditions],
        active_from_ms=start_ms,
    )
    ends = {timeframe: closes(frame, timeframe, start_ms, end_ms) for timeframe in TIMEFRAMES}
    clock = ReplayClock(start_ms)
    runtime, seen = Runtime(store, log, clock), list[int]()
    for number, now_ms in enumerate(sorted(set().union(*ends.values()))):
        clock.move_to(now_ms)
        if number % 9 == 8:
            runtime = Runtime(store, log, clock)
        for timeframe in TIMEFRAMES:
            if now_ms in ends[timeframe]:
                seen.clear()
                await advance(runtime, timeframe, now_ms, on_tick=lambda close_ms, _: seen.append(close_ms))
                assert seen == [now_ms], f"{timeframe} is judged when its slots end, not before and not after"
    grids = {name: listing(name).grid for name in GRIDS}
    scan = analysis.scan(conditions, frame, grids=grids, calendars={"NASDAQ:AAPL": "sessions"}).filter(
        pl.col("close_time").dt.epoch("ms").is_between(start_ms + 1, now_ms)
    )
    recorded = store.triggers.after(0, 100_000)
    columns = ["condition_id", "open_time", "close_time", "price"]
    assert (
        recorded.select(columns)
        .cast(scan.select(columns).schema)
        .sort(columns)
        .equals(scan.select(columns).sort(columns))
    )
    assert recorded.height > 60
    assert audit(store).differences == ()


def closes(frame: pl.DataFrame, timeframe: str, start_ms: int, end_ms: int) -> set[int]:
    """When the slots of a timeframe's candles end, on all grids."""
    ends: set[int] = set()
    for name in GRIDS:
        series = Series(Instrument.parse(name), timeframe)
        mine = frame.filter((pl.col("symbol") == series.instrument.symbol) & (pl.col("timeframe") == timeframe))
        slots = slots_of(timeframe, listing(name).grid)
        times = slots.close(slots.number(mine["open_time"].dt.epoch("ms").to_numpy()))
        ends |= {end for end in times.tolist() if start_ms < end <= end_ms - DAY}
    return ends
